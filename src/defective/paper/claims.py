"""Claims as predicates over cells, and their verdicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from defective.statistics import INDEPENDENT, Difference, Estimate, difference

# (row, column) of the same exhibit, or (exhibit, row, column).
Ref = tuple[str, str] | tuple[str, str, str]
Verdict = Literal["holds", "fails", "undecided", "not measured"]


@dataclass(frozen=True)
class Comparison:
    """``left`` lies above ``right``; or, with ``within``, the two differ by at most that much. Numbers are in the cells' unit."""

    left: Ref
    right: Ref | float
    within: float | None = None


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper: it holds if all its comparisons do."""

    text: str
    where: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Judgement:
    """Result of a comparison: its verdict, and the difference of its two sides, if both are measured."""

    verdict: Verdict
    difference: Difference | None = None


def compare(
    comparison: Comparison, left: Estimate | None, right: Estimate | None, correlations: Mapping[int, float] = INDEPENDENT
) -> Judgement:
    """Does the comparison hold, given both cells and, by seed, the correlation of their numbers?"""
    found = None if left is None or right is None else difference(left, right, correlations)
    if found is None:
        return Judgement("not measured")
    _, low, high = found
    bound = comparison.within
    if bound is None:
        return Judgement("holds" if low > 0 else "fails" if high <= 0 else "undecided", found)
    return Judgement(
        "holds" if -bound <= low and high <= bound else "fails" if low > bound or high < -bound else "undecided", found
    )


def judge(
    claim: Claim,
    cells: Callable[[Ref], Estimate | None],
    correlations: Callable[[Ref, Ref], Mapping[int, float]] = lambda left, right: INDEPENDENT,
) -> list[Judgement]:
    """Evaluate each comparison of a claim.

    Args:
        claim: The claim.
        cells: Looks a cell up; None if it was not measured.
        correlations: Correlation of the numbers in two cells, by seed.

    Example:
        >>> claim = Claim("b beats a", "Section 4", (Comparison(("b", "PGD"), ("a", "PGD")),))
        >>> judge(claim, {("a", "PGD"): Estimate.exact(1.0), ("b", "PGD"): Estimate.exact(2.0)}.get)
        [Judgement(verdict='holds', difference=Difference(mean=1.0, low=1.0, high=1.0))]
    """

    def judged(comparison: Comparison) -> Judgement:
        left, right = comparison.left, comparison.right
        if not isinstance(right, tuple):
            return compare(comparison, cells(left), Estimate.exact(right))
        return compare(comparison, cells(left), cells(right), correlations(left, right))

    return [judged(comparison) for comparison in claim.comparisons]


def overall(found: Sequence[Verdict]) -> Verdict:
    """Verdict of a claim whose comparisons have these.

    Example:
        >>> overall(["holds", "undecided", "fails"]), overall(["holds", "undecided"]), overall(["holds"])
        ('fails', 'undecided', 'holds')
    """
    order: tuple[Verdict, ...] = ("fails", "not measured", "undecided")
    return next((verdict for verdict in order if verdict in found), "holds")


def rising(column: str, rows: Sequence[str]) -> tuple[Comparison, ...]:
    """The numbers of a column rise from each of the rows to the next.

    Example:
        >>> rising("PGD", ["a", "b", "c"])[1]
        Comparison(left=('c', 'PGD'), right=('b', 'PGD'), within=None)
    """
    return tuple(Comparison((higher, column), (lower, column)) for lower, higher in pairwise(rows))


def above(columns: Sequence[str], pairs: Sequence[tuple[str, str]]) -> tuple[Comparison, ...]:
    """In each column the first row of each pair lies above the second."""
    return tuple(Comparison((high, column), (low, column)) for high, low in pairs for column in columns)
