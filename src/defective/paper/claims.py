"""Claims as predicates over cells, and their verdicts."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

# (row, column) of the same exhibit, or (exhibit, row, column).
Ref = tuple[str, str] | tuple[str, str, str]
Verdict = Literal["holds", "fails", "undecided", "not measured"]
_INDEPENDENT: Mapping[int, float] = MappingProxyType({})


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
class Estimate:
    """A number measured once for each seed.

    Attributes:
        values: One for each seed.
        intervals: 95 % interval of each, which covers the sample of images alone.
        seeds: Which seeds they are of; default the first ones.
        limits: Where such a number can lie.
    """

    values: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    seeds: tuple[int, ...] = ()
    limits: tuple[float, float] = (-math.inf, math.inf)

    def of_seed(self) -> dict[int, tuple[float, tuple[float, float]]]:
        """Seed to value and interval."""
        return dict(zip(self.seeds or range(len(self.values)), zip(self.values, self.intervals, strict=True), strict=True))

    @classmethod
    def exact(cls, value: float) -> "Estimate":
        """A number that is taken as it stands, as the published ones."""
        return cls((value,), ((value, value),), limits=(value, value))

    @property
    def is_exact(self) -> bool:
        """Whether it is one number without an interval."""
        return len(self.values) == 1 and self.intervals[0] == (self.values[0], self.values[0])

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return math.fsum(self.values) / len(self.values)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval: of the images for one seed, of the mean over seeds for several, see :func:`over_seeds`."""
        if len(self.values) == 1:
            return self.intervals[0]
        low, high = over_seeds([(value, *interval) for value, interval in zip(self.values, self.intervals, strict=True)])
        return max(low, self.limits[0]), min(high, self.limits[1])


def over_seeds(found: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """95 % interval of the mean over seeds of numbers with intervals of their own.

    Student's interval, but on neither side narrower than what the images leave open: three seeds that happen to agree do not make a
    share of fifty images exact. Seeds may share their images, so that these count as if they were the same for all.

    Example:
        >>> [round(bound, 2) for bound in over_seeds([(1.0, 0.9, 1.1), (2.0, 1.9, 2.1), (3.0, 2.9, 3.1)])]
        [-0.48, 4.48]
        >>> over_seeds([(1.0, 0.0, 3.0), (1.0, 0.0, 3.0), (1.0, 0.0, 3.0)])
        (0.0, 3.0)
    """
    low, high = student([value for value, _, _ in found])
    return min(low, math.fsum(low for _, low, _ in found) / len(found)), max(
        high, math.fsum(high for _, _, high in found) / len(found)
    )


def student(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a mean from a few independent values.

    Example:
        >>> [round(bound, 2) for bound in student([1.0, 2.0, 3.0])]
        [-0.48, 4.48]
    """
    from scipy.stats import t

    count = len(values)
    mean = math.fsum(values) / count
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    half = float(t.ppf(0.975, count - 1)) * spread / math.sqrt(count)
    return mean - half, mean + half


def difference(
    left: Estimate, right: Estimate, correlations: Mapping[int, float] = _INDEPENDENT
) -> tuple[float, float, float] | None:
    """``left - right`` with its 95 % interval, over the seeds that both have; None if there is none.

    One seed: from the two intervals and the correlation of the two numbers, which is not 0 where both were measured on the same
    images (MOVER: Newcombe 1998 for two proportions, paired or not; Zou and Donner 2008 for any numbers). Several seeds: that of the
    mean of the differences seed by seed, see :func:`over_seeds`.

    Args:
        left, right: The numbers.
        correlations: Seed to the correlation of its two numbers; 0 where it is missing.

    Example:
        >>> low = Estimate((50.0,), ((45.0, 55.0),))
        >>> high = Estimate((60.0,), ((57.0, 63.0),))
        >>> [round(bound, 2) for bound in difference(high, low)]
        [10.0, 4.17, 15.83]
        >>> [round(bound, 2) for bound in difference(high, low, {0: 0.5})]
        [10.0, 5.64, 14.36]
    """
    ours, theirs = left.of_seed(), right.of_seed()
    if left.is_exact and not right.is_exact:
        ours = dict.fromkeys(theirs, ours[0])
    elif right.is_exact and not left.is_exact:
        theirs = dict.fromkeys(ours, theirs[0])
    steps = [_apart(ours[seed], theirs[seed], correlations.get(seed, 0.0)) for seed in ours if seed in theirs]
    if len(steps) < 2:
        return steps[0] if steps else None
    low, high = over_seeds(steps)
    least, most = left.limits[0] - right.limits[1], left.limits[1] - right.limits[0]
    return math.fsum(step for step, _, _ in steps) / len(steps), max(low, least), min(high, most)


def _apart(
    left: tuple[float, tuple[float, float]], right: tuple[float, tuple[float, float]], correlation: float
) -> tuple[float, float, float]:
    """The difference of one seed's two numbers."""
    (a, (a_low, a_high)), (b, (b_low, b_high)) = left, right
    below, above = _side(a - a_low, b_high - b, correlation), _side(a_high - a, b - b_low, correlation)
    return a - b, a - b - below, a - b + above


def _side(one: float, other: float, correlation: float) -> float:
    """How far a difference reaches to one side, from how far its two numbers reach."""
    if math.isinf(one) or math.isinf(other):
        return math.inf
    # Rounding may leave less than nothing of two that are equal.
    return math.sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2))


@dataclass(frozen=True)
class Judgement:
    """What became of a comparison: its verdict, and the difference of its two sides with the 95 % interval, if there is one."""

    verdict: Verdict
    difference: tuple[float, float, float] | None = None


def compare(
    comparison: Comparison, left: Estimate | None, right: Estimate | None, correlations: Mapping[int, float] = _INDEPENDENT
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
    correlations: Callable[[Ref, Ref], Mapping[int, float]] = lambda left, right: _INDEPENDENT,
) -> list[Judgement]:
    """What becomes of each comparison of a claim.

    Args:
        claim: The claim.
        cells: Looks a cell up; None if it was not measured.
        correlations: Correlation of the numbers in two cells, by seed.

    Example:
        >>> claim = Claim("b beats a", "Section 4", (Comparison(("b", "PGD"), ("a", "PGD")),))
        >>> judge(claim, {("a", "PGD"): Estimate.exact(1.0), ("b", "PGD"): Estimate.exact(2.0)}.get)
        [Judgement(verdict='holds', difference=(1.0, 1.0, 1.0))]
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
