"""What a claim is: a sentence of the paper as weighted sums of numbers in its tables, and what decides it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple

from defective.statistics import trend_weights

Verdict = Literal["holds", "fails", "undecided", "not measured"]
# better, trend: the sum lies above the bound. similar: within the margin of 0. no better: below the margin. equal: parameter counts are
# the same. seen: nothing decides it but the eye.
Kind = Literal["better", "trend", "similar", "no better", "equal", "seen"]


class Place(NamedTuple):
    """A cell of an exhibit."""

    exhibit: str
    row: str
    column: str


# A weighted sum of cells that are measured on the same data: one comparison, or one trend.
Block = tuple[tuple[Place, float], ...]


@dataclass(frozen=True)
class Part:
    """What has to be so for a claim to hold: the mean of ``blocks``, over those that are measured, against ``bound``."""

    blocks: tuple[Block, ...]
    about: str = ""
    bound: float = 0.0


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper; it holds if all its parts do.

    Attributes:
        name: Short and unique.
        text: The sentence in plain words.
        where: Section of the paper.
        kind: What decides it.
        parts: One weighted sum each, in the unit of its cells; for S(M) of natural logarithms.
        margin: What counts as similar, or as no better; ours, for the paper names none.
        note: What a reader must know of how it is put as numbers, or why the printed numbers do not bear it out.
        ours: Whether it is an observation of ours, which the paper does not make.
    """

    name: str
    text: str
    where: str
    kind: Kind
    parts: tuple[Part, ...] = ()
    margin: float = 0.0
    note: str = ""
    ours: bool = False

    @property
    def exhibits(self) -> tuple[str, ...]:
        """The exhibits whose numbers bear on it, the first named first."""
        return tuple(dict.fromkeys(place.exhibit for part in self.parts for block in part.blocks for place, _ in block))


def pairs(exhibit: str, columns: Iterable[str], rows: Iterable[tuple[str, str]]) -> tuple[Block, ...]:
    """In each column each first row against its second.

    Example:
        >>> pairs("table10", ["ResNet-18"], [("b", "a")])[0][1]
        (Place(exhibit='table10', row='a', column='ResNet-18'), -1.0)
    """
    return tuple(
        ((Place(exhibit, high, column), 1.0), (Place(exhibit, low, column), -1.0))
        for (high, low), column in product(tuple(rows), columns)
    )


def rising(exhibit: str, columns: Iterable[str], rows: Sequence[str]) -> tuple[Block, ...]:
    """The rise of each column over rows."""
    weights = trend_weights(len(rows))
    return tuple(tuple((Place(exhibit, row, column), w) for row, w in zip(rows, weights, strict=True)) for column in columns)


def falling_along(exhibit: str, rows: Iterable[str], columns: Sequence[str]) -> tuple[Block, ...]:
    """The fall of each row along columns."""
    weights = trend_weights(len(columns))
    return tuple(tuple((Place(exhibit, row, column), -w) for column, w in zip(columns, weights, strict=True)) for row in rows)


def against_mean(groups: Mapping[str, Sequence[Place]]) -> tuple[Part, ...]:
    """For each group, how far the mean of its cells lies above that of all other groups together."""

    def block(name: str) -> Block:
        others = [place for other, places in groups.items() if other != name for place in places]
        ours = groups[name]
        return (*((place, 1 / len(ours)) for place in ours), *((place, -1 / len(others)) for place in others))

    return tuple(Part((block(name),), name) for name in groups)


def printed_verdict(claim: Claim, printed: Callable[[Place], float | None]) -> tuple[Verdict, list[float | None]]:
    """Verdict in the printed numbers, which are exact: the sign of the same sums; and each part's sum, None if nothing is printed.

    Args:
        claim: The claim.
        printed: The printed number of a cell, on the scale of the claim; None if there is none.
    """
    sums = [_printed_sum(part, printed) for part in claim.parts]
    if not sums or None in sums or claim.kind == "equal":
        return "not measured", sums
    found = [(each, part.bound) for each, part in zip(sums, claim.parts, strict=True) if each is not None]
    match claim.kind:
        case "similar":
            holds = all(abs(each) <= claim.margin for each, _ in found)
        case "no better":
            holds = all(each <= claim.margin for each, _ in found)
        case _:
            holds = all(each > bound for each, bound in found)
    return ("holds" if holds else "fails"), sums


def _printed_sum(part: Part, printed: Callable[[Place], float | None]) -> float | None:
    found = []
    for block in part.blocks:
        terms = [(printed(place), weight) for place, weight in block]
        if all(number is not None for number, _ in terms):
            found.append(math.fsum(number * weight for number, weight in terms if number is not None))
    return math.fsum(found) / len(found) if found else None
