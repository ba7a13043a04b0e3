"""Let threads of the command that wait for each other give their core away soon, where other programs want it.

Imported before torch, whose OpenMP library reads this once. It has no effect where the package is used as a library.
"""

import os

from defective.interrupts import is_command

# Rounds that GNU's OpenMP library waits before a thread sleeps, in place of 300,000. On two cores that two trainings filled, a training
# step took half the time so; on idle ones as long as before.
ROUNDS = 20_000

if is_command() and "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", str(ROUNDS))
