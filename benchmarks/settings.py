"""What a run of the benchmark is given, and what every row returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.paired import Seconds, fastest, in_turn, ratios
from defective.machine import resolve_precision

Found = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """Sizes and paths.

    Attributes:
        device: Where to measure.
        folder: Folder of the models that are trained for the attacks.
        repeats: Timed turns of each contestant.
        width: Width of the models, 1 is the paper's.
        quick: Tiny amounts, to try the benchmark itself.
        data: Data set, as :func:`defective.data.load_data` takes it.
        checkpoint: Model to attack; None trains a small one.
        epochs: Epochs of our recipe in row ``accuracy``; None takes those of scale small.
    """

    device: torch.device
    folder: Path
    repeats: int = 5
    width: float = 1.0
    quick: bool = False
    data: str = "shapes"
    checkpoint: Path | None = None
    epochs: int | None = None

    @property
    def emulates_bf16(self) -> bool:
        """Whether this device has no bfloat16 of its own: torch emulates it, many times slower, and no user chooses it."""
        return not self.quick and resolve_precision(self.device) == "fp32"

    def amount(self, full: int, quick: int) -> int:
        """A size: ``quick`` in a quick run, ``full`` otherwise."""
        return quick if self.quick else full

    def in_turn(self, contestants: Any, *, warm: bool = True) -> Seconds:
        """Time contestants in turn on this device, ``repeats`` times."""
        return in_turn(contestants, self.repeats, warm=warm, device=self.device)

    def once(self, act: Callable[[], object]) -> float:
        """Seconds of a single run."""
        return in_turn({"it": act}, 1, warm=False, device=self.device)["it"][0]


def measured(check: str, ratio: dict[str, Any], *, seconds: Seconds | None = None, note: str = "", **more: Any) -> Found:
    """A line whose check has passed."""
    return {"state": "measured", "check": check, "ratio": ratio, "seconds": seconds or {}, "note": note, **more}


def wrong(check: str) -> Found:
    """A line whose check has failed: no time is taken."""
    return {"state": "check failed", "check": check}


def absent(why: str) -> Found:
    """A line that cannot be measured here."""
    return {"state": why}


EMULATED = absent("not measured: this processor emulates bfloat16")


def first_failure(checks: Sequence[tuple[bool, str]]) -> tuple[bool, str]:
    """Whether all checks have passed, and what was checked: all of it, or the first that failed."""
    failed = next((text for passed, text in checks if not passed), "")
    return not failed, failed or "; ".join(text for _, text in checks)


def against_the_fastest(
    settings: Settings,
    checks: Mapping[str, tuple[bool, str]],
    own: Mapping[str, Callable[[], object]],
    theirs: Mapping[str, Callable[[], object]],
    *,
    warm: bool = True,
    slower: str = "",
    **more: Any,
) -> dict[str, Found]:
    """A line for each precision: our attack, if its check has passed, against the fastest peer; ``slower`` is added to the note."""
    right = {f"ours {precision}": own[precision] for precision, (passed, _) in checks.items() if passed}
    seconds = settings.in_turn({**right, **theirs}, warm=warm) if right else {}
    best = fastest(seconds, list(theirs)) if right else ""
    about: Found = {"seconds": seconds, "note": f"the fastest is {best}{slower}", **more}
    return {
        precision: measured(check, ratios(seconds[best], seconds[f"ours {precision}"]), **about) if passed else wrong(check)
        for precision, (passed, check) in checks.items()
    }
