"""Speed and memory beside other packages, with correctness checked before time: ``python -m benchmarks``; no part of the package."""
