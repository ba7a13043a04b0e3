"""Weighted sums of measured numbers, with the uncertainty of images and of training. Every comparison is one of them.

Values per image are tensors or NumPy arrays ``(N,)``; torch is not imported here.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import scipy
from numpy.typing import NDArray

from defective.errors import InputError
from defective.statistics.rates import Rate

LEVEL = 0.05
# Of one model: whether each image was a success, and whether it is eligible, both bool (N,).
PerImage = tuple[Any, Any]


@dataclass(frozen=True)
class Term:
    """One number of a contrast: the mean over the eligible images of one trained model.

    Attributes:
        weight: Its weight. Seeds of one model share it: where a model has several, each counts for its part.
        model: Name of what is trained once for each seed.
        seed: Which of these trainings.
        values: One for each image ``(N,)``: bool for a rate, or numbers.
        eligible: Bool ``(N,)``; None: every image.
        images: The set of images. Terms of one set have the same images in the same order; those of two sets have none in common.
    """

    weight: float
    model: Hashable
    seed: int
    values: Any
    eligible: Any = None
    images: Hashable = None

    @classmethod
    def counted(cls, weight: float, model: Hashable, seed: int, rate: Rate) -> Self:
        """A rate of which only the counts are known: its images count as drawn independently of all others."""
        return cls(weight, model, seed, np.arange(rate.num_evaluated) < rate.num_correct, images=object())


class SeedVariance(NamedTuple):
    """How far trainings with other seeds move a model's number, see :func:`seed_variance`.

    Attributes:
        total: Variance between the seeds of one model.
        images: The part of it that comes from images that differ between seeds.
        degrees: Degrees of freedom.
    """

    total: float
    images: float
    degrees: int


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of rates or means, with the uncertainty of choosing images and of training.

    Attributes:
        estimate: The sum; nan if nothing was eligible for one of its terms, or of numbers less than two.
        error: Its standard error.
        degrees: Degrees of freedom of the error.
        seeds: How often the model was trained that was trained least.
        limits: Where it can lie.
    """

    estimate: float
    error: float
    degrees: float
    seeds: int
    limits: tuple[float, float] = (-math.inf, math.inf)

    def p_above(self, bound: float) -> float:
        """p value of the one-sided test that the truth lies above ``bound``."""
        if math.isnan(self.estimate) or self.error == 0:
            return float(not self.estimate > bound)
        return float(scipy.stats.t.sf((self.estimate - bound) / self.error, self.degrees))

    def p_below(self, bound: float) -> float:
        """p value of the one-sided test that the truth lies below ``bound``."""
        if math.isnan(self.estimate) or self.error == 0:
            return float(not self.estimate < bound)
        return float(scipy.stats.t.cdf((self.estimate - bound) / self.error, self.degrees))

    @property
    def p(self) -> float:
        """p value of the two-sided test that the truth is not 0."""
        return min(1.0, 2 * min(self.p_above(0), self.p_below(0)))

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
        half = float(scipy.stats.t.ppf(1 - LEVEL / 2, self.degrees)) * self.error if self.error else 0.0
        return max(self.limits[0], self.estimate - half), min(self.limits[1], self.estimate + half)

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        low, high = self.interval
        return not low <= 0 <= high


def contrast(terms: Sequence[Term], seed_variance: SeedVariance | None = None) -> Contrast:
    r"""The weighted sum of the numbers of trained models, each the mean over its seeds.

    .. math:: \hat\theta = \sum_t \frac{w_t}{k_t} \bar v_t, \qquad
        \hat V = \sum_i \Big(\sum_t \frac{w_t}{k_t} \frac{e_{ti} (v_{ti} - \bar v_t)}{\sum_i e_{ti}}\Big)^2
        + \sum_m \frac{w_m^2}{k_m} s^2

    with value v, eligible e, k seeds of a term's model and :math:`w_m` the sum of a model's \|w\|. The first part is the delta method's
    influence of each image on the whole sum: terms on the same images are paired, whatever their eligible images. The second is that of
    training, added to it. Degrees of freedom are Welch's and Satterthwaite's. Each rate counts ``2 / m`` successes and as many failures
    more, m the number of terms, so that a rate of 0 or 1 is not exact.

    Args:
        terms: At least one. Terms of one model and several seeds stand beside each other, each with the weight of the model.
        seed_variance: Of the numbers of a model, see :func:`seed_variance`. None: the interval is of these trainings alone.

    Raises:
        InputError: If values and eligible are not ``(N,)`` of one length, or eligible is not bool.

    Source: Newcombe 1998, Statistics in Medicine 17, 2635-2650 (pairing); Price and Bonett 2004, Computational Statistics & Data
    Analysis 45, 449-456 (added successes); Satterthwaite 1946, Biometrics Bulletin 2, 110-114.

    Example:
        >>> image = np.arange(200)
        >>> found = contrast([Term(1, "defective", 0, image < 160), Term(-1, "plain", 0, image < 120)])
        >>> round(found.estimate, 2), [round(bound, 3) for bound in found.interval], found.seeds
        (0.2, [0.144, 0.256], 1)
    """
    parts = [_Part(term) for term in terms]
    seeds = _seeds(terms)
    shares = [part.term.weight / len(seeds[part.term.model]) for part in parts]
    ends = [sorted((0.0, share)) if part.is_rate else (-math.inf, math.inf) for part, share in zip(parts, shares, strict=True)]
    limits = math.fsum(low for low, _ in ends), math.fsum(high for _, high in ends)
    fewest = min(map(len, seeds.values()))
    if not all(part.usable for part in parts):
        return Contrast(math.nan, math.inf, 1, fewest, limits)
    estimate = math.fsum(share * part.mean for share, part in zip(shares, parts, strict=True))
    added = 4 / len(parts)
    images = math.fsum(float(psi @ psi) for psi in _influence(parts, shares, added).values())
    images += math.fsum(share**2 * part.of_added(added) for share, part in zip(shares, parts, strict=True))
    degrees = max(1, min(part.count for part in parts) - 1)
    if seed_variance is None:
        return Contrast(estimate, math.sqrt(images), degrees, fewest, limits)
    factor = math.fsum(_scale(terms, model) ** 2 / len(of) ** 3 for model, of in seeds.items())
    training = factor * max(0.0, seed_variance.total - seed_variance.images)
    spread = images**2 / degrees + (factor * seed_variance.total) ** 2 / seed_variance.degrees
    variance = images + training
    return Contrast(estimate, math.sqrt(variance), max(1.0, variance**2 / spread) if spread else 1.0, fewest, limits)


