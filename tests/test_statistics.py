"""Intervals and comparisons: printed tables, closed forms, and how often they cover the truth."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binom, norm

from defective import InputError
from defective.statistics import (
    Difference,
    Estimate,
    Rate,
    correlation,
    difference,
    mean_interval,
    median_interval,
    paired_difference,
)


def one(value, low=None, high=None):
    """A number of one seed; without bounds it is exact."""
    return Estimate((value,), ((value if low is None else low, value if high is None else high),))


def many(*values, spread=1.0):
    return Estimate(values, tuple((value - spread, value + spread) for value in values))


def everyone(n):
    return torch.ones(n, dtype=torch.bool)


def correlated(n, generator, first=0.68, second=0.6):
    """Two models that find the same images hard, each with a denominator of its own; the rates are the true ones."""
    hard = torch.rand(n, generator=generator)
    eligible = [torch.rand(n, generator=generator) < share for share in (0.7, 0.8)]
    noise = 0.1 * torch.rand(2, n, generator=generator)
    # An image is easier than the rate for just that share of all, up to a noise that is taken off again on average.
    return [(hard + each - 0.05 < rate, c) for each, rate, c in zip(noise, (first, second), eligible, strict=True)]


def of_table(both, first, second, neither):
    """Two models on images that both, the first alone, the second alone and neither classify correctly."""
    counts = torch.tensor([both, first, second, neither])
    patterns = torch.tensor([[True, True, False, False], [True, False, True, False]])
    return [(pattern.repeat_interleave(counts), everyone(int(counts.sum()))) for pattern in patterns]


# --- one rate ---


@pytest.mark.parametrize(
    ("hits", "total", "interval"),
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_the_interval_of_a_rate_is_that_of_newcombes_table(hits, total, interval):
    # Newcombe 1998, Statistics in Medicine 17, 857-872, Table I, method 3 (Wilson).
    assert Rate.of(hits, total).interval == pytest.approx(interval, abs=6e-5)


def test_nothing_counted_leaves_a_rate_open():
    nothing = Rate.among(everyone(5), ~everyone(5))
    assert math.isnan(nothing) and nothing.interval == (0.0, 1.0)
    assert nothing.as_dict() == {"rate": None, "hits": 0, "total": 0, "low": 0.0, "high": 1.0}


# --- medians and means ---


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


# --- several seeds ---


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


# --- the difference of two numbers ---


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


# --- two models on the same images ---


def test_the_paired_difference_is_that_of_the_textbook():
    # Table 6.2 of Altman et al., Statistics with Confidence, 2000: 0.12, from 0.01 to 0.23.
    assert [round(each, 2) for each in paired_difference(*of_table(14, 5, 0, 22))] == [0.12, 0.01, 0.23]


@pytest.mark.parametrize(
    ("table", "phi"),
    [
        # ad - bc above n / 2, which is taken off; from 0 to n / 2; below 0.
        ((14, 5, 0, 22), (14 * 22 - 41 / 2) / (19 * 22 * 14 * 27) ** 0.5),
        ((4, 1, 6, 13), (52 - 6 - 12) / (5 * 19 * 10 * 14) ** 0.5),
        ((1, 1, 7, 12), 0.0),
        ((1, 7, 6, 2), (2 - 42) / (8 * 8 * 7 * 9) ** 0.5),
    ],
)
def test_where_all_images_are_eligible_the_correlation_is_the_corrected_phi_of_newcombe(table, phi):
    assert correlation(*of_table(*table)) == pytest.approx(phi, abs=1e-12)


def test_the_correlation_is_that_of_the_delta_method(generator):
    models = correlated(300, generator)
    moved = [eligible.double() * (success.double() - float(Rate.among(success, eligible))) for success, eligible in models]
    expected = float((moved[0] @ moved[1] - 0.5) / (moved[0].norm() * moved[1].norm()))
    assert correlation(*models) == pytest.approx(expected, abs=1e-12)
    assert correlation(models[0], (~models[0][0], models[0][1])) == pytest.approx(-1)


@pytest.mark.parametrize("rate", ["never", "always", "no image"])
def test_what_cannot_move_has_no_correlation(rate, generator):
    second = correlated(50, generator)[1]
    success = torch.zeros(50, dtype=torch.bool) if rate == "never" else everyone(50)
    eligible = torch.zeros(50, dtype=torch.bool) if rate == "no image" else second[1]
    assert correlation((success, eligible), second) == correlation(second, (success, eligible)) == 0.0


def test_images_that_are_eligible_for_one_model_alone_do_not_tie_the_rates(generator):
    (a, _), (b, _) = correlated(100, generator)
    half = torch.arange(100) < 50
    assert correlation((a, half), (b, ~half)) == 0.0


def test_it_is_the_difference_of_the_two_rates_with_their_correlation(generator):
    models = correlated(500, generator)
    left, right = (one(float(rate), *rate.interval) for rate in (Rate.among(*each) for each in models))
    found = paired_difference(*models)
    assert found == difference(left, right, {0: correlation(*models)})
    assert found.mean == left.mean - right.mean and found.low < found.mean < found.high
    assert paired_difference(*reversed(models)) == (-found.mean, -found.high, -found.low)


def test_arrays_and_tensors_are_alike(generator):
    models = correlated(200, generator)
    arrays = [(success.numpy(), eligible.numpy()) for success, eligible in models]
    assert paired_difference(*arrays) == paired_difference(*models)


def test_large_samples_agree_with_the_normal_approximation(generator):
    n = 10_000
    models = correlated(n, generator)
    influence = [
        eligible.double() * (success.double() - float(Rate.among(success, eligible))) / eligible.double().mean()
        for success, eligible in models
    ]
    half = norm.ppf(0.975) * float((influence[0] - influence[1]).std()) / n**0.5
    found = paired_difference(*models)
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half), abs=0.02 * half)


def test_pairing_narrows_the_interval_of_models_that_find_the_same_images_hard(generator):
    left, right = correlated(2000, generator)
    order = torch.randperm(2000, generator=generator)
    paired, unpaired = paired_difference(left, right), paired_difference(left, (right[0][order], right[1][order]))
    assert paired.mean == unpaired.mean
    assert paired.high - paired.low < 0.8 * (unpaired.high - unpaired.low)


def test_images_that_are_not_eligible_have_no_say(generator):
    models = correlated(200, generator)
    changed = [(torch.where(eligible, success, ~success), eligible) for success, eligible in models]
    assert paired_difference(*changed) == paired_difference(*models)


@pytest.mark.parametrize("n", [0, 50])
@pytest.mark.parametrize("empty", [(0,), (1,), (0, 1)])
def test_no_eligible_image_leaves_the_difference_open(empty, n):
    found = paired_difference(*((everyone(n), ~everyone(n) if model in empty else everyone(n)) for model in (0, 1)))
    assert math.isnan(found.mean) and found[1:] == (-1, 1) and not found.significant


def test_a_single_eligible_image_proves_nothing():
    eligible = torch.arange(100) == 3
    found = paired_difference((everyone(100), eligible), (~everyone(100), eligible))
    assert found.mean == 1 and not found.significant


def test_a_model_does_not_differ_from_itself(generator):
    model, _ = correlated(100, generator)
    found = paired_difference(model, model)
    assert found.mean == 0 and found.low == -found.high and not found.significant


@pytest.mark.parametrize(
    ("bounds", "significant"), [((0.1, 0.3), True), ((-0.3, -0.1), True), ((-0.1, 0.3), False), ((0.0, 0.3), False)]
)
def test_a_difference_is_significant_if_its_interval_excludes_zero(bounds, significant):
    assert Difference(0.2, *bounds).significant is significant


@pytest.mark.parametrize(
    "second",
    [
        (everyone(4), everyone(5)),
        (everyone(4), everyone(4)),
        (everyone(5).float(), everyone(5)),
        (everyone(5), everyone(5).long()),
        (everyone(5).view(5, 1), everyone(5)),
        (np.ones(5), np.ones(5, dtype=bool)),
    ],
)
def test_outcomes_that_do_not_pair_are_refused(second):
    with pytest.raises(InputError, match=r"^success and eligible of the two models are [^\n]*: pass bools"):
        paired_difference((everyone(5), everyone(5)), second)


def test_the_paired_interval_covers_the_true_difference_95_times_in_100():
    generator = torch.Generator().manual_seed(0)
    found = [paired_difference(*correlated(1000, generator)) for _ in range(2000)]
    # Two standard deviations of such a count are a hundredth.
    covered = sum(each.low <= 0.08 <= each.high for each in found) / len(found)
    assert 0.94 <= covered <= 0.96
