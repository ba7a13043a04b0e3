"""A plan shared by several processes: how many of them pay, that they do the work, and that they end with the first."""

import os
import shutil
import signal
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from defective.errors import InputError
from defective.experiments import processes
from defective.experiments.execute import EXECUTORS
from defective.experiments.processes import choose_processes, helped
from defective.experiments.run import run
from defective.progress import until
from runs import bench, finish, net

FIRST, SECOND, THIRD = (net(seed=seed) for seed in range(3))


def run_helped(jobs, runner, count, log=lambda line: None):
    with helped(jobs, runner, count) as summary:
        run(jobs, runner, log, summary=summary, again=False)
    return summary


@pytest.fixture
def measured(monkeypatch):
    """Seconds of an image by the number of threads, of which there are four; the numbers of threads that were measured."""
    seconds, asked = {4: 1.0, 2: 1.0, 1: 2.0}, []
    threads = [4]

    def train_steps(job, shape, device):
        asked.append(threads[0])
        return None, None, seconds[threads[0]]

    monkeypatch.setattr(processes, "train_steps", train_steps)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda number: threads.__setitem__(0, number))
    return SimpleNamespace(seconds=seconds, asked=asked, threads=threads)


@pytest.mark.parametrize(
    ("jobs", "alone", "chosen"),
    [
        ([FIRST], 2.0, 1),
        ([FIRST, SECOND], 1.0, 2),
        # As fast as 2 x 1.0 / 1.6 = 1.25, and as 1.11.
        ([FIRST, SECOND], 1.6, 2),
        ([FIRST, SECOND], 1.8, 1),
    ],
)
def test_as_many_processes_as_train_faster_than_one(place, measured, jobs, alone, chosen):
    measured.seconds[2] = alone
    said = []
    assert choose_processes(jobs, place, said.append) == chosen and measured.threads == [4]
    assert len(said) == (chosen > 1) and all(f"{chosen} processes share the jobs, 2 of 4 threads each" in line for line in said)
    assert measured.asked == ([4, *[4, 2] * processes.TURNS] if len(jobs) > 1 else [])


def test_as_many_processes_as_there_are_models_threads_cpus_and_memory(place, measured, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "CONTAINER", tmp_path)
    monkeypatch.setattr(os, "sysconf", lambda name: 1 << 20)
    many = [net(seed=seed) for seed in range(9)]
    assert choose_processes(many, place) == 4 and measured.asked == [4, *[4, 1] * processes.TURNS]
    for job in many[:6]:
        finish(place.store, job)
    assert choose_processes(many, place) == 3
    (tmp_path / "memory.max").write_text(f"{2 * processes.MEMORY + 1}\n")
    assert choose_processes(many, place) == 2
    (tmp_path / "memory.max").write_text("max\n")
    assert choose_processes(many, place) == 3
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert choose_processes(many, place) == 2
    (tmp_path / "cpu.max").write_text("max 100000\n")
    # 64 images for two epochs at 0.1 seconds: three models are trained in 38 seconds.
    measured.seconds |= {4: 0.1, 2: 0.1, 1: 0.1}
    measured.asked.clear()
    assert choose_processes(many, place) == 1 and measured.asked == [4]


def test_a_gpu_is_left_to_one_process(images, tmp_path, measured):
    runner = bench(tmp_path / "store", images)
    runner.torch_device = torch.device("cuda")
    assert choose_processes([FIRST, SECOND, THIRD], runner) == 1 and measured.asked == []


@pytest.fixture
def helpers(monkeypatch):
    """The further processes; ``wait`` waits for what one of them does."""
    begun, real = [], processes.subprocess.Popen
    monkeypatch.setattr(processes.subprocess, "Popen", lambda *given, **more: begun.append(real(*given, **more)) or begun[-1])

    def wait(done):
        while not done():
            assert all(helper.poll() is None for helper in begun) or done(), "a helper ended by itself"
            time.sleep(0.01)

    return SimpleNamespace(begun=begun, wait=wait)


@pytest.mark.slow
def test_another_process_does_what_this_one_has_no_time_for(place, helpers):
    def until_the_others_are_done(line):
        helpers.wait(lambda: place.store.result(SECOND) is not None and place.store.result(THIRD) is not None)

    before = torch.get_num_threads()
    summary = run_helped([FIRST, SECOND, THIRD], place, 2, until_the_others_are_done)
    assert (summary.count("finished"), summary.executed) == (3, 3) and torch.get_num_threads() == before
    assert run_helped([FIRST, SECOND, THIRD], place, 2).executed == 0


def test_helpers_that_die_at_once_cost_nothing(place, helpers, monkeypatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    summary = run_helped([FIRST], place, 3)
    assert (summary.count("finished"), summary.executed) == (1, 1) and [each.returncode for each in helpers.begun] == [1, 1]


@pytest.mark.slow
def test_what_failed_in_another_process_is_not_tried_here(place, helpers, monkeypatch):
    wrong = net("resnet18", data="nowhere")
    tried = []
    monkeypatch.setitem(EXECUTORS, "train", lambda runner, job, folder: tried.append(job))
    place.store.fail(wrong, InputError("of an earlier run"))

    def until_it_failed(line):
        helpers.wait(lambda: place.store.failure(wrong) is not None)
        assert "nowhere" in place.store.failure(wrong)["error"]

    # This process begins with the first, while the other one finds it taken.
    summary = run_helped([FIRST, wrong], place, 2, until_it_failed)
    assert summary.states[wrong] == "failed" and tried == [FIRST]


@pytest.mark.slow
@pytest.mark.parametrize(("ended", "handler"), [(KeyboardInterrupt, signal.default_int_handler), (OSError, signal.SIG_IGN)])
def test_all_end_with_the_first(place, helpers, ended, handler):
    """However it ends, under nohup too; what they were at is kept, and free for the next run."""
    long = net(epochs=10_000, seed=1)

    def once_it_trains(line):
        helpers.wait((place.store.folder / "running" / f"train-{long.key}" / "net" / "state.safetensors").exists)
        raise ended

    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(ended):
            run_helped([FIRST, long], place, 2, once_it_trains)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [helper.returncode for helper in helpers.begun] == [0]
    with place.store.working(long) as folder:
        assert folder is not None


@pytest.mark.slow
def test_all_end_at_the_deadline(place):
    long = [net(epochs=10_000, seed=seed) for seed in range(2)]
    with until(5):
        summary = run_helped(long, place, 2)
    assert [summary.states[job] for job in long] == ["pending", "pending"] and summary.executed == 0
    assert [place.store.begun(name) for name in place.store.unfinished()] != []
