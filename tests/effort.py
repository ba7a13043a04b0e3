"""How hard the tests of robustness try: some seconds in `make test`, up to an hour in `make torture`, which counts what was tried."""

import os

LONG = bool(os.environ.get("TORTURE"))


def effort(short: int, long: int) -> int:
    """How many examples to try."""
    return long if LONG else short
