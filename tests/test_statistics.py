"""Intervals and comparisons: printed tables, closed forms, and how often they cover the truth."""

import math

import pytest
from scipy.stats import binom

from defective.statistics import (
    Estimate,
    Rate,
    difference,
    mean_interval,
    median_interval,
)
from samples import everyone, one


def many(*values, spread=1.0):
    return Estimate(values, tuple((value - spread, value + spread) for value in values))


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


# The ranks that textbooks print for the 95 % interval of a median.
@pytest.mark.parametrize(("n", "ranks"), [(6, (1, 6)), (10, (2, 9)), (20, (6, 15)), (50, (18, 33)), (100, (40, 61))])
def test_the_interval_of_a_median_is_that_of_the_order_statistics(n, ranks):
    values = [float(number) for number in range(1, n + 1)]
    assert median_interval(values[::2] + values[1::2]) == ranks


def test_it_covers_the_median_95_times_in_100_and_not_more_than_it_must():
    for n in range(6, 120):
        low, high = median_interval([float(number) for number in range(1, n + 1)])
        assert low + high == n + 1
        covered = [1 - 2 * binom.cdf(rank - 1, n, 0.5) for rank in (low, low + 1)]
        assert covered[0] >= 0.95 > covered[1]


@pytest.mark.parametrize("n", range(6))
def test_few_values_leave_the_interval_of_their_median_open(n):
    assert median_interval([1.0] * n) == (0, math.inf)


# Student's t at 97.5 % by degrees of freedom, from printed tables.
T = {1: 12.7062, 2: 4.3027, 4: 2.7764}


@pytest.mark.parametrize(
    ("values", "mean", "deviation"),
    [((1.0, 3.0), 2.0, math.sqrt(2)), ((1.0, 2.0, 3.0), 2.0, 1.0), ((2.0, 4.0, 4.0, 4.0, 6.0), 4.0, math.sqrt(2))],
)
def test_students_interval_is_that_of_the_printed_table(values, mean, deviation):
    half = T[len(values) - 1] * deviation / math.sqrt(len(values))
    assert mean_interval(values) == pytest.approx((mean - half, mean + half), abs=1e-3)


@pytest.mark.parametrize("values", [(7.0, 7.0, 7.0), (0.1, 0.1, 0.1 + 1e-16)])
def test_equal_values_have_an_interval_of_no_width(values):
    assert mean_interval(values) == pytest.approx((values[0], values[0]), abs=1e-15)


def test_an_estimate_of_one_seed_has_the_interval_of_its_images():
    estimate = one(50.0, 45.0, 56.0)
    assert (estimate.mean, estimate.interval) == (50.0, (45.0, 56.0))


def test_an_estimate_of_several_seeds_has_the_interval_of_their_mean():
    estimate = many(1.0, 2.0, 3.0)
    assert estimate.mean == 2.0
    assert estimate.interval == pytest.approx((2 - T[2] / math.sqrt(3), 2 + T[2] / math.sqrt(3)), abs=1e-3)


def test_seeds_that_agree_leave_open_what_the_images_do():
    assert many(2.0, 2.0, 2.0, spread=3.0).interval == (-1.0, 5.0)
    # Student's is the wider one below, the images' above.
    estimate = Estimate((1.0, 2.0, 3.0), ((0.9, 8.0), (1.9, 10.0), (2.9, 12.0)))
    assert estimate.interval == pytest.approx((2 - T[2] / math.sqrt(3), 10.0), abs=1e-3)


def test_nothing_in_fifty_three_times_leaves_a_difference_open():
    none = Estimate((0.0,) * 3, (Rate.of(0, 50).interval,) * 3)
    half = Rate.of(0, 50).interval[1]
    assert difference(none, none) == pytest.approx((0, -half, half))


def test_a_mean_lies_where_its_numbers_can_lie():
    shares = Estimate((0.0, 0.1, 0.4), ((0.0, 0.4), (0.0, 0.6), (0.2, 1.0)), limits=(0.0, 100.0))
    assert mean_interval(shares.values)[0] < 0 == shares.interval[0]


