"""Contrasts: closed forms, what they agree with, what they refuse."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm, t

from defective import InputError
from defective.statistics import (
    UNKNOWN,
    Contrast,
    ErrorPart,
    Rate,
    SeedVariance,
    Term,
    contrast,
    holm,
    paired_difference,
    seed_variance,
    trend_weights,
)
from samples import correlated, everyone, of_table


def flags(successes, n):
    return np.arange(n) < successes


def test_a_paired_difference_is_that_of_the_textbook():
    # Table 6.2 of Altman et al., Statistics with Confidence, 2000: 0.12, from 0.01 to 0.23.
    found = paired_difference(*of_table(14, 5, 0, 22))
    assert [round(each, 2) for each in (found.estimate, *found.interval)] == [0.12, 0.01, 0.23]


@pytest.mark.parametrize("counts", [((0, 20), (5, 20)), ((56, 70), (48, 80)), ((9, 10), (3, 10))])
def test_the_error_of_independent_rates_is_about_that_of_agresti_and_caffo(counts):
    # Agresti and Caffo 2000, The American Statistician 54, 280-288: a success and a failure more in each group. Ours keeps the mean.
    found = contrast([Term.counted(weight, weight, 0, Rate.of(*each)) for weight, each in zip((1, -1), counts, strict=True)])
    added = [((x + 1) / (n + 2), n + 2) for x, n in counts]
    assert found.error == pytest.approx(math.sqrt(sum(p * (1 - p) / n for p, n in added)), rel=0.07)
    assert found.estimate == pytest.approx(counts[0][0] / counts[0][1] - counts[1][0] / counts[1][1])


def test_large_samples_agree_with_the_delta_method(generator):
    models = correlated(10_000, generator)
    influence = [
        eligible.double() * (success.double() - float(Rate.among(success, eligible))) / eligible.double().mean()
        for success, eligible in models
    ]
    half = norm.ppf(0.975) * float((influence[0] - influence[1]).std()) / 100
    found = paired_difference(*models)
    assert found.interval == pytest.approx((found.estimate - half, found.estimate + half), abs=0.02 * half)


def test_arrays_are_as_tensors_and_images_that_are_not_eligible_have_no_say(generator):
    models = correlated(200, generator)
    arrays = [(torch.where(eligible, success, ~success).numpy(), eligible.numpy()) for success, eligible in models]
    assert paired_difference(*arrays) == paired_difference(*models)


@pytest.mark.parametrize("n", [0, 50])
@pytest.mark.parametrize("empty", [(0,), (1,), (0, 1)])
def test_no_eligible_image_leaves_it_open(empty, n):
    found = paired_difference(*((everyone(n), ~everyone(n) if model in empty else everyone(n)) for model in (0, 1)))
    assert math.isnan(found.estimate) and found.interval == (-1, 1)
    assert (found.p_above(0), found.p_below(0), found.p_within(2), found.p_beyond(0), found.significant) == (1, 1, 1, 1, False)


def test_a_single_eligible_image_proves_nothing():
    eligible = torch.arange(100) == 3
    found = paired_difference((everyone(100), eligible), (~everyone(100), eligible))
    assert found.estimate == 1 and not found.significant


def test_rates_that_are_never_wrong_are_not_exact():
    found = paired_difference((everyone(50), everyone(50)), (everyone(50), everyone(50)))
    assert found.estimate == 0 and 0.01 < found.interval[1] < 0.1 and found.interval[0] == -found.interval[1]


@pytest.mark.parametrize("rate", [0, 17, 50])
@pytest.mark.parametrize("seeds", [1, 3])
def test_the_same_rate_again_on_the_same_images_tells_nothing_new(rate, seeds):
    def terms(weight, columns, model, count):
        return [Term(weight / columns, model, seed, flags(count, 50)) for seed in range(seeds) for _ in range(columns)]

    one, mean = (contrast(terms(1, columns, "a", rate)) for columns in (1, 5))
    assert mean.estimate == pytest.approx(one.estimate) and mean.error == pytest.approx(one.error)
    one, mean = (contrast([*terms(1, columns, "a", rate), *terms(-1, columns, "b", 50)]) for columns in (1, 5))
    assert mean.error == pytest.approx(one.error) and one.error > 0


@pytest.mark.parametrize("second", [everyone(4), everyone(5).float(), np.ones(5)], ids=["fewer", "floats", "numpy"])
def test_successes_that_do_not_pair_are_refused(second):
    with pytest.raises(InputError, match=r"one length|must be bool"):
        paired_difference((everyone(5), everyone(5)), (second, everyone(5)))


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([(flags(2, 5), flags(2, 4))], "values and eligible are"),
        ([(flags(2, 5), np.ones(5))], "eligible as bool"),
        ([(flags(2, 6).reshape(3, 2),)], r"bool \(3, 2\)"),
        ([(flags(2, 5),), (flags(2, 6),)], "do not pair"),
    ],
)
def test_terms_that_do_not_pair_are_refused(terms, message):
    with pytest.raises(InputError, match=message):
        contrast([Term(1, place, 0, *each) for place, each in enumerate(terms)])


def test_numbers_are_averaged_over_seeds_and_added_by_weight():
    terms = [Term(2, "a", 0, [1.0, 3.0]), Term(2, "a", 1, [5.0, 5.0]), Term(-1, "b", 0, [1.0, 2.0]), Term(-1, "b", 1, [2.0, 3.0])]
    found = contrast(terms)
    assert found.estimate == 2 * 3.5 - 2 and found.seeds == 2
    # Influences of the first image: 2 (-1) / 2 / 2 of a, 0.5 / 2 / 2 of b at each seed; times n / (n - 1), as of a sample.
    assert found.error == pytest.approx(math.sqrt(2 * 2 * (-0.5 + 0.25) ** 2))


def test_sets_of_images_are_independent():
    one, other = (Term(weight, weight, 0, flags(50, 100), images=weight) for weight in (1, -1))
    apart = contrast([one, other])
    assert apart.error**2 == pytest.approx(2 * 0.25 / 102, rel=0.01)
    assert contrast([one, Term(-1, -1, 0, flags(50, 100), images=1)]).error < 0.3 * apart.error


def test_the_variance_of_training_is_added_and_has_few_degrees_of_freedom():
    terms = [Term(weight, weight, seed, np.zeros(1000)) for weight in (1, -1) for seed in range(2)]
    found = contrast(terms, SeedVariance(4.0, 0.0, 3))
    assert found.parts[1] == pytest.approx((2.0, 3)) and found.error == pytest.approx(2)
    assert found.interval[1] == pytest.approx(2 * t.ppf(0.975, 3))


def test_the_variance_of_training_is_pooled_in_units_of_the_rates_and_without_that_of_other_images():
    # Of each of two models 0.4 and 0.6, and 0.1 and 0.5, of 1,000 images drawn anew for each seed.
    rates = {"a": (400, 600), "b": (100, 500)}
    terms = [
        Term(3, model, seed, flags(x, 1000), images=(model, seed)) for model, each in rates.items() for seed, x in enumerate(each)
    ]
    once = Term(3, "trained once", 0, flags(1, 1000))
    unit = {x: math.sqrt((x + 2) / 1004 * (1002 - x) / 1004) for each in rates.values() for x in each}
    squares = [((unit[low] + unit[high]) / 2) ** 2 for low, high in rates.values()]
    total, images, degrees = seed_variance([*terms, once])
    assert total == pytest.approx((0.02 + 0.08) / sum(squares))
    assert images == pytest.approx((0.24 + 0.24 + 0.09 + 0.25) / 2 / 1000 / sum(squares), rel=1e-6)
    # Both rise from the first seed to the second: one degree of freedom for what they have in common.
    alike = (0.2 * math.sqrt(squares[0]) + 0.4 * math.sqrt(squares[1])) ** 2 / 2 / sum(squares)
    left = sum(squares) ** 2 / sum(square**2 for square in squares) - 1
    assert degrees == pytest.approx(0.1**2 / (alike**2 + (0.1 - alike) ** 2 / left))
    assert seed_variance([once]) is None


def test_models_that_a_seed_moves_alike_tell_as_much_as_one():
    def moved(*by_seed):
        return [Term(1, model, seed, [0.0, 2 * x]) for model, each in enumerate(by_seed) for seed, x in enumerate(each)]

    assert seed_variance(moved((0, 1, 5), (0, 1, 5), (0, 1, 5))).degrees == pytest.approx(2)
    # What one gains the other loses: nothing in common, so one of two degrees of freedom is left.
    assert seed_variance(moved((0, 1), (1, 0))).degrees == pytest.approx(1)
    # Of squares 1/2 and 1/2 one half is common to both seeds, one half is not.
    assert seed_variance(moved((0, 1), (0, 0))).degrees == pytest.approx(2)


def test_rates_without_images_of_their_own_are_paired_by_nothing_and_add_up():
    counted = [Term.counted(1, model, 0, Rate.of(500, 1000)) for model in "abc"]
    one = contrast(counted[:1]).error
    # The same images may be hard for all three; nothing is known of them that would make the sum steadier.
    assert contrast(counted).error == pytest.approx(3 * one)
    known = [Term(1, model, 0, flags(500, 1000), images="x") for model in "abc"]
    assert contrast(counted).error == pytest.approx(contrast(known).error)
    minus = Term.counted(-1, "d", 0, Rate.of(500, 1000))
    assert contrast([*counted, minus]).error == pytest.approx(math.hypot(3, 1) * one, rel=0.002)


def test_the_images_of_two_columns_count_by_the_weight_of_each():
    columns = [Term(1, "a", 0, [0.0, 0.0], images="x"), Term(3, "a", 0, [4.0, 4.0], images="y")]
    again = [Term(1, "a", 1, [2.0, 2.0], images="x"), Term(3, "a", 1, [4.0, 4.0], images="y")]
    assert seed_variance(columns + again)[0] == pytest.approx(2 * 0.25**2)


@pytest.mark.parametrize(("estimate", "within", "beyond"), [(0.0, True, False), (0.9, False, False), (3.0, False, True)])
def test_two_one_sided_tests_tell_within_from_beyond(estimate, within, beyond):
    found = Contrast(estimate, (ErrorPart(0.2, 1000.0),), 3)
    assert (found.p_within(1) < 0.05, found.p_beyond(1) < 0.05) == (within, beyond)


def test_p_values_are_those_of_the_interval_that_just_reaches_the_bound():
    found = Contrast(5.0, (ErrorPart(1.0, 1000.0), ErrorPart(2.0, 2.0)), 3)
    low, high = found.interval
    assert high - 5 == pytest.approx(math.hypot(t.ppf(0.975, 1000), 2 * t.ppf(0.975, 2)))
    assert (found.p_above(low), found.p_below(high)) == pytest.approx((0.025, 0.025))
    assert found.p_above(high) == pytest.approx(0.975) and found.p_above(5) == pytest.approx(0.5)
    # With one part alone they are Student's.
    assert Contrast(5.0, (ErrorPart(2.0, 2.0),), 3).p_above(0) == pytest.approx(t.sf(2.5, 2))
    assert Contrast(5.0, (ErrorPart(1e-9, 1e9),), 3).p_above(0) == 0
    unknown = Contrast(5.0, (UNKNOWN,), 1)
    assert (unknown.p_above(0), unknown.p_below(0), unknown.interval) == (0.5, 0.5, (-math.inf, math.inf))


@pytest.mark.parametrize(
    ("found", "adjusted"),
    [([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]), ([0.5, 0.9], [1.0, 1.0]), ([], []), ([0.02], [0.02])],
)
def test_holms_adjusted_p_values_are_those_of_r(found, adjusted):
    # p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm(found) == pytest.approx(adjusted)


@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_the_weights_of_a_trend_sum_to_nothing_and_suit_any_rise(count):
    weights = np.array(trend_weights(count))
    assert weights.sum() == pytest.approx(0) and weights[weights > 0].sum() == pytest.approx(1)
    # Abelson and Tukey: the smallest correlation with a single step, wherever it is, is the same for each step.
    steps = [np.arange(count) >= place for place in range(1, count)]
    assert np.ptp([np.corrcoef(weights, step)[0, 1] for step in steps]) < 1e-12
