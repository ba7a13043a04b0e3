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

    .. math:: s^2 = \frac{\sum_m \sum_s (u_{ms} - \bar u_m)^2}{\sum_m (k_m - 1) h_m^2}

    with u the sum of a model's terms of one seed by weight, divided by the sum of its \|weights\|, and h the mean of
    :math:`\sqrt{p (1 - p)}` of its rates p by the same weights (1 for other numbers): a rate near 0 or 1 varies less between trainings than
    one near 0.5. The part of it that images add, of which not the same are hard for each seed, is found from their influence on u; of
    rates of which only the counts are known it is taken as nothing.

    Returns:
        None if no model has two seeds.

    Example:
        >>> tenth = np.arange(10)
        >>> found = seed_variance([Term(1, "plain", 0, tenth < 4), Term(1, "plain", 1, tenth < 6)])
        >>> [round(each, 3) for each in found]
        [0.082, 0.033, 1.0]
    """
    models = by_model(term for term in terms if term.weight).values()
    usable = ({seed: each for seed, each in of.items() if all(term.usable for term in each)} for of in models)
    found = [_squares(of) for of in usable if len(of) > 1]
    if not found:
        return None
    total, images, units, squared_units = map(math.fsum, zip(*found, strict=True))
    return SeedVariance(total / units, images / units, units**2 / squared_units)


def _squares(of: Mapping[int, Sequence[Term]]) -> tuple[float, float, float, float]:
    """Of one model the sum of squares between seeds, the part that images explain, and degrees of freedom times h^2 and h^4."""
    scale, degrees = mean_weight(of), len(of) - 1
    sums: list[float] = []
    by_set: dict[Hashable, list[NDArray[np.float64]]] = {}
    for terms in of.values():
        shares = [term.weight / scale for term in terms]
        sums.append(math.fsum(share * term.mean for term, share in zip(terms, shares, strict=True)))
        for name, psi in influence(terms, shares, 0).items():
            by_set.setdefault(name, []).append(psi)
    images = math.fsum(float(np.square(psis).sum() - np.square(np.sum(psis, axis=0)).sum() / len(of)) for psis in by_set.values())
    unit = (mean_weight(of, lambda term: term.unit) / scale) ** 2
    return float(np.var(sums)) * len(of), images, degrees * unit, degrees * unit**2
