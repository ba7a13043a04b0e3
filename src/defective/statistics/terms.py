"""Numbers of trained models as terms of a weighted sum, and what each image adds to it."""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from defective.errors import InputError
from defective.statistics.rates import Rate

# The set of images of a rate whose per-image results are not known.
COUNTED = object()


@dataclass(eq=False)
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

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        eligible = np.ones(values.shape, dtype=bool) if self.eligible is None else np.asarray(self.eligible)
        if values.ndim != 1 or values.shape != eligible.shape or eligible.dtype != bool:
            kinds = ", ".join(f"{each.dtype} {each.shape}" for each in (values, eligible))
            raise InputError(f"values and eligible are {kinds}: pass (N,) of one length, eligible as bool")
        self.values, self.eligible, self.is_rate = values, eligible, values.dtype == bool
        self.count = int(eligible.sum())
        # The spread of numbers shows from two on.
        self.usable = self.count > (0 if self.is_rate else 1)
        self.mean = float(values[eligible].sum(dtype=float)) / self.count if self.count else math.nan

    @classmethod
    def counted(cls, weight: float, model: Hashable, seed: int, rate: Rate) -> Self:
        """A rate of which only the counts are known: see :func:`contrast` for what is taken of its images."""
        return cls(weight, model, seed, np.arange(rate.num_evaluated) < rate.num_correct, images=COUNTED)

    @property
    def unit(self) -> float:
        """What training moves it in units of: with two successes and two failures more, so that a rate of 0 or 1 has one too."""
        rate = (self.mean * self.count + 2) / (self.count + 4)
        return math.sqrt(rate * (1 - rate)) if self.is_rate else 1.0

    def apart(self) -> NDArray[np.float64]:
        """How far each eligible value lies from the mean."""
        return np.where(self.eligible, self.values - self.mean, 0.0)

    def of_added(self, added: float) -> float:
        """Variance of the mean that comes from ``added`` images, half of them successes."""
        return added * (0.25 + (0.5 - self.mean) ** 2) / (self.count + added) ** 2 if self.is_rate else 0.0


def influence(terms: Sequence[Term], shares: Sequence[float], added: float) -> dict[Hashable, NDArray[np.float64]]:
    """By set of images whose results are known, the influence of each on the weighted sum."""
    found: dict[Hashable, NDArray[np.float64]] = {}
    for term, share in zip(terms, shares, strict=True):
        if term.images is COUNTED:
            continue
        # Of numbers the variance is that of a sample.
        size = term.count + added if term.is_rate else math.sqrt(term.count * (term.count - 1))
        psi = share / size * term.apart()
        before = found.get(term.images)
        if before is not None and before.shape != psi.shape:
            raise InputError(f"values of {len(before)} and of {len(psi)} images do not pair: pass all for the same images")
        found[term.images] = psi if before is None else before + psi
    return found


def by_model(terms: Iterable[Term]) -> dict[Hashable, dict[int, list[Term]]]:
    """The terms of each model by seed."""
    found: dict[Hashable, dict[int, list[Term]]] = {}
    for term in terms:
        found.setdefault(term.model, {}).setdefault(term.seed, []).append(term)
    return found


def mean_weight(of: Mapping[int, Sequence[Term]], unit: Callable[[Term], float] = lambda term: 1) -> float:
    """Sum of the absolute weights of a model's terms, each times its unit, as the mean over the model's seeds."""
    return math.fsum(abs(term.weight) * unit(term) for terms in of.values() for term in terms) / len(of)
