"""The control of equal accuracy: a defective model against a plain one between its checkpoints."""

import re

import numpy as np
import pytest
import torch

from defective.data import load_data
from defective.evaluation import EvaluatedModel, score
from defective.experiments.adversarial_files import read_adversarial
from defective.experiments.run import run
from defective.paper import Cell
from defective.paper.controls import controls
from defective.results.control import exhibit_controls
from defective.specs import AttackSpec, GenerateJob, ScoreJob
from defective.statistics import Rate, Term, contrast, seed_variance
from runs import finish, net, plan_of

EPOCHS = 6


def cell(seed, name="resnet18/0.5-bottom", value="paper", **recipe):
    target = net(name, 2 * seed, **{"epochs": EPOCHS} | recipe)
    made = GenerateJob(sources=(net("vgg19", 2 * seed + 1),), attack=AttackSpec.parse("fgsm:eps=8/255"), samples=9, seed=seed)
    return Cell(ScoreJob(target=target, adversarial=made), value)


def rate(correct, of=10_000):
    return {"num_correct": correct, "num_evaluated": of}


def fill(store, defective, plain, accuracy=5000, seeds=3, name="resnet18/0.5-bottom"):
    """A defective model of some accuracy and rate, and checkpoints whose accuracies and rates are given, out of 10,000."""
    for seed in range(seeds):
        own = cell(seed, name)
        finish(store, own.job.target, {"test_accuracy": rate(accuracy)})
        finish(store, own.job, {"paper": rate(defective[seed % len(defective)])})
        for job, (accurate, robust) in zip(controls(own, seed), plain, strict=False):
            finish(store, job.target, {"test_accuracy": rate(accurate)})
            finish(store, job, {"paper": rate(robust)})
    return found(store, seeds)


def found(store, seeds=3):
    return control([cell(seed) for seed in range(seeds)], store)


def control(cells, store):
    return exhibit_controls({("row", "column"): cells}, store).get(("row", "column"))


def test_the_plain_rate_is_interpolated_between_the_nearest_checkpoints(store):
    made = fill(store, [8000], [(2000, 9000), (4000, 6000), (8000, 2000), (9000, 100)])
    assert made.rate == pytest.approx(60 - 40 / 4) and made.difference.mean == pytest.approx(80 - made.rate)
    assert made.accuracy == 50 and len(made.checkpoints) == 3
    assert [(each.epochs, each.accuracy, each.rate, each.share) for each in made.checkpoints[0]] == [
        (2, 40, 60, pytest.approx(0.75)),
        (3, 80, 20, pytest.approx(0.25)),
    ]


def test_the_uncertainty_of_the_matched_accuracies_counts_by_the_slope_between_the_checkpoints(store):
    made = fill(store, [8000], [(2000, 9000), (4000, 6000), (8000, 2000)], seeds=1)
    # From 40 to 80 % accuracy the rate falls from 60 to 20 %: a point of accuracy is a point of the rate.
    shares = {100: (8000, 5000), -75: (6000, 4000), -25: (2000, 8000)}
    terms = [Term.counted(weight, "", 0, Rate.of(each, 10_000)) for weight, both in shares.items() for each in both]
    assert (made.difference.low, made.difference.high) == pytest.approx(contrast(terms).interval)


def test_training_moves_the_difference_between_a_model_and_its_control(store):
    made = fill(store, [8000, 8200], [(2000, 9000), (4000, 6000), (8000, 2000)], seeds=2)
    # 30 and 32 points: their mean has one degree of freedom and a standard error of 1; images add little.
    half = 12.706
    assert half < (made.difference.high - made.difference.low) / 2 < 1.1 * half


def test_training_is_pooled_over_the_models_that_share_the_checkpoints(store):
    checkpoints = [(2000, 9000), (4000, 6000), (8000, 2000)]
    rates = {"resnet18/0.5-bottom": [8000, 8000], "resnet18/0.3-bottom": [7000, 8000], "vgg19/0.5-bottom": [8000, 8000]}
    for name, defective in rates.items():
        fill(store, defective, checkpoints, seeds=2, name=name)
    cells = {(name, "column"): [cell(seed, name) for seed in range(2)] for name in rates}
    made = {row: control.difference for (row, _), control in exhibit_controls(cells, store).items()}
    alone = exhibit_controls({("a", "column"): cells["resnet18/0.5-bottom", "column"]}, store)["a", "column"].difference
    assert made["vgg19/0.5-bottom"] == alone and alone.high - alone.low < 20

    # The checkpoints stay the same, and weigh as much beside both models: what is pooled is 0 and 10 points.
    shares = {100: (8000, 5000), -75: (6000, 4000), -25: (2000, 8000)}
    terms = {
        name: [
            Term.counted(weight, name, seed, Rate.of(each, 10_000))
            for seed, own in enumerate(rates[name])
            for weight, (rate, accuracy) in shares.items()
            for each in (own if weight > 0 else rate, accuracy)
        ]
        for name in list(rates)[:2]
    }
    for name, own in terms.items():
        wanted = contrast(own, seed_variance([term for of_model in terms.values() for term in of_model]))
        assert (made[name].low, made[name].high) == pytest.approx(wanted.interval)
    # A row twice is one model.
    again = exhibit_controls(cells | {("again", "column"): cells["resnet18/0.3-bottom", "column"]}, store)
    assert again["again", "column"].difference == made["resnet18/0.3-bottom"]


