"""Intervals of rates and medians: printed tables, closed forms."""

import math

import pytest
from scipy.stats import binom

from defective.statistics import Rate, median_interval
from samples import everyone


@pytest.mark.parametrize(
    ("num_correct", "num_evaluated", "interval"),
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_the_interval_of_a_rate_is_that_of_newcombes_table(num_correct, num_evaluated, interval):
    # Newcombe 1998, Statistics in Medicine 17, 857-872, Table I, method 3 (Wilson).
    assert Rate.of(num_correct, num_evaluated).interval == pytest.approx(interval, abs=6e-5)


def test_nothing_counted_leaves_a_rate_open():
    nothing = Rate.among(everyone(5), ~everyone(5))
    assert math.isnan(nothing) and nothing.interval == (0.0, 1.0)
    assert nothing.as_dict() == {"rate": None, "num_correct": 0, "num_evaluated": 0, "low": 0.0, "high": 1.0}


def test_the_interval_of_a_median_covers_it_95_times_in_100_and_not_more_than_it_must():
    # Order statistics; (40, 61) of 100 is what textbooks print.
    for n in (6, 7, 10, 20, 25, 50, 100):
        values = [float(number) for number in range(1, n + 1)]
        low, high = median_interval(values[::2] + values[1::2])
        assert low + high == n + 1 and (n != 100 or low == 40)
        covered = [1 - 2 * binom.cdf(rank - 1, n, 0.5) for rank in (low, low + 1)]
        assert covered[0] >= 0.95 > covered[1]


@pytest.mark.parametrize("n", range(6))
def test_few_values_leave_the_interval_of_their_median_open(n):
    assert median_interval([1.0] * n) == (0, math.inf)
