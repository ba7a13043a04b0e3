import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from defective import progress
from defective.errors import InputError, OutOfTime
from defective.experiments import run as running
from defective.experiments.execute import EXECUTORS
from defective.experiments.json_files import sealed, write_json
from defective.experiments.plan import topological_order
from defective.experiments.run import RunSummary, run
from defective.experiments.store import Store
from defective.files import write_whole
from defective.specs import AttackSpec, DecisionJob, GenerateJob, ScoreJob
from runs import bench, blank, net
from turns import ticking

TARGET, SOURCE = net(), net("resnet18/0.5-bottom", 1)
CRAFT = GenerateJob(sources=(SOURCE,), attack=AttackSpec.parse("fgsm:eps=8/255"), samples=10)
SCORE = ScoreJob(target=TARGET, adversarial=CRAFT)
WALK = DecisionJob(target=TARGET, attack=AttackSpec.parse("boundary:steps=5"), samples=4)
JOBS = topological_order([WALK, SCORE])


def missing(store):
    return [job for job in JOBS if store.result(job) is None]


class Made:
    """Stands in for the work: what was executed is written down, and some of it breaks."""

    def __init__(self, monkeypatch, **broken):
        self.asked, self.broken = [], broken
        for kind in EXECUTORS:
            monkeypatch.setitem(EXECUTORS, kind, self.execute)

    def execute(self, runner, job, folder):
        self.asked.append(job)
        if job.kind in self.broken:
            raise self.broken[job.kind]
        return blank(job)


@pytest.fixture
def made(monkeypatch):
    return Made(monkeypatch)


def test_each_job_is_done_once_and_in_order(place, made):
    said = []
    summary = run(JOBS, place, said.append)
    assert made.asked == JOBS and summary == RunSummary(dict.fromkeys(JOBS, "finished"), 5)
    assert [line.split()[0] for line in said] == [f"[{n}/5]" for n in range(1, 6)]
    assert said[0] == "[1/5] train resnet18 (quick, seed 0) on few"
    again = run(JOBS, place, said.append)
    assert made.asked == JOBS and (again.count("finished"), again.executed, len(said)) == (5, 0, 5)
    assert missing(place.store) == []


@pytest.mark.parametrize(
    "error", [InputError("no image\nis right"), RuntimeError("shapes differ"), OSError(errno.EIO, "bad disk"), MemoryError()]
)
def test_a_failure_is_recorded_and_the_rest_goes_on(place, monkeypatch, error):
    broken = Made(monkeypatch, generate=error)
    said = []
    summary = run(JOBS, place, said.append)
    assert summary.states == {TARGET: "finished", WALK: "finished", SOURCE: "finished", CRAFT: "failed", SCORE: "blocked"}
    assert summary.executed == 3 and SCORE not in broken.asked
    assert any(line.startswith("[4/5] failed: fgsm:eps=8/255 on ") for line in said)
    assert place.store.failure(CRAFT)["error"] == (" ".join(str(error).split()) or type(error).__name__)
    assert [place.store.failure(job) for job in JOBS if job != CRAFT] == [None] * 4
    assert missing(place.store) == [CRAFT, SCORE]
    # The next run tries again what failed.
    mended = Made(monkeypatch)
    summary = run(JOBS, place)
    assert mended.asked == [CRAFT, SCORE] and (summary.count("finished"), summary.executed) == (5, 2)
    assert place.store.failures() == []


@pytest.mark.parametrize(
    "error",
    [
        *(OSError(number, "stop") for number in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE)),
        SystemError("stop"),
        KeyboardInterrupt("stop"),
    ],
)
def test_a_full_disk_a_lost_reader_a_broken_python_and_a_user_who_stops_it_are_no_fault_of_the_job(place, monkeypatch, error):
    broken = Made(monkeypatch, generate=error)
    with pytest.raises(type(error), match="stop"):
        run(JOBS, place)
    assert broken.asked[-1] == CRAFT and place.store.failures() == [] and len(missing(place.store)) == 2
    Made(monkeypatch)
    assert run(JOBS, place).executed == 2


@pytest.mark.parametrize("units", range(6))
def test_the_same_call_goes_on_after_a_deadline(place, made, monkeypatch, units):
    ticking(monkeypatch)
    with progress.until(units + 1):
        summary = run(JOBS, place)
    assert made.asked == JOBS[:units] and summary.executed == min(units, 5)
    assert [summary.states[job] for job in JOBS] == ["finished"] * summary.executed + ["pending"] * (5 - summary.executed)
    assert run(JOBS, place).executed == 5 - summary.executed
    assert made.asked == JOBS


