"""What a run of the bench is told, and what every row hands back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from defective.bench.paired import Seconds, in_turn

# Where the costs of the jobs of Table 3 are read from, in a checkout of the project.
COSTS = Path("results/cifar10-jpeg/tiny/cpu")
Found = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """Sizes and places.

    Attributes:
        device: Where to measure.
        folder: Where the nets go that are trained for the attacks.
        repeats: Timed turns of each contestant.
        width: Width of the nets, 1 is the paper's.
        images: Images to attack, or to train on; None leaves it to the row.
        quick: Tiny amounts, to try the bench itself.
        data: Data set, as :func:`defective.data.load_data` takes it.
        checkpoint: Net to attack; None trains a small one.
        store: Store or exported document with the costs of Table 3's jobs.
    """

    device: torch.device
    folder: Path
    repeats: int = 5
    width: float = 1.0
    images: int | None = None
    quick: bool = False
    data: str = "shapes"
    checkpoint: Path | None = None
    store: Path = COSTS

    def amount(self, full: int, quick: int) -> int:
        """A size that only quickness changes."""
        return quick if self.quick else full

    def count(self, full: int, quick: int) -> int:
        """A number of images."""
        return self.images or self.amount(full, quick)

    def in_turn(self, contestants: Any, *, warm: bool = True) -> Seconds:
        """Time contestants in turn on this device, as often as asked for."""
        return in_turn(contestants, self.repeats, warm=warm, device=self.device)

    def once(self, act: Callable[[], object]) -> float:
        """Seconds of a single run."""
        return in_turn({"it": act}, 1, warm=False, device=self.device)["it"][0]


def measured(check: str, ratio: dict[str, Any], *, seconds: Seconds | None = None, note: str = "", **more: Any) -> Found:
    """A line whose check has passed."""
    return {"state": "measured", "check": check, "ratio": ratio, "seconds": seconds or {}, "note": note, **more}


def wrong(check: str, **more: Any) -> Found:
    """A line whose check has failed: no time is taken."""
    return {"state": "check failed", "check": check, **more}


def absent(why: str) -> Found:
    """A line that cannot be measured here."""
    return {"state": why}


def first_failure(checks: Sequence[tuple[bool, str]]) -> tuple[bool, str]:
    """Whether all checks have passed, and what was checked: all of it, or the first that failed."""
    failed = next((text for passed, text in checks if not passed), "")
    return not failed, failed or "; ".join(text for _, text in checks)