def test_a_difference_lies_where_it_can_lie():
    left, right = (Estimate(values, tuple((v, v) for v in values), limits=(0.0, 100.0)) for values in ((50.0, 50.0), (10.0, 90.0)))
    assert difference(left, right) == (0.0, -100.0, 100.0)
    shares = Estimate((0.0, 40.0), ((0.0, 1.0), (39.0, 41.0)), limits=(0.0, 100.0))
    assert difference(shares, Estimate.exact(15.0)) == (5.0, -15.0, 85.0)


def test_seeds_are_compared_one_by_one():
    # Far apart from seed to seed, always 1 to 3 apart within one.
    found = difference(many(101.0, 12.0, 53.0), many(100.0, 10.0, 50.0))
    assert found == pytest.approx((2, 2 - T[2] / math.sqrt(3), 2 + T[2] / math.sqrt(3)), abs=1e-3)


def test_only_seeds_that_both_have_are_compared():
    assert difference(many(5.0, 6.0, 99.0), many(4.0, 4.0)) == difference(many(5.0, 6.0), many(4.0, 4.0))


def test_seeds_are_paired_by_number_not_by_place():
    left = Estimate((5.0, 9.0), ((4.0, 6.0), (8.0, 10.0)), (1, 2))
    right = Estimate((1.0, 4.0), ((0.0, 2.0), (3.0, 5.0)), (0, 1))
    # Only seed 1 is on both sides.
    assert difference(left, right) == pytest.approx((1.0, 1 - 2**0.5, 1 + 2**0.5))
    assert difference(Estimate((1.0,), ((0.0, 2.0),), (0,)), Estimate((1.0,), ((0.0, 2.0),), (3,))) is None


def test_the_images_of_each_seed_are_paired():
    left, right = many(5.0, 5.0, spread=3.0), many(1.0, 1.0, spread=4.0)
    half = sum(math.sqrt(9 + 16 - 2 * phi * 12) for phi in (0.5, 0.0)) / 2
    assert difference(left, right, {0: 0.5}) == pytest.approx((4, 4 - half, 4 + half))


def test_turned_round_the_difference_changes_its_sign():
    left, right = one(10.0, 9.0, 14.0), one(4.0, 1.0, 6.0)
    mean, low, high = difference(left, right)
    assert difference(right, left) == (-mean, -high, -low)


@pytest.mark.parametrize(
    ("left", "right", "interval"),
    [((56, 70), (48, 80), (0.0524, 0.3339)), ((9, 10), (3, 10), (0.1705, 0.8090)), ((10, 10), (0, 10), (0.6075, 1.0))],
)
def test_the_difference_of_two_shares_is_that_of_newcombes_table(left, right, interval):
    # Newcombe 1998, Statistics in Medicine 17, 873-890, Table II, method 10.
    left, right = (one(float(rate), *rate.interval) for rate in (Rate.of(*left), Rate.of(*right)))
    assert difference(left, right)[1:] == pytest.approx(interval, abs=6e-5)


@pytest.mark.parametrize(("phi", "below", "above"), [(1.0, 1.0, 1.0), (0.0, 5**0.5, 5.0), (0.5, 3**0.5, 13**0.5), (-1.0, 3, 7)])
def test_numbers_that_move_together_lie_less_uncertainly_apart(phi, below, above):
    # The bounds that face each other count. Lower: 1 and 2 apart from them; upper: 4 and 3.
    found = difference(one(10.0, 9.0, 14.0), one(4.0, 1.0, 6.0), {0: phi})
    assert found == pytest.approx((6.0, 6 - below, 6 + above))


def test_a_bound_that_lies_nowhere_leaves_the_difference_open():
    found = difference(one(2.0, 1.0, math.inf), one(1.0, 0.5, 1.5), {0: 0.9})
    assert found.high == math.inf and math.isfinite(found.low)
