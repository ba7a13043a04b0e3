"""Measure this package against its peers and against the machine, side by side, with correctness checked before time."""
