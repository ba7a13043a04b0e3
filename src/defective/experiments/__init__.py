"""Plan jobs, keep their results in a store, run what is missing."""
