"""Every interval and every comparison of measured numbers.

Intervals are at 95 %. They cover the choice of images; those of several seeds cover training again with another seed too.
Booleans per image are tensors or NumPy arrays ``(N,)``; torch is not imported here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import scipy

from defective.errors import InputError

# Of one model: whether each image was a success, and whether it is eligible, both bool (N,).
PerImage = tuple[Any, Any]
# A number and the two bounds of its interval.
Bounded = tuple[float, float, float]
# Correlations of numbers that were not measured on the same images.
INDEPENDENT: Mapping[int, float] = MappingProxyType({})


class Rate(float):
    r"""A share ``num_correct / num_evaluated`` that is a plain float and remembers its counts; nan if there is nothing to count.

    Its interval is Wilson's, with ``z = 1.96`` and ``n = num_evaluated``:

    .. math:: \frac{p + z^2 / 2n \pm z \sqrt{p (1 - p) / n + z^2 / 4n^2}}{1 + z^2 / n}

    Source: Wilson 1927, Journal of the American Statistical Association 22, 209-212.

    Example:
        >>> rate = Rate.of(30, 40)
        >>> rate, rate.num_correct, rate.num_evaluated, [round(bound, 3) for bound in rate.interval]
        (0.75, 30, 40, [0.598, 0.858])
    """

    num_correct: int
    num_evaluated: int

    @classmethod
    def of(cls, num_correct: int, num_evaluated: int) -> Self:
        rate = cls(num_correct / num_evaluated if num_evaluated else math.nan)
        rate.num_correct, rate.num_evaluated = num_correct, num_evaluated
        return rate

    @classmethod
    def among(cls, success: Any, eligible: Any) -> Self:
        """Share of ``success`` among ``eligible``, both bool ``(N,)``."""
        return cls.of(int((success & eligible).sum()), int(eligible.sum()))

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds in [0, 1]; ``(0, 1)`` without counts."""
        if self.num_evaluated == 0:
            return 0.0, 1.0
        low, high = scipy.stats.binomtest(self.num_correct, self.num_evaluated).proportion_ci(0.95, "wilson")
        return float(low), float(high)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the rate is None where nothing was counted."""
        low, high = self.interval
        return {
            "rate": float(self) if self.num_evaluated else None,
            "num_correct": self.num_correct,
            "num_evaluated": self.num_evaluated,
            "low": low,
            "high": high,
        }


class Difference(NamedTuple):
    """A difference of two numbers with its interval."""

    mean: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Estimate:
    """A number measured once for each seed.

    Attributes:
        values: One for each seed.
        intervals: Interval of each, which covers the sample of images alone.
        seeds: Which seeds they are of; default the first ones.
        limits: Where such a number can lie.

    Example:
        >>> estimate = Estimate((50.0, 52.0, 54.0), ((49.0, 51.0), (51.0, 53.0), (53.0, 55.0)), limits=(0.0, 100.0))
        >>> estimate.mean, [round(bound, 2) for bound in estimate.interval]
        (52.0, [47.03, 56.97])
    """

    values: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    seeds: tuple[int, ...] = ()
    limits: tuple[float, float] = (-math.inf, math.inf)

    @classmethod
    def exact(cls, value: float) -> "Estimate":
        """A number without uncertainty, such as a published one."""
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
        """That of the images for one seed; for several that of the mean, see :func:`mean_interval`.

        The latter is on neither side narrower than the intervals of the seeds on average: three seeds that happen to agree do not make a
        share of fifty images exact, and seeds that share their images share what is uncertain about them.
        """
        if len(self.values) == 1:
            return self.intervals[0]
        low, high = mean_interval(self.values)
        images_low, images_high = (math.fsum(bounds) / len(bounds) for bounds in zip(*self.intervals, strict=True))
        return max(self.limits[0], min(low, images_low)), min(self.limits[1], max(high, images_high))

    def of_seed(self) -> dict[int, Bounded]:
        """Seed to value and the bounds of its interval."""
        found = ((value, low, high) for value, (low, high) in zip(self.values, self.intervals, strict=True))
        return dict(zip(self.seeds or range(len(self.values)), found, strict=True))


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    r"""Interval of the median of numbers that are not negative, from order statistics: nothing is assumed of their distribution.

    .. math:: \left(x_{(r)}, x_{(n + 1 - r)}\right), \quad r = \min \{k: P(B \le k) \ge 0.025\}, \quad B \sim \mathrm{Bin}(n, 1/2)

    Returns:
        Two of the values; ``(0, inf)`` for fewer than six, of which no two cover the median with 95 %.

    Source: Conover 1999, Practical Nonparametric Statistics, section 3.2.

    Example:
        >>> median_interval([6.0, 1.0, 5.0, 2.0, 4.0, 3.0]), median_interval([1.0, 2.0])
        ((1.0, 6.0), (0.0, inf))
    """
    if len(values) < 6:
        return 0.0, math.inf
    low, high = scipy.stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    return float(low), float(high)


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    r"""Student's interval of a mean of at least two independent values.

    .. math:: \bar x \pm t_{0.975, n - 1} \, s / \sqrt n

    Source: Student 1908, Biometrika 6, 1-25.

    Example:
        >>> [round(bound, 2) for bound in mean_interval([1.0, 2.0, 3.0])]
        [-0.48, 4.48]
    """
    mean = math.fsum(values) / len(values)
    # Not scipy's ttest_1samp, which warns of values that are nearly equal, as those of a few seeds may well be.
    half = float(scipy.stats.t.ppf(0.975, len(values) - 1) * scipy.stats.sem(values))
    return mean - half, mean + half


def difference(left: Estimate, right: Estimate, correlations: Mapping[int, float] = INDEPENDENT) -> Difference | None:
    r"""``left - right`` over the seeds that both have; None if they have none in common.

    One seed: from the bounds ``l`` and ``u`` of both numbers and their correlation ``\phi``, which is not 0 where both were measured on
    the same images.

    .. math:: a - b - \sqrt{(a - l_a)^2 - 2 \phi (a - l_a)(u_b - b) + (u_b - b)^2}

    and likewise above. Several seeds: the :class:`Estimate` of the differences seed by seed.

    Args:
        left, right: The numbers. An exact one is compared with every seed of the other.
        correlations: Seed to the correlation of its two numbers, see :func:`correlation`; 0 where it is missing.

    Source: Newcombe 1998, Statistics in Medicine 17, 873-890 and 2635-2650, method 10, for two shares, independent or paired; Zou and
    Donner 2008, Statistics in Medicine 27, 1693-1702, for any numbers (MOVER).

    Example:
        >>> low, high = Estimate((50.0,), ((45.0, 55.0),)), Estimate((60.0,), ((57.0, 63.0),))
        >>> [round(each, 2) for each in difference(high, low)]
        [10.0, 4.17, 15.83]
        >>> [round(each, 2) for each in difference(high, low, {0: 0.5})]
        [10.0, 5.64, 14.36]
    """
    ours, theirs = left.of_seed(), right.of_seed()
    if left.is_exact and not right.is_exact:
        ours = dict.fromkeys(theirs, ours[0])
    elif right.is_exact and not left.is_exact:
        theirs = dict.fromkeys(ours, theirs[0])
    steps = [_mover(ours[seed], theirs[seed], correlations.get(seed, 0.0)) for seed in ours if seed in theirs]
    if not steps:
        return None
    limits = left.limits[0] - right.limits[1], left.limits[1] - right.limits[0]
    apart = Estimate(tuple(step.mean for step in steps), tuple((step.low, step.high) for step in steps), limits=limits)
    return Difference(apart.mean, *apart.interval)


def paired_difference(left: PerImage, right: PerImage) -> Difference:
    """How far the rate of one model lies above that of another on the same images.

    As :func:`difference` of the two rates with their :func:`correlation`: an image that is easy for both moves both rates, not their
    difference, so that the interval is narrower than that of independent rates.

    Args:
        left, right: Of each model a pair of bool ``(N,)``: success, and eligible, which may differ between the models.

    Returns:
        ``left - right`` in [-1, 1]; nan with the interval (-1, 1) if no image is eligible for one of them.

    Raises:
        InputError: If the four are not bool of one length.

    Example:
        >>> import numpy as np
        >>> image, everyone = np.arange(200), np.ones(200, dtype=bool)
        >>> found = paired_difference((image < 160, everyone), (image < 120, everyone))
        >>> [round(each, 2) for each in found], found.significant
        ([0.2, 0.14, 0.26], True)
    """
    correlated = correlation(left, right)
    ours, theirs = Rate.among(*left), Rate.among(*right)
    if not (ours.num_evaluated and theirs.num_evaluated):
        return Difference(math.nan, -1.0, 1.0)
    return _mover((ours, *ours.interval), (theirs, *theirs.interval), correlated)


def correlation(left: PerImage, right: PerImage) -> float:
    r"""Correlation of two rates over the same images: how far another sample of images would move them together.

    .. math:: \frac{\sum_i r_i r'_i - 1/2}{\sqrt{\sum_i r_i^2 \sum_i {r'_i}^2}}, \quad r_i = c_i (s_i - p)

    with success ``s``, eligible ``c`` and the rate ``p`` among the eligible: the delta method's covariance of two ratios. A half is taken
    off a positive sum, as far as it goes, which keeps intervals from few images honest. If all images are eligible, it is the corrected
    phi of the two-by-two table.

    Returns:
        A number in [-1, 1]; 0 where one of the rates is 0 or 1, has no counts, or no image is eligible for both.

    Source: Newcombe 1998, Statistics in Medicine 17, 2635-2650, method 10.

    Example:
        >>> import numpy as np
        >>> success, everyone = np.array([True, True, False, False]), np.ones(4, dtype=bool)
        >>> correlation((success, everyone), (success, everyone)), correlation((success, everyone), (~success, everyone))
        (0.5, -1.0)
    """
    four = (*left, *right)
    if any(str(each.dtype).removeprefix("torch.") != "bool" or each.ndim != 1 or each.shape != four[0].shape for each in four):
        kinds = ", ".join(f"{each.dtype} {tuple(each.shape)}" for each in four)
        raise InputError(f"success and eligible of the two models are {kinds}: pass bools (N,) over the same images")
    (one, counted), (other, other_counted) = ((success & eligible, eligible) for success, eligible in (left, right))
    (hits, total), (other_hits, other_total) = ((int(s.sum()), int(c.sum())) for s, c in ((one, counted), (other, other_counted)))
    # The sum over images of r r' times both totals, in whole numbers: rounding would leave a trace where there is no correlation.
    together: float = (
        total * other_total * int((one & other).sum())
        - total * other_hits * int((one & other_counted).sum())
        - hits * other_total * int((counted & other).sum())
        + hits * other_hits * int((counted & other_counted).sum())
    )
    if together > 0:
        together = max(0.0, together - total * other_total / 2)
    size = math.sqrt(float(total * hits * (total - hits)) * float(other_total * other_hits * (other_total - other_hits)))
    return max(-1.0, min(1.0, together / size)) if size else 0.0


def _mover(left: Bounded, right: Bounded, correlated: float) -> Difference:
    """The difference of two numbers with their bounds."""
    (a, a_low, a_high), (b, b_low, b_high) = left, right
    below, above = _side(a - a_low, b_high - b, correlated), _side(a_high - a, b - b_low, correlated)
    return Difference(a - b, a - b - below, a - b + above)


def _side(one: float, other: float, correlated: float) -> float:
    """How far a difference reaches to one side, from how far its two numbers reach."""
    if math.isinf(one) or math.isinf(other):
        return math.inf
    # Rounding may leave less than nothing of two that are equal.
    return math.sqrt(max(0.0, one**2 - 2 * correlated * one * other + other**2))
