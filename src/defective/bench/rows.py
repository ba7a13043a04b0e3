"""The rows of the bench as data: what is compared with what, and what is to be reached on which kind of device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from defective.errors import InputError


@dataclass(frozen=True)
class Line:
    """One comparison.

    ``reach`` is the ratio to reach by kind of device, one of ``side``; where it is None, the line's check is all that is to be
    reached, said in ``goal``. Where a kind of device is missing, the line is not asked for there.
    """

    key: str
    work: str
    against: str
    side: Literal["at least", "at most"]
    reach: dict[str, float | None]
    unit: Literal["x", "%"] = "x"
    goal: str = ""

    def reached(self, device: str, ratio: float) -> bool:
        """Whether a ratio is what was to be reached."""
        reach = self.reach[device]
        return reach is None or (ratio >= reach if self.side == "at least" else ratio <= reach)

    def to_reach(self, device: str) -> str:
        """What is to be reached, as people read it."""
        reach = self.reach[device]
        return self.goal if reach is None else f"{self.side} {shown(reach, self.unit)}"


@dataclass(frozen=True)
class Row:
    """Comparisons that are measured together."""

    number: int
    name: str
    title: str
    lines: tuple[Line, ...]


def shown(ratio: float, unit: str, digits: int = 2) -> str:
    """A ratio as people read it, with so many digits after the point.

    Example:
        >>> shown(1.304, "x"), shown(1.0214, "x", 3), shown(0.0052, "%"), shown(0.6, "%")
        ('1.30 x', '1.021 x', '0.52 %', '60 %')
    """
    return f"{100 * ratio:.3g} %" if unit == "%" else f"{ratio:.{digits}f} x"


_PEERS = "the fastest of Foolbox, torchattacks, ART"
_BOTH: dict[str, float | None] = {"cpu": 1.3, "cuda": 1.3}
_THREE: dict[str, float | None] = {"cpu": 3.0, "cuda": 3.0}
_FIVE: dict[str, float | None] = {"cpu": 5.0, "cuda": 5.0}


def _gradient(key: str, name: str, peers: str = _PEERS) -> tuple[Line, Line]:
    return (
        Line(f"{key}-fp32", f"{name}, fp32", peers, "at least", _BOTH),
        Line(f"{key}-bf16", f"{name}, bf16", f"{peers}, in fp32", "at least", _THREE),
    )


def _drafted(key: str, name: str, peers: str, reach: dict[str, float | None]) -> tuple[Line, Line]:
    return (
        Line(f"{key}-fp32", f"{name}, fp32", peers, "at least", reach),
        Line(f"{key}-bf16", f"{name}, drafted in bf16", f"{peers}, in fp32", "at least", reach),
    )


_DEFECTIVE = "resnet18/0.1-bottom"
_MEMORY: dict[str, float | None] = {"cpu": 1.01, "cuda": 1.01}

ROWS: tuple[Row, ...] = (
    Row(
        1,
        "step",
        "One training step, time taken",
        (
            Line("fp32", f"{_DEFECTIVE}, batch 128, fp32", "resnet18, same loop", "at most", {"cpu": 1.02}),
            Line("bf16", f"{_DEFECTIVE}, batch 128, bf16", "resnet18, same loop", "at most", {"cpu": 1.02, "cuda": 1.02}),
        ),
    ),
    Row(
        2,
        "throughput",
        "Training images a second",
        (
            Line(
                "loop",
                "resnet18, our loop",
                "the usual loop: DataLoader, transforms image by image, fp32",
                "at least",
                {"cpu": 4.0, "cuda": 10.0},
            ),
            Line(
                "peak",
                "resnet18, our loop",
                "what multiplying matrices reaches",
                "at least",
                {"cpu": 0.6, "cuda": None},
                "%",
                "to be said",
            ),
        ),
    ),
    Row(
        3,
        "gradient",
        "Gradient attacks on one net, images a second",
        (
            *_gradient("fgsm", "FGSM"),
            *_gradient("pgd", "PGD, 20 steps"),
            *_gradient("mifgsm", "MI-FGSM, 20 steps", "the faster of torchattacks, ART"),
            *_gradient("defective", f"PGD, 20 steps, on {_DEFECTIVE}"),
        ),
    ),
    Row(
        4,
        "cw",
        "Carlini-Wagner L2, same search and steps, images a second",
        (
            *_drafted("search", "CW, constants searched", "the faster of Foolbox, ART", _THREE),
            *_drafted("one-constant", "CW, one constant", _PEERS, _THREE),
        ),
    ),
    Row(
        5,
        "boundary",
        "Boundary attack, same queries for each image, images a second",
        (
            *_drafted("foolbox", "Boundary attack", "Foolbox", _FIVE),
            *_drafted("art", "Boundary attack, for each image and query", "ART, few images", _FIVE),
        ),
    ),
    Row(
        6,
        "sparse",
        "Logits through live neurons only, images a second",
        (
            Line("fp32", f"sparsify({_DEFECTIVE}), fp32", "plain dense resnet18, fp32", "at least", {"cpu": 2.0}),
            Line("bf16", f"sparsify({_DEFECTIVE}), bf16", "plain dense resnet18, bf16", "at least", {"cpu": 1.3}),
            Line("x2", f"sparsify({_DEFECTIVE}-x2), fp32", "its dense self, fp32", "at least", {"cpu": 4.0}),
        ),
    ),
    Row(
        7,
        "campaign",
        "Table 3: 20 nets, 5 sources, 75 cells",
        (
            Line(
                "once",
                "all cells through the campaign",
                "each cell done alone, time taken",
                "at least",
                {"cpu": None},
                goal="each net trained and each source attacked once",
            ),
            Line("bookkeeping", "plan, locks, results, files", "the jobs themselves, time taken", "at most", {"cpu": 0.01}, "%"),
        ),
    ),
    Row(
        8,
        "memory",
        f"Memory of {_DEFECTIVE}",
        (
            Line("saved", "kept for the backward pass of a training step, batch 128", "resnet18", "at most", _MEMORY),
            Line("training", "peak of a training step, batch 128", "resnet18", "at most", _MEMORY),
            Line("attack", "peak of an attack's step, 128 images", "resnet18", "at most", _MEMORY),
        ),
    ),
    Row(
        9,
        "live",
        "Training through live neurons only, time taken",
        (
            Line("fp32", f"{_DEFECTIVE}, live neurons only, fp32", "resnet18, same loop", "at most", {"cpu": 0.6}),
            Line("bf16", f"{_DEFECTIVE}, live neurons only, bf16", "resnet18, same loop", "at most", {"cpu": 0.85}),
        ),
    ),
)


def chosen(names: Sequence[str]) -> list[Row]:
    """Rows by name or number, in the order of the table; all of them if none is named.

    Raises:
        InputError: If there is no such row.

    Example:
        >>> [row.name for row in chosen(["gradient", "1"])]
        ['step', 'gradient']
    """
    known = {**{row.name: row for row in ROWS}, **{str(row.number): row for row in ROWS}}
    for name in names:
        if name not in known:
            raise InputError(f"no row {name!r}; there are {', '.join(f'{row.number} {row.name}' for row in ROWS)}")
    wanted = {known[name].name for name in names} or {row.name for row in ROWS}
    return [row for row in ROWS if row.name in wanted]
