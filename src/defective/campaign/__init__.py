"""Rerun the paper: plan jobs, keep their results in a store, run what is missing, hold measured beside published."""
