"""Differences of numbers that were measured on the same images."""

import pytest
import torch

from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.files import write_tensors
from defective.paper import EXHIBITS, Cell
from defective.results.measured import document
from defective.results.paired_comparison import PairedComparison
from defective.specs import AttackSpec, DecisionJob, GenerateJob, NoiseJob, ScoreJob
from defective.statistics import Estimate, Rate, correlation, difference
from runs import finish, net

FGSM = AttackSpec.parse("fgsm:eps=8/255")
# Eight images, and so ten times.
Y = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1]).repeat(10)
PREDICTED = torch.tensor([1, 0, 1, 0, 1, 0, 0, 0]).repeat(10)
# What each of two nets makes of them, whole and attacked.
CLEAN = torch.tensor([[0, 1, 0, 1, 0, 1, 0, 0], [0, 1, 0, 1, 1, 1, 0, 1]]).repeat(1, 10)
ATTACKED = torch.tensor([[0, 1, 1, 0, 0, 0, 0, 1], [0, 1, 1, 1, 0, 0, 0, 1]]).repeat(1, 10)
INDEX = torch.randperm(200, generator=torch.Generator().manual_seed(0))[:80]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def counts(success, counted):
    rate = Rate.among(success, counted)
    return {"num_correct": rate.num_correct, "num_evaluated": rate.num_evaluated}


def crafted(store, seed=1, index=INDEX, y=Y, predicted=PREDICTED, data="few"):
    job = GenerateJob(sources=(net(seed=seed, data=data),), attack=FGSM, samples=len(index))
    finish(store, job)
    tensors = {"x_adv": torch.zeros(len(index), 3, 2, 2), "y": y, "predicted": predicted, "index": index}
    write_tensors(store.at(job) / "images.safetensors", tensors, {})
    return job


def scored(store, job, which, seed, order=slice(None)):
    """The score of one of the two nets, on all images or on some of them."""
    score = ScoreJob(target=net("resnet18/0.5-bottom", seed, data=job.sources[0].data), adversarial=job)
    clean, attacked, y = (each[order] for each in (CLEAN[which], ATTACKED[which], Y))
    finish(store, score, {"paper": counts(attacked == y, (clean == y) & (PREDICTED[order] != y))})
    write_tensors(store.at(score) / "outcome.safetensors", {"clean": clean, "attacked": attacked, "index": INDEX[order]}, {})
    return score


def outcomes(which, denominator):
    right, fooled = CLEAN[which] == Y, PREDICTED != Y
    counted = {"paper": right & fooled, "target-correct": right, "all": torch.ones(80, dtype=torch.bool)}
    return ATTACKED[which] == Y, counted[denominator]


@pytest.mark.parametrize("denominator", ["paper", "target-correct", "all"])
def test_the_correlation_is_that_of_what_became_of_each_image(store, denominator):
    job = crafted(store)
    left, right = (Cell(scored(store, job, which, which), denominator) for which in (0, 1))
    expected = correlation(outcomes(0, denominator), outcomes(1, denominator))
    assert PairedComparison(store).correlation(left, right) == pytest.approx(expected, abs=1e-12) and expected > 0.3


def test_images_of_two_samples_are_paired_by_where_they_lie_in_the_test_set(store):
    order = torch.randperm(80, generator=torch.Generator().manual_seed(1))[:50]
    here = scored(store, crafted(store), 0, 0)
    there = scored(store, crafted(store, 2, INDEX[order], Y[order], PREDICTED[order]), 1, 1, order)
    success, counted = outcomes(1, "paper")
    drawn = torch.zeros(80, dtype=torch.bool).index_fill(0, order, True)
    expected = correlation(outcomes(0, "paper"), (success, counted & drawn))
    assert PairedComparison(store).correlation(Cell(here, "paper"), Cell(there, "paper")) == pytest.approx(expected, abs=1e-12)
    assert expected > 0.2


