"""Per-image results of a stored number."""

import numpy as np
import pytest
import torch

from defective.evaluation.transfer import eligible_images
from defective.experiments.store import Store
from defective.files import write_tensors
from defective.paper import Cell
from defective.results.per_image import per_image
from defective.specs import AttackSpec, DecisionJob, GenerateJob, NoiseJob, ScoreJob
from runs import finish, net

# Eight of the hundred test images, in the order in which they were drawn.
INDEX = torch.tensor([40, 3, 99, 7, 0, 12, 56, 21])
Y = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1])
PREDICTED = torch.tensor([1, 0, 1, 0, 1, 0, 0, 0])
CLEAN, ATTACKED = torch.tensor([0, 1, 0, 1, 0, 1, 0, 0]), torch.tensor([0, 1, 1, 0, 0, 0, 0, 1])
SET = GenerateJob(sources=(net(seed=1),), attack=AttackSpec.parse("fgsm:eps=8/255"), samples=8)
SCORE = ScoreJob(target=net("resnet18/0.5-bottom"), adversarial=SET)
NOISE = NoiseJob(targets=(net(), net("resnet18/0.5-bottom")), sigmas=(8,), samples=8)
DECISION = DecisionJob(target=net(), attack=AttackSpec.parse("boundary:steps=5"), samples=8)


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    for job in (net(), net(seed=1), net("resnet18/0.5-bottom"), SET, SCORE, NOISE, DECISION):
        finish(made, job, {"test_accuracy": {"num_correct": 50, "num_evaluated": 100}})
    write_tensors(made.at(SET) / "images.safetensors", {"x_adv": Y.float(), "y": Y, "predicted": PREDICTED, "index": INDEX}, {})
    write_tensors(made.at(SCORE) / "outcome.safetensors", {"clean": CLEAN, "attacked": ATTACKED, "index": INDEX}, {})
    return made


def drawn(found):
    assert found.images == "few" and found.values.shape == found.eligible.shape == (100,)
    assert not np.delete(found.eligible, INDEX).any()
    return found.values[INDEX].tolist(), found.eligible[INDEX].tolist()


@pytest.mark.parametrize("denominator", ["paper", "target-correct", "all"])
def test_a_score_is_a_success_among_the_eligible(store, denominator):
    expected = eligible_images(denominator, CLEAN == Y, PREDICTED != Y)
    assert drawn(per_image(Cell(SCORE, denominator), store)) == ((ATTACKED == Y).tolist(), expected.tolist())


def test_an_accuracy_is_of_the_whole_test_set(store):
    correct = torch.arange(100) % 3 == 0
    write_tensors(store.at(net()) / "outcome.safetensors", {"correct": correct}, {})
    found = per_image(Cell(net(), "test_accuracy"), store)
    assert found.values.tolist() == correct.tolist() and found.eligible.all()


def test_an_attack_fools_its_source_or_not(store):
    assert drawn(per_image(Cell(SET, "fooled"), store)) == ((PREDICTED != Y).tolist(), [True] * 8)


def test_noise_is_of_one_model_and_strength(store):
    tensors = {"0/8": Y == 0, "1/8": Y == 1, "index": INDEX}
    write_tensors(store.at(NOISE) / "outcome.safetensors", tensors, {})
    assert drawn(per_image(Cell(NOISE, "1/8"), store)) == ((Y == 1).tolist(), [True] * 8)


def test_a_score_of_the_boundary_attack_is_a_logarithm_where_there_was_a_start(store):
    started = torch.tensor([True] * 6 + [False, True])
    squared = torch.tensor([1.0, 2, 4, 8, 16, 32, 64, 0])
    write_tensors(store.at(DECISION) / "outcome.safetensors", {"index": INDEX, "squared": squared, "started": started}, {})
    values, eligible = drawn(per_image(Cell(DECISION, "score"), store))
    assert values[:6] == pytest.approx(np.log(squared[:6].numpy())) and eligible == [True] * 6 + [False] * 2


def test_without_per_image_results_there_are_none(store):
    assert [per_image(Cell(job, value), store) for job, value in ((net(), "test_accuracy"), (NOISE, "0/8"))] == [None, None]
    (store.at(SCORE) / "outcome.safetensors").write_bytes(b"corrupt")
    assert per_image(Cell(SCORE, "paper"), store) is None


def test_outcomes_of_other_images_than_the_set_now_has_are_none(store):
    write_tensors(store.at(SCORE) / "outcome.safetensors", {"clean": CLEAN, "attacked": ATTACKED, "index": INDEX.flip(0)}, {})
    assert per_image(Cell(SCORE, "paper"), store) is None
