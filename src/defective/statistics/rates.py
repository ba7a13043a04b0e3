"""Shares and medians with their 95 % intervals."""

import math
from collections.abc import Sequence
from typing import Any, Self

import scipy
from pydantic_core import CoreSchema, core_schema

# 95 % of the normal distribution lie within so many standard deviations of its mean.
_Z = float(scipy.special.ndtri(0.975))


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
    def among(cls, success: Any, eligible: Any = None) -> Self:
        """Share of ``success`` among ``eligible``, both bool ``(N,)``; by default among all."""
        if eligible is None:
            return cls.of(int(success.sum()), len(success))
        return cls.of(int((success & eligible).sum()), int(eligible.sum()))

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds in [0, 1]; ``(0, 1)`` without counts."""
        n = self.num_evaluated
        if n == 0:
            return 0.0, 1.0
        # Not by scipy's binomtest, which searches for a p-value too: a report has ten thousands of rates.
        middle = (2 * n * float(self) + _Z**2) / (2 * (n + _Z**2))
        half = _Z / (2 * (n + _Z**2)) * math.sqrt(4 * n * float(self) * (1 - float(self)) + _Z**2)
        return 0.0 if self.num_correct == 0 else middle - half, 1.0 if self.num_correct == n else middle + half

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the rate is None where nothing was counted. A field of a typed document is stored so."""
        low, high = self.interval
        return {
            "rate": float(self) if self.num_evaluated else None,
            "num_correct": self.num_correct,
            "num_evaluated": self.num_evaluated,
            "low": low,
            "high": high,
        }

    @classmethod
    def read(cls, found: Any) -> Self:
        """The rate that :meth:`as_dict`, or a dict of no more than its counts, tells of."""
        return found if isinstance(found, cls) else cls.of(found["num_correct"], found["num_evaluated"])

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> CoreSchema:
        dump = core_schema.plain_serializer_function_ser_schema(cls.as_dict)
        return core_schema.no_info_plain_validator_function(cls.read, serialization=dump)


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
