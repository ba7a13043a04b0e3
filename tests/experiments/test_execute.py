"""Each kind of job measures what a direct call measures."""

from importlib import import_module

import pytest
import torch

from defective import load
from defective.data import load_data
from defective.data.sets import pick
from defective.errors import InputError
from defective.evaluation import EvaluatedModel, corruptions, generate, score
from defective.evaluation.corruptions import corruption_curve
from defective.evaluation.decision import decide
from defective.evaluation.evaluated_model import common_sample
from defective.experiments import execute as module
from defective.experiments.adversarial_files import read_adversarial
from defective.experiments.execute import ExperimentRunner
from defective.experiments.plan import topological_order
from defective.experiments.run import run
from defective.experiments.store import Store
from defective.files import read_tensors
from defective.models import Ensemble
from defective.specs import AttackSpec, DecisionJob, GenerateJob, NoiseJob, ScoreJob, ShuffleJob
from defective.statistics import Rate
from defective.training.train import train
from runs import QUICK, bench, execute, few, net
from turns import in_turns, ticking

FGSM, PGD = AttackSpec.parse("fgsm:eps=8/255"), AttackSpec.parse("pgd:eps=8/255,step_size=4/255,steps=2,random_start=1")
TARGET, SOURCE = net("resnet18", 3, epochs=4), net("resnet18/0.5-bottom", 1, epochs=4)
CRAFT = GenerateJob(sources=(SOURCE,), attack=FGSM, samples=10, seed=3)
FUSED = GenerateJob(sources=(SOURCE, TARGET), attack=PGD, samples=7)
GALLERY = [GenerateJob(sources=(each,), attack=FGSM, samples=5, among=(TARGET, SOURCE)) for each in (TARGET, SOURCE)]
SCORES = [ScoreJob(target=TARGET, adversarial=generated) for generated in (CRAFT, FUSED)]
WALK = DecisionJob(target=TARGET, attack=AttackSpec.parse("boundary:steps=5"), samples=7, seed=1)
NOISE = NoiseJob(targets=(TARGET, SOURCE), sigmas=(8, 100), samples=6, seed=2)
SHUFFLE = ShuffleJob(targets=(SOURCE, TARGET), grids=(2, 4), confidence=0.6, samples=6, seed=2)
JOBS = topological_order([*SCORES, *GALLERY, WALK, NOISE, SHUFFLE])


