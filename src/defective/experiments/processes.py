"""Several processes work on the jobs of one plan: small models train faster one on each core than one on all of them."""

import json
import math
import os
import signal
import subprocess
import sys
from _thread import interrupt_main
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE
from tempfile import TemporaryDirectory
from threading import Thread

import torch

from defective.experiments.execute import ExperimentRunner
from defective.experiments.run import RunSummary, run
from defective.experiments.step_times import train_steps
from defective.experiments.store import Store
from defective.progress import time_left, until
from defective.specs import Job, TrainJob, read_job

# Share by which several processes must train faster than one to be worth their start and the memory that they share.
GAIN = 1.2
# Times that a few steps are measured either way.
TURNS = 3
# Seconds of training below which one process is enough, and bytes of memory of the machine for each.
LEAST, MEMORY = 120.0, 2 << 30
# Where Linux says what a container may use.
CONTAINER = Path("/sys/fs/cgroup")


def choose_processes(jobs: Sequence[Job], runner: ExperimentRunner, log: Callable[[str], object] = lambda line: None) -> int:
    """How many processes train the models of a plan fastest on this CPU, by a few measured steps of the most frequent one.

    Each gets its part of this process's threads. One on a GPU, where less than two models or two minutes of training are left, or where
    several are not at least 1.2 times as fast. ``log`` is called with one line where that is more than one.
    """
    threads = torch.get_num_threads()
    pending = [job for job in jobs if isinstance(job, TrainJob) and job.whole is None and runner.store.result(job) is None]
    most = int(min(threads, len(pending), _allowed("cpu.max"), _memory() / MEMORY))
    if runner.torch_device.type != "cpu" or most < 2:
        return 1
    kinds = [(job.net.arch, job.data, job.recipe.width_mult, job.recipe.batch_size) for job in pending]
    job = pending[kinds.index(Counter(kinds).most_common(1)[0][0])]
    images = sum(job.recipe.trained_epochs * len(runner.split(job.data, "train")) for job in pending)
    if images * _step_seconds(job, runner, threads) < LEAST:
        return 1
    # In turn and the shortest of each: what else the machine does can only lengthen a time.
    turns = [(_step_seconds(job, runner, threads), _step_seconds(job, runner, threads // most)) for _ in range(TURNS)]
    together, alone = map(min, zip(*turns, strict=True))
    gain = most * together / alone
    if gain < GAIN:
        return 1
    log(
        f"{most} processes share the jobs, {threads // most} of {threads} threads each: they train up to {gain:.1f} times as fast as one"
    )
    return most


def _step_seconds(job: TrainJob, runner: ExperimentRunner, threads: int) -> float:
    with _threads(threads):
        return train_steps(job, runner.split(job.data, "test").image_shape, runner.torch_device)[2]


def _memory() -> float:
    """Bytes of memory, of the machine or of its part that a container may use."""
    try:
        physical = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        # A system that does not say.
        physical = math.inf
    return min(physical, _allowed("memory.max"))


def _allowed(limit: str) -> float:
    """What a container may use by one of its limits: CPUs or bytes."""
    with suppress(OSError, ValueError):
        # Of the CPUs: time and the period in which it may be used. "max" is no number.
        number, *period = (CONTAINER / limit).read_text("utf-8").split()
        return float(number) / float(period[0] if period else 1)
    return math.inf


@contextmanager
def helped(jobs: Sequence[Job], runner: ExperimentRunner, processes: int) -> Iterator[RunSummary]:
    """A summary to run the jobs into, while ``processes - 1`` further processes do jobs of the same list; it counts theirs at the end.

    All of them end with the block, and with this process, however it ends.
    """
    summary, store = RunSummary(), runner.store
    if processes == 1:
        yield summary
        return
    before = {job for job in jobs if store.result(job) is not None}
    for job in jobs:
        store.forget_failure(job)
    threads = max(1, torch.get_num_threads() // processes)
    with _threads(threads), _helpers(jobs, runner, processes - 1, threads):
        yield summary
    for job, state in summary.states.items():
        # Done by another process after this one's time was up.
        if state == "pending" and store.result(job) is not None:
            summary.states[job] = "finished"
    summary.executed = summary.count("finished") - len(before & summary.states.keys())


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute with so many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _helpers(jobs: Sequence[Job], runner: ExperimentRunner, number: int, threads: int) -> Iterator[None]:
    """Processes that do jobs until all are done or the deadline has passed; at once where the block is left by an error."""
    settings = {
        "jobs": [job.model_dump(mode="json") for job in jobs],
        "store": str(runner.store.folder),
        "data": dict(runner.data),
        "device": runner.device,
        "threads": threads,
        "seconds": time_left(),
    }
    command = [sys.executable, "-c", f"from {__name__} import help_along; help_along()"]
    helpers: list[subprocess.Popen[bytes]] = []
    with TemporaryDirectory() as folder:
        file = Path(folder, "settings.json")
        file.write_text(json.dumps(settings), "utf-8")
        try:
            for _ in range(number):
                helpers.append(
                    # In a session of its own: a Ctrl-C reaches this process alone, which ends it.
                    subprocess.Popen([*command, str(file)], stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
                )
            yield
            for helper in helpers:
                helper.wait()
        finally:
            for helper in helpers:
                # Nothing is written to it: where it is still at work, the end of its input ends it.
                helper.stdin.close()  # type: ignore[union-attr]
            for helper in helpers:
                helper.wait()


def help_along() -> None:
    """What a helper does: it reads the settings from the file that it is given, and works until all is done or its input ends."""
    # Under nohup and in the background of a script it would be ignored, as this process inherits it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(settings["threads"])
    with suppress(KeyboardInterrupt):
        Thread(target=_interrupt_at_the_end_of_input, daemon=True).start()
        runner = ExperimentRunner(Store(Path(settings["store"])), settings["data"], settings["device"])
        with until(settings["seconds"]):
            run(list(map(read_job, settings["jobs"])), runner, again=False)


def _interrupt_at_the_end_of_input() -> None:
    sys.stdin.read()
    interrupt_main()