def test_test_sets_of_two_data_sets_are_not_paired(store):
    here, there = (Cell(scored(store, crafted(store, data=data), 0, 0), "paper") for data in ("few", "more"))
    assert PairedComparison(store).correlation(here, here) > 0.5
    assert PairedComparison(store).correlation(here, there) == 0


@pytest.mark.parametrize("lost", ["missing", "corrupt"])
def test_what_became_of_each_image_may_be_lost(store, lost):
    score = scored(store, crafted(store), 0, 0)
    file = store.at(score) / "outcome.safetensors"
    file.unlink() if lost == "missing" else file.write_bytes(file.read_bytes()[:40])
    assert PairedComparison(store).correlation(Cell(score, "paper"), Cell(score, "paper")) == 0


@pytest.mark.parametrize("again", ["other images", "fewer images"])
def test_images_that_were_made_again_are_not_paired_with_what_became_of_the_others(store, again):
    score = scored(store, crafted(store), 0, 0)
    index = INDEX.flip(0) if again == "other images" else INDEX[:-1]
    tensors = {"y": Y[: len(index)], "predicted": PREDICTED[: len(index)], "index": index}
    write_tensors(store.at(score.adversarial) / "images.safetensors", tensors, {})
    assert PairedComparison(store).correlation(Cell(score, "paper"), Cell(score, "paper")) == 0


def test_curves_are_paired_too_if_their_per_image_results_are_there(store):
    job = NoiseJob(targets=(net(), net(seed=1)), sigmas=(8,), samples=80)
    left, right = (Cell(job, f"{number}/8") for number in (0, 1))
    finish(store, job)
    assert PairedComparison(store).correlation(left, right) == 0
    tensors = {f"{number}/8": ATTACKED[number] == Y for number in (0, 1)}
    write_tensors(store.at(job) / "outcome.safetensors", tensors | {"index": INDEX}, {})
    everyone = torch.ones(80, dtype=torch.bool)
    expected = correlation(*((each, everyone) for each in tensors.values()))
    assert PairedComparison(store).correlation(left, right) == pytest.approx(expected, abs=1e-12) and expected > 0.3


def test_scores_of_decisions_are_taken_as_independent(store):
    job = DecisionJob(target=net(), attack=AttackSpec.parse("boundary:steps=5"), samples=5)
    finish(store, job)
    assert PairedComparison(store).correlation(Cell(job, "score"), Cell(job, "score")) == 0


@pytest.fixture
def table8():
    return Plan(("table8",), "tiny", {"cifar10": "few"}, {"cifar10": (3, 16, 16)})


def test_a_claim_is_judged_by_paired_differences(store, table8):
    generator = torch.Generator().manual_seed(0)
    hard = torch.rand(400, generator=generator)
    y, index = torch.zeros(400, dtype=torch.long), torch.arange(400)
    for job in table8.jobs:
        # Every image that withstands on the plain net does so on the defective one, and a few more.
        hits = (hard < (0.5 if str(getattr(job, "target", job).net) == "resnet18" else 0.53)) if job.kind == "score" else None
        finish(store, job, None if hits is None else {each: counts(hits, y == 0) for each in ("paper", "target-correct", "all")})
        if job.kind == "generate":
            write_tensors(store.at(job) / "images.safetensors", {"y": y, "predicted": y + 1, "index": index}, {})
        if job.kind == "score":
            write_tensors(store.at(job) / "outcome.safetensors", {"clean": y, "attacked": (~hits).long(), "index": index}, {})
    [claim] = document(EXHIBITS["table8"], table8, store).claims
    rates = [Rate.among(hard < share, y == 0) for share in (0.53, 0.5)]
    correlations = {0: correlation(*((hard < share, y == 0) for share in (0.53, 0.5)))}
    expected = difference(*(Estimate((rate,), (rate.interval,)) for rate in rates), correlations)
    apart = claim.comparisons[0].difference
    assert (apart.mean, apart.low, apart.high) == pytest.approx([100 * each for each in expected])
    assert claim.verdict == "holds"
    # Independent rates would leave it open.
    left, right = (Estimate((rate,), (rate.interval,)) for rate in rates)
    assert difference(left, right).low < 0