def seed_variance(terms: Iterable[Term]) -> SeedVariance | None:
    r"""Variance of a model's number between trainings, pooled over the models that have at least two seeds.

    .. math:: s^2 = \frac{\sum_m \sum_s (u_{ms} - \bar u_m)^2}{\sum_m (k_m - 1)}

    with u the sum of a model's terms of one seed by weight, divided by the sum of its \|weights\|. As much of it as the images explain,
    which need not be the same for each seed, is found from their influence on u and stands apart: :func:`contrast` counts it already.

    Returns:
        None if no model has two seeds.

    Example:
        >>> tenth = np.arange(10)
        >>> found = seed_variance([Term(1, "plain", 0, tenth < 4), Term(1, "plain", 1, tenth < 6)])
        >>> [round(each, 3) for each in found]
        [0.02, 0.008, 1]
    """
    terms = [term for term in terms if term.weight]
    total, images, degrees = 0.0, 0.0, 0
    for model, of in _seeds(terms).items():
        scale = _scale(terms, model) / len(of)
        parts = {seed: [_Part(term) for term in terms if (term.model, term.seed) == (model, seed)] for seed in of}
        parts = {seed: each for seed, each in parts.items() if all(part.usable for part in each)}
        if len(parts) < 2:
            continue
        values = [math.fsum(part.term.weight / scale * part.mean for part in each) for each in parts.values()]
        total += float(np.var(values)) * len(values)
        influences = [_influence(each, [part.term.weight / scale for part in each], 0) for each in parts.values()]
        for name in {name for influence in influences for name in influence}:
            found = [influence[name] for influence in influences if name in influence]
            sums = np.sum(found, axis=0)
            images += math.fsum(float(psi @ psi) for psi in found) - float(sums @ sums) / len(parts)
        degrees += len(parts) - 1
    return SeedVariance(total / degrees, images / degrees, degrees) if degrees else None


class _Part:
    """A term as arrays."""

    def __init__(self, term: Term) -> None:
        self.term, values = term, np.asarray(term.values)
        eligible = np.ones(values.shape, dtype=bool) if term.eligible is None else np.asarray(term.eligible)
        if values.ndim != 1 or values.shape != eligible.shape or eligible.dtype != bool:
            kinds = ", ".join(f"{each.dtype} {each.shape}" for each in (values, eligible))
            raise InputError(f"values and eligible are {kinds}: pass (N,) of one length, eligible as bool")
        self.is_rate = values.dtype == bool
        self.count = int(eligible.sum())
        # The spread of numbers shows from two on.
        self.usable = self.count > (0 if self.is_rate else 1)
        self.mean = float(values[eligible].sum(dtype=float)) / self.count if self.count else math.nan
        self._values, self._eligible = values, eligible

    def apart(self) -> NDArray[np.float64]:
        """How far each eligible value lies from the mean."""
        return np.where(self._eligible, self._values - self.mean, 0.0)

    def of_added(self, added: float) -> float:
        """Variance of the mean that comes from ``added`` images, half of them successes."""
        return added * (0.25 + (0.5 - self.mean) ** 2) / (self.count + added) ** 2 if self.is_rate else 0.0


def _influence(parts: Sequence[_Part], shares: Sequence[float], added: float) -> dict[Hashable, NDArray[np.float64]]:
    """By set of images, the influence of each on the weighted sum."""
    found: dict[Hashable, NDArray[np.float64]] = {}
    for part, share in zip(parts, shares, strict=True):
        # Of numbers the variance is that of a sample.
        size = part.count + added if part.is_rate else math.sqrt(part.count * (part.count - 1))
        psi = share / size * part.apart()
        before = found.get(part.term.images)
        if before is not None and before.shape != psi.shape:
            raise InputError(f"values of {len(before)} and of {len(psi)} images do not pair: pass all for the same images")
        found[part.term.images] = psi if before is None else before + psi
    return found


def _seeds(terms: Iterable[Term]) -> dict[Hashable, set[int]]:
    """The seeds of each model."""
    found: dict[Hashable, set[int]] = {}
    for term in terms:
        found.setdefault(term.model, set()).add(term.seed)
    return found


def _scale(terms: Iterable[Term], model: Hashable) -> float:
    """Sum of the absolute weights of a model's terms, over its seeds."""
    return math.fsum(abs(term.weight) for term in terms if term.model == model)


def paired_difference(left: PerImage, right: PerImage) -> Contrast:
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
    four = [np.asarray(each) for each in (*left, *right)]
    if any(each.dtype != bool or each.ndim != 1 or each.shape != four[0].shape for each in four):
        kinds = ", ".join(f"{each.dtype} {each.shape}" for each in four)
        raise InputError(f"success and eligible of the two models are {kinds}: pass bools (N,) over the same images")
    return contrast([Term(1, "left", 0, *left), Term(-1, "right", 0, *right)])
