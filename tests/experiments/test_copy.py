"""What was measured is copied to another store, without models and images."""

import shutil

import pytest
import torch

from defective.errors import InputError
from defective.experiments.copy import copy_measured
from defective.experiments.run import run
from defective.experiments.store import Store
from defective.files import read_tensors
from defective.paper import EXHIBITS, Cell
from defective.results.exhibit_result import document
from defective.results.per_image import per_image
from defective.specs import AttackSpec, DecisionJob, GenerateJob, NoiseJob, ScoreJob
from runs import bench, filled_store, finish, held, listing, net, plan_of

SET = GenerateJob(sources=(net(seed=1),), attack=AttackSpec.parse("fgsm:eps=8/255"), samples=8)
SCORE = ScoreJob(target=net("resnet18/0.5-bottom"), adversarial=SET)
VALUES = [
    Cell(net(), "test_accuracy"),
    Cell(SET, "fooled"),
    Cell(SCORE, "paper"),
    Cell(NoiseJob(targets=(net(), net(seed=1)), sigmas=(8,), samples=8), "1/8"),
    Cell(DecisionJob(target=net(), attack=AttackSpec.parse("boundary:steps=5"), samples=8), "score"),
]


@pytest.fixture(scope="module")
def done(tmp_path_factory, images):
    runner = bench(tmp_path_factory.mktemp("done"), images)
    runner.check_data("few")
    assert run([cell.job for cell in VALUES], runner).count("finished") == 7
    return runner.store


def test_what_became_of_each_image_is_there_and_no_model_nor_image(done, tmp_path):
    copy = Store(tmp_path / "copy")
    assert copy_measured(done, copy) == (7, [])
    for cell in VALUES:
        there, here = per_image(cell, done), per_image(cell, copy)
        assert here.images == there.images and (here.values == there.values).all() and (here.eligible == there.eligible).all()
        assert copy.result(cell.job) == done.result(cell.job)
    assert {file.rpartition("/")[2] for file in held(copy.folder)} == {
        "spec.json",
        "result.json",
        "outcome.safetensors",
        "images.safetensors",
    }
    assert set(read_tensors(copy.at(SET) / "images.safetensors")[0]) == {"y", "predicted", "index"}
    assert copy.unfinished() == []


def test_documents_are_the_same(tmp_path):
    plan = plan_of("table4", "table7", "figure5", seeds=2)
    store, copy = filled_store(tmp_path / "store", plan, every=5), Store(tmp_path / "copy")
    assert copy_measured(store, copy) == (len(list(store.finished())), [])
    assert copy.plans() == store.plans() == ([plan], [])
    for exhibit in plan.exhibits:
        assert document(EXHIBITS[exhibit], plan, copy) == document(EXHIBITS[exhibit], plan, store)


def test_a_new_number_of_a_new_model_needs_no_other_one(done, tmp_path, images):
    runner = bench(tmp_path, images)
    copy_measured(done, runner.store)
    before = listing(tmp_path / "jobs")
    new = [ScoreJob(target=net(seed=4), adversarial=GenerateJob(sources=(net(seed=5),), attack=SET.attack, samples=8)), SCORE]
    assert run(new, runner).executed == 4
    assert before.items() <= listing(tmp_path / "jobs").items()


def test_what_a_new_number_needs_is_done_again(done, tmp_path, images):
    runner = bench(tmp_path, images)
    copy_measured(done, runner.store)
    lines = []
    summary = run([ScoreJob(target=net("resnet18/0.3-bottom"), adversarial=SET)], runner, lines.append)
    # The target is trained; the set is generated again, and for it the source is trained again.
    assert summary.redone == {SET, net(seed=1)} and summary.count("finished") == 4
    assert torch.equal(*(read_tensors(at.at(SET) / "images.safetensors")[0]["x_adv"] for at in (done, runner.store)))
    assert sum("is done again" in line for line in lines) == 2


def test_stores_are_brought_together(tmp_path):
    plan = plan_of("table7")
    *first, last = plan.jobs
    store, other = filled_store(tmp_path / "store", plan), Store(tmp_path / "other")
    for job in first:
        finish(other, job, seconds=9.0)
    kept = listing(other.folder / "jobs")
    assert copy_measured(store, other) == (1, [])
    assert kept.items() <= listing(other.folder / "jobs").items() and other.result(last) == store.result(last)
    assert copy_measured(store, other) == (0, [])


def test_other_images_of_the_same_name_are_refused(tmp_path):
    store, other = filled_store(tmp_path / "store", plan_of("table7")), Store(tmp_path / "other")
    store.check_data("a new one", "one")
    store.check_data("few", "one")
    other.check_data("few", "another")
    before = listing(other.folder)
    with pytest.raises(InputError, match="few: its images differ"):
        copy_measured(store, other)
    assert listing(other.folder) == before


def test_a_corrupt_job_is_left_out(done, tmp_path):
    store = Store(shutil.copytree(done.folder, tmp_path / "store"))
    (store.at(SCORE) / "outcome.safetensors").write_bytes(b"corrupt")
    copy = Store(tmp_path / "copy")
    unread = next(name for name in store.finished() if name.startswith("noise-"))
    (store.at(unread) / "spec.json").write_text("{}")
    (store.folder / "running").mkdir(exist_ok=True)
    (store.folder / "running" / ".DS_Store").touch()
    copied, lines = copy_measured(store, copy)
    assert copied == 5 and "outcome.safetensors" in "".join(lines) and sum(line.startswith(f"{unread}: ") for line in lines) == 1
    assert len(lines) == 2 and store.unfinished() == []
    assert copy.result(SCORE) is None and copy.unfinished() == []