@pytest.fixture(scope="module")
def done(images, tmp_path_factory):
    """All jobs, done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEFECTIVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        # Few nets take noise for both of two classes: do not search long for a start that is not there.
        patch.setattr(import_module("defective.attacks.decision_based"), "START_DRAWS", 3)
        made = bench(tmp_path_factory.mktemp("jobs") / "store", images)
        assert run(JOBS, made).executed == len(JOBS), made.store.failures()
        yield made


@pytest.fixture
def data(images, cache):
    return load_data(f"folder:{images}", "test")


@pytest.fixture
def subjects(done, data):
    return {job: EvaluatedModel.of("a net", load(done.store.at(job) / "net"), data) for job in (TARGET, SOURCE)}


def values(done, job):
    return done.store.result(job)["values"]


def counts(rate):
    return {"num_correct": rate.num_correct, "num_evaluated": rate.num_evaluated}


def test_training(done, data, images, tmp_path):
    training = load_data(f"folder:{images}", "train")
    made = train("resnet18/0.5-bottom", training, data, QUICK.changed(epochs=4), tmp_path / "net", seed=1, device="cpu")
    accuracies = {"test_accuracy": made["test_accuracy"], "half_way": made["history"][1]["test_accuracy"]}
    assert values(done, SOURCE) == {
        name: {"num_correct": round(24 * accuracy), "num_evaluated": 24} for name, accuracy in accuracies.items()
    }
    stored, _ = read_tensors(done.store.at(SOURCE) / "outcome.safetensors")
    assert int(stored["correct"].sum()) == values(done, SOURCE)["test_accuracy"]["num_correct"]
    stored = done.store.at(SOURCE) / "net" / "model.safetensors"
    assert stored.read_bytes() == (tmp_path / "net" / "model.safetensors").read_bytes()
    result = done.store.result(SOURCE)
    assert [row["train_loss"] for row in result["history"]] == [row["train_loss"] for row in made["history"]]
    assert (result["parameters"], result["train_images"], result["kind_of_device"]) == (made["parameters"], 64, "cpu")


def test_masks_have_their_own_seed(place, done):
    job = SOURCE.model_copy(update={"mask_seed": 7, "recipe": QUICK.changed(epochs=1)})
    assert run([job], place).executed == 1
    masks = [
        {name: each for name, each in load(folder / "net").state_dict().items() if name.endswith("defect_mask")}
        for folder in (place.store.at(job), done.store.at(SOURCE))
    ]
    assert masks[0].keys() == masks[1].keys() != set()
    assert not all(torch.equal(masks[0][name], masks[1][name]) for name in masks[0])


def test_crafting(done, data, subjects):
    """On one source, and on two fused to one."""
    fused = EvaluatedModel.of("both", Ensemble([subjects[SOURCE].model, subjects[TARGET].model]), data)
    for job, source in ((CRAFT, subjects[SOURCE]), (FUSED, fused)):
        made = generate(source, job.attack, samples=job.samples, seed=job.seed)
        stored = read_adversarial(done.store.at(job) / "images.safetensors", data)
        for name in ("x_adv", "y", "predicted", "index"):
            assert torch.equal(getattr(made, name), getattr(stored, name)), name
        assert values(done, job) == {"fooled": {"num_correct": int(made.fooled.sum()), "num_evaluated": job.samples}}
        assert done.store.result(job)["changes"] == made.changes()
        assert made.changes()["linf_max"] == pytest.approx(8 / 255)
        assert made.fooled.any() or job == FUSED


def test_an_attack_on_all_images_asks_nobody_first(done, data, subjects, tmp_path):
    execute(done, CRAFT.model_copy(update={"images": "all", "samples": 99}), tmp_path)
    stored = read_adversarial(tmp_path / "images.safetensors", data)
    assert sorted(stored.index.tolist()) == list(range(len(data)))
    made = generate(subjects[SOURCE], FGSM, index=pick(len(data), 99, seed=3), seed=3)
    assert torch.equal(made.x_adv, stored.x_adv)


@pytest.mark.parametrize(("job", "threat"), [(SCORES[0], "black-box"), (SCORES[1], "white-box (shared weights)")])
def test_scoring(done, data, subjects, job, threat):
    generated = read_adversarial(done.store.at(job.adversarial) / "images.safetensors", data)
    outcome = score(subjects[TARGET], generated)
    same = Rate.among(outcome.adv_predicted == generated.predicted, generated.predicted != generated.y)
    rates = {each: outcome.rate(each) for each in ("paper", "target-correct", "all")} | {"same-class": same}
    assert values(done, job) == {name: counts(rate) for name, rate in rates.items()}
    stored, _ = read_tensors(done.store.at(job) / "outcome.safetensors")
    assert torch.equal(stored["clean"] == generated.y, outcome.clean_correct)
    assert torch.equal(stored["attacked"] == generated.y, outcome.adv_correct)
    assert torch.equal(stored["index"], generated.index)
    assert outcome.rate("target-correct").num_evaluated > 0
    assert done.store.result(job)["threat_model"] == threat


def test_decisions(done, subjects, tmp_path):
    found = decide(subjects[TARGET], WALK.attack, samples=7, seed=1)
    about = found.result().as_json()
    assert values(done, WALK) == {"score": {key: about[key] for key in ("score", "low", "high", "images")}}
    assert done.store.result(WALK)["median_queries"] == about["median_queries"] > 0
    index = common_sample([subjects[TARGET], subjects[SOURCE]], 7, seed=1)
    common = decide(subjects[TARGET], WALK.attack, samples=7, seed=1, index=index)
    execute(done, WALK.model_copy(update={"among": (SOURCE,)}), tmp_path)
    for folder, expected in ((done.store.at(WALK), found), (tmp_path, common)):
        stored, _ = read_tensors(folder / "outcome.safetensors")
        assert torch.equal(stored["squared"], expected.squared) and torch.equal(stored["index"], expected.index)
    assert torch.equal(common.index, index)


@pytest.mark.parametrize("job", [NOISE, SHUFFLE], ids=["noise", "shuffle"])
def test_corrupted_images_are_those_that_all_nets_get_right(done, data, subjects, job):
    confidence = job.confidence if job == SHUFFLE else 0.0
    index = common_sample(list(subjects.values()), 6, confidence=confidence, seed=2)
    assert all(subject.predictions(index)[1].min() >= confidence for subject in subjects.values())
    x, y = data.take(index)
    expected = {}
    for number, target in enumerate(job.targets):
        for strength, rate in corruption_curve(subjects[target].model, x, y, job.kind, strengths=job.strengths, seed=2).items():
            expected[f"{number}/{strength}"] = counts(rate)
    stored, _ = read_tensors(done.store.at(job) / "outcome.safetensors")
    assert torch.equal(stored.pop("index"), index)
    assert {name: int(right.sum()) for name, right in stored.items()} == {
        name: each["num_correct"] for name, each in expected.items()
    }
    assert values(done, job) == expected and done.store.result(job)["images"] == len(index) == 6


@pytest.mark.parametrize("job", [NOISE, SHUFFLE], ids=["noise", "shuffle"])
def test_a_curve_stops_between_two_strengths_and_goes_on_there(done, monkeypatch, tmp_path, job):
    original = corruptions._corrupt
    monkeypatch.setattr(corruptions, "_corrupt", lambda *given: asked.append(given) or original(*given))
    again, asked = job.model_copy(update={"seed": 5}), []
    whole = ExperimentRunner(Store(tmp_path / "whole"), done.data, "cpu")
    whole.model = done.model
    expected = execute(whole, again, tmp_path / "undisturbed")["values"]
    assert len(asked) == 4
    asked.clear()
    ticking(monkeypatch)
    made, stops = in_turns(lambda: execute(type(done)(done.store, done.data, "cpu"), again, tmp_path), 1)
    # Two models at each of two strengths; nothing is left to do after the last.
    assert made["values"] == expected and (stops, len(asked)) == (3, 4)


def test_the_sets_of_a_gallery_show_the_same_images(done, data, subjects):
    sets = [read_adversarial(done.store.at(job) / "images.safetensors", data) for job in GALLERY]
    assert torch.equal(sets[0].index, sets[1].index) and len(sets[0].index) == 5
    assert not torch.equal(sets[0].x_adv, sets[1].x_adv)
    assert all(subjects[job].predictions(sets[0].index)[0].all() for job in (TARGET, SOURCE))


def test_the_first_pictures_are_stored_with_their_originals(done, data, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "SHOWN", 3)
    execute(done, CRAFT, tmp_path)
    assert (tmp_path / "images.safetensors").read_bytes() == (done.store.at(CRAFT) / "images.safetensors").read_bytes()
    generated = read_adversarial(tmp_path / "images.safetensors", data)
    for folder, shown in ((done.store.at(CRAFT), 10), (tmp_path, 3)):
        pictures, about = read_tensors(folder / "pictures.safetensors")
        assert torch.equal(pictures["x"], data.x[generated.index[:shown]]) and pictures["x"].dtype == torch.uint8
        assert all(torch.equal(pictures[name], getattr(generated, name)[:shown]) for name in ("x_adv", "y", "predicted"))
        assert about == {"classes": ["dark", "light"]}


def test_of_finished_jobs_no_chunk_is_left_but_predictions_which_several_start_from(done):
    chunks = [read_tensors(file)[1]["measurement"] for file in (done.store.folder / "chunks").rglob("*.safetensors")]
    assert set(chunks) == {"predict"} and not list(done.store.folder.glob("*/*/chunks"))


def test_nets_and_images_are_read_once(done, monkeypatch, tmp_path):
    fresh = type(done)(done.store, done.data, "cpu")
    reads = []
    for name in ("load", "read_adversarial", "load_data"):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, n=name, f=original, **k: reads.append(n) or f(*a, **k))
    for _ in range(2):
        for job in SCORES:
            execute(fresh, job, tmp_path)
    assert sorted(reads) == ["load", "load", "load_data", "read_adversarial", "read_adversarial"]


@pytest.mark.parametrize("kind", ["generate", "noise", "shuffle"])
def test_without_an_image_that_all_get_right_there_is_nothing_to_measure(done, kind, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "common_sample", lambda *_, **__: torch.arange(0))
    job = {"generate": GALLERY[0], "noise": NOISE, "shuffle": SHUFFLE}[kind]
    sure = " with 60 % confidence" if kind == "shuffle" else ""
    with pytest.raises(InputError, match=rf"there is no test image that each of .*resnet18 .* classifies correctly{sure}$"):
        execute(done, job, tmp_path)


def test_other_images_of_the_same_name_are_refused(place, images, tmp_path):
    place.check_data("few")
    again = bench(place.store.folder, images)
    again.check_data("few")
    for train_images, test_images in ((31, 12), (32, 11)):
        other = few(tmp_path / f"{train_images}" / "few", train=train_images, test=test_images)
        with pytest.raises(InputError, match=r"few: its images differ from those of the results in .*store: use another store"):
            bench(place.store.folder, other).check_data("few")
