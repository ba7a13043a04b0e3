"""What turns contrasts into verdicts: many tests at once, and the weights of a trend."""

import math
from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted so that, of all tests together, at most one in twenty runs finds anything that is not there.

    Source: Holm 1979, Scandinavian Journal of Statistics 6, 65-70.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def trend_weights(count: int) -> list[float]:
    r"""Weights of a contrast of ``count`` ordered numbers that tells best whether they rise, whichever way they do.

    .. math:: w_i \propto \sqrt{(i - 1) (1 - (i - 1) / n)} - \sqrt{i (1 - i / n)}

    scaled so that the positive ones sum to 1: a difference of two weighted means.

    Source: Abelson and Tukey 1963, Annals of Mathematical Statistics 34, 1347-1369.

    Example:
        >>> [round(weight, 2) for weight in trend_weights(2)], [round(weight, 2) for weight in trend_weights(4)]
        ([-1.0, 1.0], [-0.87, -0.13, 0.13, 0.87])
    """
    root = [math.sqrt(i * (1 - i / count)) for i in range(count + 1)]
    raw = [root[i] - root[i + 1] for i in range(count)]
    size = math.fsum(weight for weight in raw if weight > 0)
    return [weight / size for weight in raw]
