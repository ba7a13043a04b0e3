import pytest

from defective import progress
from defective.experiments.cost import work
from defective.experiments.describe import describe
from defective.experiments.forecast import forecast
from defective.experiments.plan import in_order
from defective.experiments.run import run
from defective.experiments.store import Store, name_of, write_json
from defective.specs import AttackSpec, CraftJob, DecisionJob, NoiseJob, ScoreJob, ShuffleJob
from runs import SHAPE, finish, net

SHAPES, COUNTS = {"few": SHAPE}, {"few": (64, 10_000)}
TARGET, SOURCE = net(), net("densenet121", 1)
FGSM, PGD = AttackSpec.parse("fgsm:eps=8/255"), AttackSpec.parse("pgd:eps=8/255,step_size=1/255,steps=10")


def craft(source=SOURCE, attack=FGSM, samples=1000):
    return CraftJob(sources=(source,), attack=attack, samples=samples)


def walk(directions, samples=500):
    return DecisionJob(target=TARGET, attack=AttackSpec.parse(f"boundary:steps=10,directions={directions}"), samples=samples)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def rate(job, seconds):
    """Finish a job that took so long: seconds for each unit of work."""
    return seconds / work(job, SHAPES, COUNTS)


def told(job, store, device="cpu", counts=COUNTS):
    return forecast(job, store, SHAPES, counts, device)


def test_of_an_empty_store_nothing_is_known(store):
    assert [told(job, store) for job in (TARGET, craft(), walk(1))] == [0.0] * 3


def test_like_jobs_tell_what_a_piece_takes(store):
    likes = [craft(net("vgg19", seed), samples=100) for seed in range(3)]
    for like, seconds in zip(likes, (7.0, 500.0, 90.0), strict=True):
        finish(store, like, seconds=seconds)
    # Of nets of one kind the median; a piece is 250 of 1000 images.
    assert told(craft(), store) == pytest.approx(rate(likes[0], 90.0) * work(craft(), SHAPES) / 4)
    assert told(craft(samples=60), store) == pytest.approx(rate(likes[0], 90.0) * work(craft(samples=60), SHAPES))
    # Another attack, another device, another data set: none of them is like.
    assert told(craft(attack=PGD), store) == told(craft(), store, "cuda") == 0.0
    finish(store, craft(net(data="other")), seconds=1e9)
    assert told(craft(), store) == pytest.approx(rate(likes[0], 90.0) * work(craft(), SHAPES) / 4)


@pytest.mark.parametrize("job", [craft(), walk(1), NoiseJob(targets=(TARGET,), sigmas=(1, 2), samples=1000)])
def test_where_there_are_fewer_images_than_asked_for_those_count(store, job):
    """Of like jobs too: what a job took is what a like one will take."""
    finish(store, SOURCE, seconds=30.0)
    few = job.model_copy(update={"samples": 24})
    assert told(job, store, counts={"few": (64, 24)}) == told(few, store, counts={"few": (64, 24)}) > 0
    finish(store, job, seconds=7.0)
    again = job.model_copy(update={"seed": 5})
    assert told(again, store, counts={"few": (64, 24)}) == pytest.approx(7.0 / (2 if job.kind == "noise" else 1))


def test_where_nothing_is_like_it_training_tells(store):
    finish(store, SOURCE, seconds=30.0)
    each = rate(SOURCE, 30.0)
    assert told(craft(attack=PGD), store) == pytest.approx(each * work(craft(attack=PGD), SHAPES) / 4)
    finish(store, craft(TARGET, PGD), seconds=1.0)
    assert told(craft(attack=PGD), store) == pytest.approx(rate(craft(TARGET, PGD), 1.0) * work(craft(attack=PGD), SHAPES) / 4)


@pytest.mark.parametrize(
    ("job", "pieces"),
    [
        (walk(1), {"cpu": 10, "cuda": 1}),
        (walk(25), {"cpu": 10, "cuda": 4}),
        (walk(25, samples=40), {"cpu": 1, "cuda": 1}),
        (NoiseJob(targets=(TARGET, SOURCE), sigmas=(1, 2, 4), samples=100), {"cpu": 3, "cuda": 3}),
        (ShuffleJob(targets=(TARGET,), grids=(2, 4), confidence=0.9, samples=100), {"cpu": 2, "cuda": 2}),
    ],
)
def test_a_piece_is_a_part_of_its_job(store, job, pieces):
    for device, count in pieces.items():
        finish(Store(store.folder / device), SOURCE, seconds=30.0, kind_of_device=device)
        found = told(job, Store(store.folder / device), device)
        assert found == pytest.approx(rate(SOURCE, 30.0) * work(job, SHAPES, COUNTS) / count)


def test_what_is_made_of_no_pieces_is_not_asked_about(store, monkeypatch):
    finish(store, SOURCE, seconds=30.0)
    monkeypatch.setattr(Store, "specs", lambda store: pytest.fail("read"))
    assert told(TARGET, store) == told(ScoreJob(target=TARGET, crafted=craft()), store) == 0.0


def test_a_first_piece_is_not_begun_when_like_work_took_longer_than_is_left(place, monkeypatch):
    target = net(batch_size=32)
    crafted, other = CraftJob(sources=(target,), attack=FGSM, samples=10), net(seed=3, batch_size=32)
    jobs = in_order([ScoreJob(target=target, crafted=crafted), NoiseJob(targets=(target,), sigmas=(8,), samples=5), other])
    assert run([target], place).done == 1
    file = place.store.at(target) / "result.json"
    result = place.store.result(target)
    monkeypatch.setattr(progress, "monotonic", lambda: 0.0)
    write_json(file, result | {"seconds": 1e9})
    takes = (
        f"a piece of it takes about {told(crafted, place.store, counts={'few': (64, 24)}):,.0f} s: give it a larger --time-budget"
    )
    said = []
    with progress.until(600):
        tally = run(jobs, place, said.append)
    # There is time for the other net, and nothing waits for what is left.
    assert tally.states == dict.fromkeys(jobs, "left") | {target: "finished", other: "finished"} and tally.done == 1
    assert said[:2] == [f"[2/5] {describe(crafted)}", f"[2/5] left: {describe(crafted)}: {takes}"]
    assert place.store.unfinished() == sorted(map(name_of, (crafted, jobs[3]))) and place.store.failures() == []
    write_json(file, result)
    write_json(place.store.at(other) / "result.json", place.store.result(other) | {"seconds": 0.001})
    with progress.until(600):
        assert run(jobs, place).done == 3


def test_without_a_deadline_nothing_is_asked(place, monkeypatch):
    monkeypatch.setattr(type(place), "_forecast", lambda *_: pytest.fail("asked"))
    assert run([net(batch_size=32)], place).done == 1
