"""Comparisons of claims until they are contrasts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import scipy

from defective.errors import InputError

PerImage = tuple[Any, Any]
Bounded = tuple[float, float, float]
INDEPENDENT: Mapping[int, float] = MappingProxyType({})


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
