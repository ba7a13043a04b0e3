"""A rate with its counts and its 95 % interval."""

import math
from typing import Any, Self

from torch import Tensor


class Rate(float):
    """A share ``hits / total`` that is a plain float and remembers its counts; nan if there is nothing to count.

    Example:
        >>> rate = Rate.of(30, 40)
        >>> rate, rate.hits, rate.total, [round(bound, 3) for bound in rate.interval]
        (0.75, 30, 40, [0.598, 0.858])
    """

    hits: int
    total: int

    @classmethod
    def of(cls, hits: int, total: int) -> Self:
        rate = cls(hits / total if total else math.nan)
        rate.hits, rate.total = hits, total
        return rate

    @classmethod
    def among(cls, success: Tensor, counted: Tensor) -> Self:
        """Share of ``success`` among ``counted``, both bool ``(N,)``."""
        return cls.of(int((success & counted).sum()), int(counted.sum()))

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval; ``(0, 1)`` without counts."""
        from scipy.stats import binomtest

        if self.total == 0:
            return 0.0, 1.0
        low, high = binomtest(self.hits, self.total).proportion_ci(0.95, "wilson")
        return float(low), float(high)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the rate is None where nothing was counted."""
        low, high = self.interval
        return {
            "rate": float(self) if self.total else None,
            "hits": self.hits,
            "total": self.total,
            "low": low,
            "high": high,
        }