def test_what_fails_for_want_of_a_net_blocks_all_that_follows_and_is_not_pending(place, monkeypatch):
    ticking(monkeypatch)
    Made(monkeypatch, train=InputError("no"))
    with progress.until(2):
        summary = run([TARGET, WALK, SOURCE, CRAFT], place)
    assert summary.states == {TARGET: "failed", WALK: "blocked", SOURCE: "pending", CRAFT: "pending"}
    summary = run(JOBS, place)
    assert summary.states == {TARGET: "failed", SOURCE: "failed", CRAFT: "blocked", SCORE: "blocked", WALK: "blocked"}
    made = Made(monkeypatch, generate=OutOfTime())
    summary = run(JOBS, place)
    assert summary.count("pending") == 2 and SCORE not in made.asked and place.store.failures() == []


def test_what_another_process_is_at_is_waited_for(place, made, images, monkeypatch):
    """While it works on one job, the others are done; then its dependents follow. A line says for what and whose."""
    run([SOURCE], place)
    other = bench(place.store.folder, images)
    waits, lines = [], []
    hand = other.store.working(CRAFT)
    there = hand.__enter__()

    def wait(seconds):
        waits.append(seconds)
        assert made.asked == [SOURCE, TARGET, WALK]
        write_json(there / "result.json", sealed(CRAFT.name, blank(CRAFT)))
        hand.__exit__(None, None, None)

    monkeypatch.setattr(running, "time", SimpleNamespace(sleep=wait))
    summary = run(JOBS, place, lines.append)
    [waited] = [line for line in lines if "] fgsm:eps=8/255 on " in line]
    assert f": process {os.getpid()} on " in waited and " since 2" in waited
    assert waits == [running.PATIENCE] and made.asked == [SOURCE, TARGET, WALK, SCORE]
    assert (summary.count("finished"), summary.executed) == (5, 3)


def test_a_deadline_ends_the_wait(place, made, monkeypatch):
    waits = []
    monkeypatch.setattr(progress, "monotonic", lambda: sum(waits))
    monkeypatch.setattr(running, "time", SimpleNamespace(sleep=waits.append))
    with place.store.working(TARGET), progress.until(2.5 * running.PATIENCE):
        summary = run([TARGET, WALK], place)
    assert waits == [running.PATIENCE] * 3 and summary.states == {TARGET: "pending", WALK: "pending"} and made.asked == []


def test_a_job_that_is_finished_between_look_and_lock_is_not_done(place, made, monkeypatch):
    looks = []

    def result(job):
        looks.append(job)
        return None if len(looks) == 1 else {"values": {}}

    monkeypatch.setattr(place.store, "result", result)
    assert run([TARGET], place) == RunSummary({TARGET: "finished"}) and made.asked == [] and len(looks) == 3


def test_what_is_corrupt_of_a_job_is_set_aside_and_done_again(place, caplog):
    target = net(seed=5)
    jobs = topological_order([ScoreJob(target=target, adversarial=CRAFT.model_copy(update={"sources": (target,)}))])
    store, lines = place.store, []
    with store.working(target) as folder:
        (folder / "net").mkdir()
        (folder / "net" / "state.safetensors").write_bytes(b"half")
    assert run(jobs[:1], place, lines.append).states == {target: "finished"}
    assert "training starts again" in caplog.text and len(lines) == 1 and store.spec(store.at(target).name) == target
    model = store.at(target) / "net" / "model.safetensors"
    right = model.read_bytes()
    model.write_bytes(right[:-5])
    again = bench(store.folder, place.data["few"].partition(":")[2])
    lines.clear()
    summary = run(jobs, again, lines.append)
    assert summary.count("finished") == 3 and summary.redone == {target} and model.read_bytes() == right
    assert sum("is done again, its files are in" in line for line in lines) == 1


@pytest.mark.parametrize("ending", [lambda: {"values": {}}, lambda: int("x")])
def test_a_store_that_is_removed_in_the_middle_stays_removed_and_can_be_made_again(place, monkeypatch, ending):
    target, folder = net(seed=7), place.store.folder

    def removed(runner, job, at):
        shutil.rmtree(folder)
        write_whole(at / "net" / "state.safetensors", Path.touch)
        write_whole(folder / "chunks" / "aa" / "a.safetensors", Path.touch)
        return ending()

    monkeypatch.setitem(EXECUTORS, "train", removed)
    with pytest.raises(InputError, match="was removed while in use"):
        run([target], place)
    assert not folder.exists()
    assert list(Store(folder).finished()) == []


def test_only_the_finished_jobs_of_a_store_are_removed_in_the_middle(place, monkeypatch):
    folder = place.store.folder
    kept = folder / "chunks" / "aa" / "a.safetensors"
    write_whole(kept, Path.touch)
    monkeypatch.setitem(EXECUTORS, "train", lambda runner, job, at: shutil.rmtree(folder / "jobs") or {"values": {}})
    with pytest.raises(InputError, match="was removed while in use"):
        run([net(seed=7)], place)
    assert kept.exists()