CASES = {
    "better": ([8000, 8050, 7950], [(4000, 6000), (6000, 5000)], 5000, 3, ("yes", "")),
    "worse": ([3000, 3050, 2950], [(4000, 6000), (6000, 5000)], 5000, 3, ("no", "")),
    "alike": ([5400, 5600, 5500], [(4000, 6000), (6000, 5000)], 5000, 3, ("undecided", "the interval holds 0")),
    "seeds that differ": ([9900, 5000, 7000], [(4000, 6000), (6000, 5000)], 5000, 3, ("undecided", "the interval holds 0")),
    "one seed": ([8000], [(4000, 6000), (6000, 5000)], 5000, 1, ("undecided", "one seed decides nothing")),
    "exactly as accurate": ([8000, 8050], [(4000, 9000), (5000, 6000), (6000, 100)], 5000, 2, ("yes", "")),
    "less accurate than any": ([8000, 8050], [(6000, 5000)], 5000, 2, ("undecided", "no checkpoint .* as inaccurate")),
    "less accurate, and worse": ([3000, 3050], [(6000, 5000)], 5000, 2, ("no", "")),
    "more accurate than any": ([8000, 8050], [(4000, 6000)], 5000, 2, ("yes", "")),
    "more accurate, and worse": ([3000, 3050], [(4000, 6000)], 5000, 2, ("undecided", "no checkpoint .* as accurate")),
}


@pytest.mark.parametrize("case", CASES)
def test_verdicts(store, case):
    defective, plain, accuracy, seeds, (verdict, reason) = CASES[case]
    made = fill(store, defective, plain, accuracy, seeds)
    assert made.verdict == verdict and re.fullmatch(reason, made.reason)


def test_what_is_not_measured_has_no_control(store):
    assert found(store) is None
    own = cell(0)
    finish(store, own.job.target)
    finish(store, own.job)
    assert found(store) is None


UNCONTROLLED = {
    "plain": cell(0, "resnet18"),
    "another number": cell(0, value="target-correct"),
    "trained on attacked images": cell(0, adversarial=AttackSpec.parse("fgsm")),
    "a model's accuracy": Cell(net("resnet18/0.5-bottom"), "test_accuracy"),
}


@pytest.mark.parametrize("kind", UNCONTROLLED)
def test_only_rates_of_defective_models_are_controlled(kind):
    assert controls(UNCONTROLLED[kind], 0) == ()


def test_controls_are_checkpoints_of_the_plain_model_that_a_table_has_anyway():
    plan = plan_of("table3")
    scored = [job for job in plan.jobs if isinstance(job, ScoreJob)]
    own = [job for job in scored if not job.target.recipe.stop_after]
    assert len(own) == 75
    checkpoints = {job.target for job in scored} - {job.target for job in own}
    assert {job.whole for job in checkpoints} == {job.target for job in own if not job.target.net.defects}
    assert {str(job.net) for job in checkpoints} == {"resnet18", "resnet50", "densenet121", "senet18", "vgg19"}


def test_numbers_are_paired_image_by_image(place, images):
    own = cell(0, value="all", epochs=3)
    jobs = controls(own, 0)
    assert run([own.job, *jobs], place).count("failed") == 0
    made = control([own], place.store)
    test = load_data(f"folder:{images}", "test")
    adversarial = read_adversarial(place.store.at(own.job.adversarial) / "images.safetensors", test)

    def term(job, weight, model):
        scored = score(EvaluatedModel.of("m", place.model(job.target), test), adversarial)
        both = [torch.zeros(len(test), dtype=torch.bool) for _ in range(2)]
        for tensor, values in zip(both, (scored.adv_correct, scored.eligible("all")), strict=True):
            tensor[adversarial.index] = values
        return Term(weight, model, 0, *(np.asarray(each) for each in both), images="test")

    by_name = {place.store.at(job).name: job for job in jobs}
    terms = [term(by_name[each.jobs[1]], -100 * each.share, "plain") for each in made.checkpoints[0]]
    wanted = contrast([term(own.job, 100, "defective"), *terms])
    assert made.difference.mean == pytest.approx(wanted.estimate)
    assert (made.difference.low, made.difference.high) == pytest.approx(wanted.interval)
