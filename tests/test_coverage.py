"""How often intervals cover the truth, and how often claims are decided: by simulation at 1,000 images."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from defective.statistics import Term, contrast, seed_variance

IMAGES = 1000
# Measured between trainings of one model on CIFAR-10, as a share.
SEED_DEVIATION = 0.021


def trained(rng, rates, seeds, *, own_eligible=False, deviation=SEED_DEVIATION):
    """Terms of models that find the same images hard, each with a weight of 1; with eligible images of its own, hard ones are missing."""
    hard = rng.random(IMAGES)
    noise = 0.2 * rng.random((len(rates), seeds, 2, IMAGES)) - 0.1
    training = deviation * rng.standard_normal((len(rates), seeds))
    terms = []
    for model, rate in enumerate(rates):
        share = 0.8 - 0.05 * model if own_eligible else 1.0
        for seed in range(seeds):
            success = hard + noise[model, seed, 0] < share * (rate + training[model, seed])
            eligible = hard + noise[model, seed, 1] < share if own_eligible else None
            terms.append(Term(1, model, seed, success, eligible))
    return terms


def covered(intervals, truth):
    """The share of intervals that hold the truth."""
    return np.mean([low <= truth <= high for low, high in intervals])


def compared(terms):
    """The first model against the second, with the variance of all."""
    pair = [replace(term, weight=1 - 2 * term.model) for term in terms if term.model < 2]
    return contrast(pair, seed_variance(terms))


@pytest.mark.parametrize("own_eligible", [False, True])
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_intervals_cover_the_truth_95_times_in_100(seeds, own_eligible):
    rng = np.random.default_rng(1)
    rates = (0.5, 0.42) if seeds == 1 else (0.5, 0.42, 0.3, 0.6, 0.55, 0.35)
    settings = {"own_eligible": own_eligible, "deviation": 0 if seeds == 1 else SEED_DEVIATION}
    experiments = (trained(rng, rates, seeds, **settings) for _ in range(1500))
    found = [compared(terms).interval for terms in experiments]
    assert 0.94 <= covered(found, 0.08) <= 0.97


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("deviation", [0, SEED_DEVIATION])
def test_images_drawn_anew_for_each_seed_make_intervals_wider_than_needed(seeds, deviation):
    rng = np.random.default_rng(3)
    found = []
    for _ in range(300):
        # What is hard in them is hard for all models of a seed.
        drawn = [trained(rng, (0.5, 0.42, 0.3, 0.6, 0.55, 0.35), 1, deviation=deviation) for _ in range(seeds)]
        found.append(
            compared([replace(term, seed=seed, images=seed) for seed, terms in enumerate(drawn) for term in terms]).interval
        )
    assert covered(found, 0.08) >= 0.94


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_models_that_never_vary_do_not_narrow_the_intervals_of_others(seeds):
    rng = np.random.default_rng(5)
    experiments = (trained(rng, (0.5, 0.42, -0.2, -0.2, -0.2, 0.35), seeds, deviation=0.03) for _ in range(1500))
    found = [compared(terms).interval for terms in experiments]
    assert 0.94 <= covered(found, 0.08) <= 0.97


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_sources_that_are_trained_anew_with_each_seed_are_covered(seeds):
    # Each of four models is attacked from two sources: what a source is like is the same for all models. The sources are alike on average.
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2500):
        hard = rng.random(400)
        moved = 0.021 * rng.standard_normal((4, 1, seeds)) + 0.021 * rng.standard_normal((1, 2, seeds))
        hits = hard + 0.2 * rng.random((4, 2, seeds, 400)) - 0.1 < 0.5 + moved[..., None]
        terms = [
            Term(sign / 4, "every model", seed, hits[model, source, seed])
            for model in range(4)
            for source, sign in enumerate((1, -1))
            for seed in range(seeds)
        ]
        found.append(contrast(terms, seed_variance(terms)).interval)
    assert 0.94 <= covered(found, 0) <= 0.97


@pytest.mark.parametrize("seeds", [2, 3])
def test_groups_that_a_source_moves_alike_are_covered(seeds):
    # Three models of each group are attacked from two sources, to which one group is more vulnerable than the other with each seed.
    rng = np.random.default_rng(0)
    found = []
    for _ in range(600):
        of_groups = 0.021 * np.repeat(rng.standard_normal((2, 2, seeds)), 3, axis=0)
        moved = of_groups + 0.021 * (rng.standard_normal((6, 1, seeds)) + rng.standard_normal((1, 2, seeds)))
        hits = rng.random(400) + 0.2 * rng.random((6, 2, seeds, 400)) - 0.1 < 0.5 + moved[..., None]
        cells = list(np.ndindex(6, 2, seeds))
        models = [Term(1, model, seed, hits[model, source, seed]) for model, source, seed in cells]
        groups = [replace(term, weight=1 if term.model < 3 else -1, model=term.model < 3) for term in models]
        found.append(contrast(groups, seed_variance(models)).interval)
    assert covered(found, 0) >= 0.94


@pytest.mark.parametrize(("seeds", "least"), [(2, 0.88), (3, 0.92), (5, 0.94)])
def test_a_source_that_moves_one_group_alone_is_nearly_covered(seeds, least):
    # It moves 14 of 18 models by 4 points, four times as far as their own training, and not the four that they are compared with.
    rng = np.random.default_rng(0)
    found = []
    for _ in range(1000):
        source = 0.04 * (np.arange(18) < 14)[:, None] * rng.standard_normal(seeds)
        rates = 0.5 + source + 0.01 * rng.standard_normal((18, seeds))
        models = [Term(1, model, seed, [rates[model, seed]] * 2, images=seed) for model, seed in np.ndindex(18, seeds)]
        groups = [replace(term, weight=1 / 7 if term.model < 7 else -1 / 4, model=term.model < 7) for term in models]
        compared = [term for term, was in zip(groups, models, strict=True) if was.model < 7 or was.model >= 14]
        found.append(contrast(compared, seed_variance(models)).interval)
    assert least <= covered(found, 0) <= 0.98


@pytest.mark.parametrize(
    ("seeds", "together", "farther", "least"),
    [
        (2, 1, 1, 0.94),
        (3, 1, 1, 0.94),
        (5, 1, 1, 0.94),
        (2, 2, 1, 0.91),
        (3, 2, 1, 0.92),
        (2, 4, 1, 0.88),
        (2, 1, 2, 0.88),
        (2, 1, 4, 0.78),
        (3, 1, 2, 0.88),
    ],
)
def test_differences_from_checkpoints_that_models_share_are_covered(seeds, together, farther, least):
    # Ten models lie 20 points above the plain one between its checkpoints, of 30 and 50 % accuracy and rates of 70 and 30 %. Training moves
    # each by 2 points, two of them farther, the checkpoints together by as much or more, and so does the source, which treats plain models
    # like no others. Counted are the models that it moves most.
    rng = np.random.default_rng(0)
    accuracy, moves, found = np.linspace(0.3, 0.5, 10), np.array([1, 1, farther, 1, 1, 1, 1, farther, 1, 1]), []
    for _ in range(400):
        hard, clean = rng.random((2, IMAGES))
        low_test, high_test = clean < 0.3, clean < 0.5
        terms = []
        for seed in range(seeds):
            plain, source = together * SEED_DEVIATION * rng.standard_normal(2)
            low, high = (hard < rate + plain + SEED_DEVIATION / 3 * rng.standard_normal() for rate in (0.7, 0.3))
            for model, right in enumerate(accuracy):
                test = clean < right + SEED_DEVIATION / 3 * rng.standard_normal()
                share = (high_test.mean() - test.mean()) / (high_test.mean() - low_test.mean())
                robust = hard < 0.7 - 2 * (right - 0.3) + 0.2 + source + moves[model] * SEED_DEVIATION * rng.standard_normal()
                # The rate less the interpolated one, and the accuracies by which that is found, with the slope of -2.
                rates = [(1.0, robust), (-share, low), (share - 1, high)]
                accuracies = [(2.0, test), (-2 * share, low_test), (2 * share - 2, high_test)]
                terms += [Term(weight, model, seed, values, images="attacked") for weight, values in rates]
                terms += [Term(weight, model, seed, values, images="clean") for weight, values in accuracies]
        variance = seed_variance(terms)
        moved_most = np.flatnonzero(moves == farther)
        found += [contrast([term for term in terms if term.model == model], variance).interval for model in moved_most]
    assert least <= covered(found, 0.2) <= 0.97


@pytest.mark.parametrize("rates", [(0.01, 0.005), (0.995, 0.99), (0.004, 0.001)])
def test_rates_near_nothing_and_near_all_are_covered(rates):
    rng = np.random.default_rng(0)
    hits = rng.random((2000, 2, IMAGES)) < np.array(rates)[:, None]
    found = [contrast([Term(1, "a", 0, a), Term(-1, "b", 0, b)]).interval for a, b in hits]
    assert 0.94 <= covered(found, rates[0] - rates[1]) <= 0.985


def test_the_share_of_decided_claims_rises_with_the_seeds():
    rng = np.random.default_rng(0)
    rates = (0.5, 0.46, 0.3, 0.6, 0.55, 0.35)
    experiments = {seeds: [trained(rng, rates, seeds) for _ in range(300)] for seeds in (1, 2, 3, 5)}
    found = {seeds: [compared(terms) for terms in each] for seeds, each in experiments.items()}
    # Of one seed nothing is decided, by rule.
    assert {each.seeds for each in found[1]} == {1}
    power = [0.0, *(float(np.mean([each.significant for each in found[seeds]])) for seeds in (2, 3, 5))]
    assert power[1] > 0.25 and all(more > less + 0.1 for less, more in pairwise(power)) and power[-1] > 0.7
