"""How far two rates over the same images lie apart, with a 95 % interval."""

import math
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from defective.errors import InputError
from defective.evaluation.rates import Rate

# Of one net: whether it succeeded on each image and whether the image counts, both bool (N,).
Outcomes = tuple[Tensor, Tensor]


class Difference(float):
    """``second - first`` that is a plain float and remembers the two rates and its 95 % interval; nan if either has no counts.

    Example:
        >>> apart = Difference.between(Rate.of(50, 100), Rate.of(75, 100), low=0.125, high=0.375)
        >>> apart, apart.significant, apart.first.total
        (0.25, True, 100)
    """

    first: Rate
    second: Rate
    low: float
    high: float

    @classmethod
    def between(cls, first: Rate, second: Rate, *, low: float, high: float) -> Self:
        apart = cls(second - first)
        apart.first, apart.second, apart.low, apart.high = first, second, low, high
        return apart

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.low <= 0 <= self.high

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the difference is None where a rate has no counts."""
        return {
            "difference": None if math.isnan(self) else float(self),
            "low": self.low,
            "high": self.high,
            "significant": self.significant,
            "first": self.first.as_dict(),
            "second": self.second.as_dict(),
        }


def difference(first: Outcomes, second: Outcomes, *, resamples: int = 2000, seed: int = 0) -> Difference:
    r"""How far the rate of a second net lies above that of a first, on the same images, by a paired bootstrap.

    .. math:: \frac{\sum_i s'_i c'_i}{\sum_i c'_i} - \frac{\sum_i s_i c_i}{\sum_i c_i}

    Images are resampled, each with what became of it on both nets. An image that is easy for both moves both rates, not their
    difference, so that the interval is narrower than one from two separate intervals. It is the 2.5 % to 97.5 % percentile range, and
    says only how much rests on the choice of images, nothing about another seed of training. With fewer than some 20 counted images
    it is too narrow.

    Args:
        first, second: For each net a pair of bool ``(N,)``: success ``s``, and counted ``c``, which may differ between the nets.
        resamples: Draws of ``N`` images with replacement. A draw in which no image counts could have any difference, and so widens
            the interval on both sides.
        seed: Seed of the draws; no global generator is touched.

    Returns:
        A float in [-1, 1] with ``.low``, ``.high`` and ``.significant``; nan with the interval (-1, 1) if no image counts for a net.

    Raises:
        InputError: If the four are not bool of one length, or ``resamples`` is below 1.

    Example:
        >>> everyone = torch.ones(200, dtype=torch.bool)
        >>> often = torch.arange(200) % 4 > 0
        >>> apart = difference((often, everyone), (everyone, everyone))
        >>> apart, round(apart.low, 1), round(apart.high, 1), apart.significant
        (0.25, 0.2, 0.3, True)
    """
    _check(first, second, resamples)
    rates = Rate.among(*first), Rate.among(*second)
    if not (rates[0].total and rates[1].total):
        return Difference.between(*rates, low=-1.0, high=1.0)
    # The rates of a draw depend only on how many of its images fared in each of the 3 x 3 ways, and those counts are multinomial:
    # exactly the bootstrap over images, at a cost that does not grow with N.
    ways, counts = np.unique(3 * _fared(first) + _fared(second), return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), size=resamples)
    with np.errstate(invalid="ignore"):
        before, after = (drawn @ (how == 2) / (drawn @ (how > 0)) for how in (ways // 3, ways % 3))
    apart = after - before
    low = np.quantile(np.nan_to_num(apart, nan=-1.0), 0.025)
    high = np.quantile(np.nan_to_num(apart, nan=1.0), 0.975)
    return Difference.between(*rates, low=float(low), high=float(high))


def correlation(first: Outcomes, second: Outcomes) -> float:
    r"""Correlation of two rates over the same images: how far another choice of images would move them together.

    .. math:: \frac{\sum_i r_i r'_i - 1/2}{\sqrt{\sum_i r_i^2 \sum_i {r'_i}^2}}, \quad r_i = c_i (s_i - p)

    with success ``s``, counted ``c`` and the rate ``p`` among the counted: the delta method's covariance of two ratios. A half is taken
    off a positive sum, as far as it goes, which keeps intervals from few images honest. If all images count, it is the corrected phi of
    the two-by-two table.

    Args:
        first, second: As for :func:`difference`.

    Returns:
        A number in [-1, 1]; 0 where one of the rates is 0 or 1, has no counts, or no image counts for both.

    Source: Newcombe 1998, Statistics in Medicine 17, 2635-2650, method 10.

    Example:
        >>> success, everyone = torch.tensor([True, True, False, False]), torch.ones(4, dtype=torch.bool)
        >>> correlation((success, everyone), (success, everyone)), correlation((success, everyone), (~success, everyone))
        (0.5, -1.0)
    """
    _check(first, second, resamples=1)
    (one, total), (other, other_total) = (_moved(each) for each in (first, second))
    together = float(one @ other)
    if together > 0:
        together = max(0.0, together - total * other_total / 2)
    size = math.sqrt(float(one @ one) * float(other @ other))
    return max(-1.0, min(1.0, together / size)) if size else 0.0


def _moved(outcomes: Outcomes) -> tuple[Tensor, int]:
    """How much each image moves the rate, ``(N,)``, times the number of images that count, and that number."""
    success, counted = outcomes
    hits, total = int((success & counted).sum()), int(counted.sum())
    # In whole numbers, so that nothing is left over where all images fared alike.
    return counted * (total * success.double() - hits), total


def _fared(outcomes: Outcomes) -> np.ndarray:
    """How each image fared, ``(N,)``: 0 does not count, 1 failed, 2 succeeded."""
    success, counted = outcomes
    return (counted.long() + (success & counted)).cpu().numpy()


def _check(first: Outcomes, second: Outcomes, resamples: int) -> None:
    four = (*first, *second)
    if any(each.dtype != torch.bool or each.dim() != 1 or each.shape != four[0].shape for each in four):
        kinds = ", ".join(f"{each.dtype} {tuple(each.shape)}" for each in four)
        raise InputError(f"success and counted of the two nets are {kinds}: pass bools (N,) over the same images")
    if resamples < 1:
        raise InputError(f"resamples {resamples}: draw at least once, 2000 times for an interval to print")
