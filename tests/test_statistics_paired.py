import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from defective import InputError
from defective.statistics import (
    Difference,
    Rate,
    correlation,
    difference,
    paired_difference,
)
from samples import correlated, everyone, of_table, one


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
