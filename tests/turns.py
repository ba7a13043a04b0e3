"""Work done in turns, each of which a deadline ends after so many looks at the clock."""

from itertools import count

import pytest

from defective import progress
from defective.errors import OutOfTime


def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each look at the clock cost a second."""
    monkeypatch.setattr(progress, "monotonic", count().__next__)


def in_turns(work, units):
    """What ``work()`` returns in the end, and how often it was stopped, if a turn has time for so many units of new work."""
    for stops in range(100):
        try:
            with progress.until(units + 1):
                return work(), stops
        except OutOfTime:
            pass
    raise AssertionError("it makes no progress")
