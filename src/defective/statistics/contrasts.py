"""Weighted sums of measured numbers, with the uncertainty of images and of training. Every comparison is one of them.

Values per image are tensors or NumPy arrays ``(N,)``; torch is not imported here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import scipy

from defective.errors import InputError
from defective.statistics.seed_variance import SeedVariance
from defective.statistics.terms import COUNTED, Term, by_model, influence, mean_weight

LEVEL = 0.05


class ErrorPart(NamedTuple):
    """A standard error with its degrees of freedom."""

    error: float
    degrees: float


# Of a number of which nothing tells how uncertain it is.
UNKNOWN = ErrorPart(math.inf, 1)


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of rates or means, with the uncertainty of choosing images and of training.

    Attributes:
        estimate: The sum; nan if nothing was eligible for one of its terms, or of numbers less than two.
        parts: Its standard errors: of images, and of training where that is known.
        seeds: How often the model was trained that was trained least.
        limits: Where it can lie.
    """

    estimate: float
    parts: tuple[ErrorPart, ...]
    seeds: int
    limits: tuple[float, float] = (-math.inf, math.inf)

    @property
    def error(self) -> float:
        """The standard error of all parts together."""
        return math.hypot(*(part.error for part in self.parts))

    def p_above(self, bound: float) -> float:
        """p value of the one-sided test that the truth lies above ``bound``."""
        if math.isnan(self.estimate) or self.error == 0:
            return float(not self.estimate > bound)
        return self._tail(self.estimate - bound)

    def p_below(self, bound: float) -> float:
        """p value of the one-sided test that the truth lies below ``bound``."""
        return replace(self, estimate=-self.estimate).p_above(-bound)

    def p_within(self, margin: float) -> float:
        """p value of the test that the truth lies within ``margin`` of 0: two one-sided tests.

        Source: Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680.
        """
        return max(self.p_above(-margin), self.p_below(margin))

    def p_beyond(self, margin: float) -> float:
        """p value of the test that the truth lies farther from 0 than ``margin``."""
        return min(1.0, 2 * min(self.p_above(margin), self.p_below(-margin)))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval."""
        if math.isnan(self.estimate):
            return self.limits
        half = self._half_width(LEVEL / 2)
        return max(self.limits[0], self.estimate - half), min(self.limits[1], self.estimate + half)

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        low, high = self.interval
        return not low <= 0 <= high

    def _half_width(self, tail: float) -> float:
        """Of the interval that leaves this probability out at either end: its square is the sum of those of the parts."""
        # Student's quantile as scipy.stats.t.isf finds it, whose own checks take ten times as long.
        return math.hypot(*(-float(scipy.special.stdtrit(part.degrees, tail)) * part.error for part in self.parts if part.error))

    def _tail(self, distance: float) -> float:
        """The probability that the interval leaves out at either end if it reaches so far; beyond a half for a negative distance."""
        if distance < 0:
            return 1 - self._tail(-distance)
        if math.isinf(self.error):
            return 0.5
        least, most = -300.0, math.log10(0.5)
        if self._half_width(10**least) <= distance:
            return 0.0
        found = scipy.optimize.brentq(lambda power: self._half_width(10**power) - distance, least, most)
        return float(10**found)


def contrast(terms: Sequence[Term], seed_variance: SeedVariance | None = None) -> Contrast:
    r"""The weighted sum of the numbers of trained models, each the mean over its seeds.

    .. math:: \hat\theta = \sum_t \frac{w_t}{k_t} \bar v_t, \qquad
        \hat V = \sum_i \Big(\sum_t \frac{w_t}{k_t} \frac{e_{ti} (v_{ti} - \bar v_t)}{\sum_i e_{ti}}\Big)^2
        + \sum_m \frac{w_m^2}{k_m} s^2

    with value v, eligible e, k seeds of a term's model and :math:`w_m` the sum of a model's \|w\|, of a rate p times
    :math:`\sqrt{p (1 - p)}`. The first part is the delta method's influence of each image on the whole sum: terms on the same images are
    paired, whatever their eligible images. Of rates of which only the counts are known, those of one sign count as measured on the same
    images, as hard for one model as for the other, and those of two signs on others: the variance is at least that of any images on which
    no two rates are negatively correlated. Each rate counts ``2 / m`` successes and as many failures more, so that a rate of 0 or 1 is not
    exact; m counts terms of one sign on the same images once: together they tell no more of what was never seen than one of them. The
    second part is the variance between seeds; what images add to it is taken off the first. It is estimated from few seeds, so each part
    keeps its degrees of freedom: the square of the interval's half-width is the sum of theirs.

    Args:
        terms: At least one. Terms of one model and several seeds stand beside each other, each with the weight of the model.
        seed_variance: Of the numbers of a model, see :func:`seed_variance`. None: the interval is of these trainings alone.

    Raises:
        InputError: If values and eligible are not ``(N,)`` of one length, or eligible is not bool.

    Source: Newcombe 1998, Statistics in Medicine 17, 2635-2650 (pairing); Price and Bonett 2004, Computational Statistics & Data
    Analysis 45, 449-456 (added successes); Zou and Donner 2008, Statistics in Medicine 27, 1693-1702 (half-widths).

    Example:
        >>> image = np.arange(200)
        >>> found = contrast([Term(1, "defective", 0, image < 160), Term(-1, "plain", 0, image < 120)])
        >>> round(found.estimate, 2), [round(bound, 3) for bound in found.interval], found.seeds
        (0.2, [0.144, 0.256], 1)
    """
    models = by_model(terms)
    shares = [term.weight / len(models[term.model]) for term in terms]
    ends = [sorted((0.0, share)) if term.is_rate else (-math.inf, math.inf) for term, share in zip(terms, shares, strict=True)]
    limits = math.fsum(low for low, _ in ends), math.fsum(high for _, high in ends)
    fewest = min(map(len, models.values()))
    if not all(term.usable for term in terms):
        return Contrast(math.nan, (UNKNOWN,), fewest, limits)
    estimate = math.fsum(share * term.mean for share, term in zip(shares, terms, strict=True))
    images = _image_variance(terms, shares)
    degrees = max(1, min(term.count for term in terms) - 1)
    if seed_variance is None:
        return Contrast(estimate, (ErrorPart(math.sqrt(images), degrees),), fewest, limits)
    factor = math.fsum(mean_weight(of, lambda term: term.unit) ** 2 / len(of) for of in models.values())
    common = max(0.0, images - factor * min(seed_variance.images, seed_variance.total))
    of_training = ErrorPart(math.sqrt(factor * seed_variance.total), seed_variance.degrees)
    return Contrast(estimate, (ErrorPart(math.sqrt(common), degrees), of_training), fewest, limits)


def _image_variance(terms: Sequence[Term], shares: Sequence[float]) -> float:
    """What the choice of images adds to the variance of the weighted sum."""
    # Standard deviations that add up: of rates of one sign on the same images, or of which only the counts are known.
    deviations = {(term.images, share > 0): 0.0 for term, share in zip(terms, shares, strict=True)}
    added = 4 / len(deviations)
    for term, share in zip(terms, shares, strict=True):
        own = np.linalg.norm(term.apart()) / (term.count + added) if term.images is COUNTED else 0.0
        deviations[term.images, share > 0] += abs(share) * math.hypot(own, math.sqrt(term.of_added(added)))
    paired = math.fsum(float(psi @ psi) for psi in influence(terms, shares, added).values())
    return paired + math.fsum(each**2 for each in deviations.values())


def paired_difference(left: tuple[Any, Any], right: tuple[Any, Any]) -> Contrast:
    """How far the rate of one model lies above that of another on the same images: their :func:`contrast`.

    Args:
        left, right: Of each model a pair of bool ``(N,)``: success, and eligible, which may differ between the models.

    Returns:
        ``left - right`` in [-1, 1]; nan with the interval (-1, 1) if no image is eligible for one of them.

    Raises:
        InputError: If the four are not bool of one length.

    Example:
        >>> image, everyone = np.arange(200), np.ones(200, dtype=bool)
        >>> found = paired_difference((image < 160, everyone), (image < 120, everyone))
        >>> round(found.estimate, 2), found.significant
        (0.2, True)
    """
    terms = [Term(1, "left", 0, *left), Term(-1, "right", 0, *right)]
    if not all(term.is_rate for term in terms):
        raise InputError("success of the two models must be bool: numbers are a contrast of their own")
    return contrast(terms)
