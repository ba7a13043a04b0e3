"""What was measured, beside what was published: values, comparisons, claims, documents."""
