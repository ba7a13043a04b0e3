"""The rows of the benchmark as data: what is compared with what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from defective.errors import InputError


@dataclass(frozen=True)
class Line:
    """One comparison: what is measured, and what it is compared with."""

    key: str
    work: str
    against: str


@dataclass(frozen=True)
class Row:
    """Comparisons that are measured together, on some kinds of device.

    ``quantity`` is what the ratios are of: above 1 is better for the speed, below 1 for the time and the memory of a step.
    """

    name: str
    quantity: Literal["speed", "time", "memory"]
    lines: tuple[Line, ...]
    devices: tuple[str, ...] = ("cpu", "cuda")


# Test accuracies in percent that row accuracy waits for.
TARGETS = (85, 90)
_PEERS = "the fastest of Foolbox, torchattacks, ART"
_USUAL = f"attacks by {_PEERS}; the rest in plain PyTorch"
_DEFECTIVE = "resnet18/0.1-bottom"


def _pair(key: str, work: str, against: str = _PEERS, half: str = "bf16") -> tuple[Line, Line]:
    return Line(f"{key}-fp32", f"{work}, fp32", against), Line(f"{key}-bf16", f"{work}, {half}", f"{against}, in fp32")


def _decision_based(work: str, key: str = "") -> tuple[Line, ...]:
    peers = {"foolbox": "Foolbox", "art": "ART, which attacks image by image"}
    return tuple(line for peer, name in peers.items() for line in _pair(f"{peer}{key}", work, name, "bf16 surrogate"))


def _step(about: str) -> tuple[Line, ...]:
    return tuple(Line(each, f"Training step of {_DEFECTIVE}, {about}, {each}", "resnet18") for each in ("fp32", "bf16"))


ROWS: tuple[Row, ...] = (
    Row("step", "time", _step("batch 128")),
    Row(
        "throughput",
        "speed",
        (
            Line(
                "loop",
                "Training loop in its default precision, resnet18",
                "a usual loop: DataLoader, transforms image by image, fp32",
            ),
        ),
    ),
    Row(
        "accuracy",
        "speed",
        tuple(
            Line(
                str(target),
                f"Training until {target} % of the test images are correct, recipe of scale small, resnet18",
                "the usual loop and recipe: SGD, learning rate 0.1 in three steps, 30 epochs, fp32",
            )
            for target in TARGETS
        ),
    ),
    Row(
        "gradient",
        "speed",
        (
            *_pair("fgsm", "FGSM on sparsify(resnet18)", f"{_PEERS}, on resnet18"),
            *_pair("pgd", "PGD, 20 steps, on sparsify(resnet18)", f"{_PEERS}, on resnet18"),
            *_pair("mifgsm", "MI-FGSM, 20 steps, on sparsify(resnet18)", "the faster of torchattacks, ART, on resnet18"),
            *_pair("defective", f"PGD, 20 steps, on sparsify({_DEFECTIVE})", f"{_PEERS}, on {_DEFECTIVE}"),
        ),
    ),
    Row(
        "cw",
        "speed",
        (
            *_pair("search", "CW, binary search of the constant", "the faster of Foolbox, ART", "bf16 surrogate"),
            *_pair("one-constant", "CW, one constant", half="bf16 surrogate"),
        ),
    ),
    Row("boundary", "speed", _decision_based("Boundary attack")),
    Row("hopskipjump", "speed", (*_decision_based("HopSkipJump, L2", "-l2"), *_decision_based("HopSkipJump, L-infinity", "-linf"))),
    Row(
        "protocol",
        "speed",
        (
            Line("plain", f"evaluate({_DEFECTIVE}), all parts, fp32", _USUAL),
            Line("bf16", f"evaluate({_DEFECTIVE}), all parts, gradient attacks in bf16", f"{_USUAL}, in fp32"),
            Line("sparsify", f"evaluate(sparsify({_DEFECTIVE})), all parts, fp32", _USUAL),
        ),
    ),
    Row(
        "sparse",
        "speed",
        (
            Line("fp32", f"sparsify({_DEFECTIVE}), fp32", "dense resnet18, fp32"),
            Line("bf16", f"sparsify({_DEFECTIVE}), bf16", "dense resnet18, bf16"),
            Line("fp32-own", f"sparsify({_DEFECTIVE}), fp32", "the same model, dense"),
            Line("bf16-own", f"sparsify({_DEFECTIVE}), bf16", "the same model, dense"),
            Line("x2", f"sparsify({_DEFECTIVE}-x2), fp32", "the same model, dense"),
        ),
        ("cpu",),
    ),
    Row(
        "memory",
        "memory",
        (
            Line("saved", "Kept for the backward pass of a training step, batch 128", "resnet18"),
            Line("training", "Peak of a training step, batch 128", "resnet18"),
            Line("attack", "Peak of an attack step, 128 images", "resnet18"),
        ),
    ),
    Row("live", "time", _step("live neurons only"), ("cpu",)),
)


def chosen(names: Sequence[str]) -> list[Row]:
    """Rows by name, in the order of the table; all of them if none is named.

    Raises:
        InputError: If there is no such row.

    Example:
        >>> [row.name for row in chosen(["gradient", "step"])]
        ['step', 'gradient']
    """
    known = [row.name for row in ROWS]
    for name in names:
        if name not in known:
            raise InputError(f"no row {name!r}; there are {', '.join(known)}")
    return [row for row in ROWS if not names or row.name in names]
