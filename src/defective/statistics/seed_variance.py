"""How far training moves a number."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from defective.statistics.terms import Term, by_model, influence, mean_weight


class SeedVariance(NamedTuple):
    """How far trainings with other seeds move a model's number, see :func:`seed_variance`.

    Attributes:
        total: Variance between the seeds of one model; of rates p in units of p (1 - p).
        images: The part of it that comes from images that differ between seeds.
        degrees: Degrees of freedom.
    """

    total: float
    images: float
    degrees: float


def seed_variance(terms: Iterable[Term]) -> SeedVariance | None:
    r"""Variance of a model's number between trainings, pooled over the models that have at least two seeds.

    .. math:: s^2 = \frac{Q}{\sum_m (k_m - 1) h_m^2}, \qquad Q = \sum_m \sum_s (u_{ms} - \bar u_m)^2

    with u the sum of a model's terms of one seed by weight, divided by the sum of its \|weights\|, and h the mean of
    :math:`\sqrt{p (1 - p)}` of its rates p by the same weights (1 for other numbers): a rate near 0 or 1 varies less between trainings than
    one near 0.5. The part of it that images add, of which not the same are hard for each seed, is found from their influence on u; of
    rates of which only the counts are known it is taken as nothing.

    A seed's source may move all models together, which then tell as much as one. The degrees of freedom are Satterthwaite's for the part of
    Q in which the models agree, :math:`Q_c = \sum_s (\sum_m h_m (u_{ms} - \bar u_m))^2 / \sum_m h_m^2`, with k - 1 degrees of freedom, and
    the rest, with those that are left.

    Returns:
        None if no model has two seeds.

    Source: Satterthwaite 1946, Biometrics Bulletin 2, 110-114.

    Example:
        >>> tenth = np.arange(10)
        >>> found = seed_variance([Term(1, "plain", 0, tenth < 4), Term(1, "plain", 1, tenth < 6)])
        >>> [round(each, 3) for each in found]
        [0.082, 0.033, 1.0]
    """
    models = by_model(term for term in terms if term.weight).values()
    usable = ({seed: each for seed, each in of.items() if all(term.usable for term in each)} for of in models)
    found = [_of_model(of) for of in usable if len(of) > 1]
    if not found:
        return None
    squares = math.fsum(each**2 for model in found for each in model.apart.values())
    units = math.fsum(model.unit**2 * model.degrees for model in found)
    return SeedVariance(squares / units, math.fsum(model.images for model in found) / units, _degrees(found, squares, units))


class _Model(NamedTuple):
    """Of one model: u by seed from its mean, the part of their squares that images explain, and h."""

    apart: dict[int, float]
    images: float
    unit: float

    @property
    def degrees(self) -> int:
        return len(self.apart) - 1


def _degrees(models: Sequence[_Model], squares: float, units: float) -> float:
    """Satterthwaite's, of sums of squares in which the models agree and do not."""
    # Of models that move apart, which weigh by their h.
    all_apart = units**2 / math.fsum(model.unit**4 * model.degrees for model in models)
    seeds = {seed for model in models for seed in model.apart}
    left = all_apart - (len(seeds) - 1)
    if left <= 0 or squares == 0:
        return all_apart
    common = 0.0
    for seed in seeds:
        having = [model for model in models if seed in model.apart]
        together = math.fsum(model.unit * model.apart[seed] for model in having)
        common += together**2 / math.fsum(model.unit**2 for model in having)
    # No more than all of it, but for rounding.
    common = min(common, squares)
    return squares**2 / (common**2 / (len(seeds) - 1) + (squares - common) ** 2 / left)


def _of_model(of: Mapping[int, Sequence[Term]]) -> _Model:
    scale = mean_weight(of)
    sums: dict[int, float] = {}
    by_set: dict[Hashable, list[NDArray[np.float64]]] = {}
    for seed, terms in of.items():
        shares = [term.weight / scale for term in terms]
        sums[seed] = math.fsum(share * term.mean for term, share in zip(terms, shares, strict=True))
        for name, psi in influence(terms, shares, 0).items():
            by_set.setdefault(name, []).append(psi)
    images = math.fsum(float(np.square(psis).sum() - np.square(np.sum(psis, axis=0)).sum() / len(of)) for psis in by_set.values())
    mean = math.fsum(sums.values()) / len(sums)
    unit = mean_weight(of, lambda term: term.unit) / scale
    return _Model({seed: each - mean for seed, each in sums.items()}, images, unit)
