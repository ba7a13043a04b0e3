"""What a claim is: a sentence of the paper as weighted sums of numbers in its tables, and what decides it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple

from defective.statistics import trend_weights

Verdict = Literal["holds", "fails", "undecided", "not measured"]
# better, trend: the sum lies above the bound. similar: within the margin of 0. no better: below the margin. equal, fewer: of two models as
# they are built, what a part is about counts the same, or the first has fewer. qualitative: no number decides it; it must be looked at.
Kind = Literal["better", "trend", "similar", "no better", "equal", "fewer", "qualitative"]


class CellKey(NamedTuple):
    """A cell of an exhibit."""

    exhibit: str
    row: str
    column: str


# A weighted sum of cells that are measured on the same data: one comparison, or one trend.
Block = tuple[tuple[CellKey, float], ...]


@dataclass(frozen=True)
class Part:
    """What has to be so for a claim to hold: the mean of ``blocks``, over those that are measured on a data set, against ``bound``."""

    blocks: tuple[Block, ...]
    about: str = ""
    bound: float = 0.0


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper; it holds if all its parts do.

    Attributes:
        name: Short and unique.
        text: The sentence in plain words.
        section: Section of the paper.
        kind: What decides it.
        parts: One weighted sum each, in the unit of its cells; for S(M) of natural logarithms.
        margin: What counts as similar, or as no better; ours, for the paper names none.
        note: What a reader must know of how it is put as numbers, or why the printed numbers do not bear it out.
        ours: Whether it is an observation of ours, which the paper does not make.
    """

    name: str
    text: str
    section: str
    kind: Kind
    parts: tuple[Part, ...] = ()
    margin: float = 0.0
    note: str = ""
    ours: bool = False

    @property
    def exhibits(self) -> tuple[str, ...]:
        """The exhibits whose numbers bear on it, the first named first."""
        return tuple(dict.fromkeys(key.exhibit for part in self.parts for block in part.blocks for key, _ in block))


def claim(name: str, text: str, section: str, kind: Kind, *parts: Part, margin: float = 0.0, note: str = "") -> Claim:
    """A sentence of the paper with its parts."""
    return Claim(name, text, section, kind, parts, margin, note)


def difference(high: CellKey, low: CellKey) -> Block:
    """How far one cell lies above another."""
    return (high, 1.0), (low, -1.0)


def pairs(exhibit: str, columns: Iterable[str], rows: Iterable[tuple[str, str]]) -> tuple[Block, ...]:
    """In each column each first row against its second.

    Example:
        >>> pairs("table10", ["ResNet-18"], [("b", "a")])[0][1]
        (CellKey(exhibit='table10', row='a', column='ResNet-18'), -1.0)
    """
    return tuple(
        difference(CellKey(exhibit, high, column), CellKey(exhibit, low, column))
        for (high, low), column in product(tuple(rows), columns)
    )


def rising(exhibit: str, columns: Iterable[str], rows: Sequence[str]) -> tuple[Block, ...]:
    """The rise of each column over rows."""
    weights = trend_weights(len(rows))
    return tuple(tuple((CellKey(exhibit, row, column), w) for row, w in zip(rows, weights, strict=True)) for column in columns)


def falling_along(exhibit: str, rows: Iterable[str], columns: Sequence[str]) -> tuple[Block, ...]:
    """The fall of each row along columns."""
    weights = trend_weights(len(columns))
    return tuple(tuple((CellKey(exhibit, row, column), -w) for column, w in zip(columns, weights, strict=True)) for row in rows)


def against_mean(groups: Mapping[str, Sequence[CellKey]]) -> tuple[Part, ...]:
    """For each group, how far the mean of its cells lies above that of all other groups together."""

    def block(name: str) -> Block:
        others = [key for other, keys in groups.items() if other != name for key in keys]
        ours = groups[name]
        return (*((key, 1 / len(ours)) for key in ours), *((key, -1 / len(others)) for key in others))

    return tuple(Part((block(name),), name) for name in groups)
