"""Run the jobs of a plan on a Ray cluster: the same jobs, and the same store in a folder that all its machines see."""

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from defective.errors import InputError
from defective.experiments.describe import describe
from defective.experiments.execute import ExperimentRunner
from defective.experiments.run import RunSummary, State, record_pending, run
from defective.experiments.sources import read_as
from defective.experiments.store import Store
from defective.progress import time_left, until
from defective.specs import Job, dependencies, read_job

# State of a job, and whether the task executed it itself.
TaskResult = tuple[State, bool]
_runners: dict[str, ExperimentRunner] = {}
# Times that a job is started again whose worker died, before it has failed.
RETRIES = 5
# Seconds before the deadline at which tasks stop: to store what they have, and for clocks that differ.
STOP_MARGIN = 2.0


def run_on_ray(
    jobs: Sequence[Job], runner: ExperimentRunner, ray: Any, log: Callable[[str], object] = lambda line: None
) -> RunSummary:
    """Execute what is not finished yet, each job as one task on one core, or on one GPU where the cluster has any.

    A task whose worker dies is started again elsewhere and resumes. The jobs are in an order in which they can be executed; store and data
    sets lie on paths that hold on every machine of the cluster. ``ray`` comes from :func:`connect` and is shut down; ``log`` is called
    with one line for each job that ended.
    """
    # Dead workers are reported on standard output too.
    with redirect_stdout(sys.stderr):
        try:
            task = ray.remote(max_retries=RETRIES, num_gpus=1 if ray.cluster_resources().get("GPU") else 0)(_do)
            refs: dict[Job, Any] = {}
            # Workers begin in other folders.
            where = {name: ":".join(map(str, filter(None, read_as(text)))) for name, text in runner.data.items()}
            left = time_left()
            end = None if left is None else time.time() + left - STOP_MARGIN
            settings = (str(runner.store.folder.absolute()), where, runner.device, end)
            for job in jobs:
                refs[job] = task.remote(job.model_dump(mode="json"), *settings, *(refs[needed] for needed in dependencies(job)))
            return _collect(ray, refs, runner.store, log)
        finally:
            ray.shutdown()


def check_address(address: str) -> None:
    """Refuse what is no address of a cluster.

    Raises:
        InputError: If it is another text than ``auto``, ``local`` or ``HOST:PORT``.
    """
    host, _, port = address.rpartition(":")
    if "//" in address:
        raise InputError(
            f"Ray's client ({address}) is not supported: run this command on a machine of the cluster, with --ray auto"
        )
    if address not in ("auto", "local") and not (host and port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise InputError(f"{address!r} is not the address of a Ray cluster: write auto, local or HOST:PORT")


def connect(address: str) -> Any:
    """Ray's module, connected to a cluster.

    Raises:
        InputError: If Ray is not installed, or no cluster answers there.
    """
    try:
        import ray
    except ImportError:
        raise InputError("Ray is not installed: pip install '.[ray]' in a clone, or leave --ray out") from None
    # Where decoded images are cached.
    variables = {name: os.environ[name] for name in ("DEFECTIVE_CACHE",) if name in os.environ}
    host, sign, port = address.rpartition(":")
    try:
        if sign:
            # Where nothing listens Ray itself would try for minutes.
            socket.create_connection((host, int(port)), timeout=10).close()
        # Ray prints to standard output, which is for results.
        with redirect_stdout(sys.stderr):
            ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING, runtime_env={"env_vars": variables})
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"no Ray cluster answers at {address!r} ({reason}): start one with ray start --head") from None
    return ray


def _collect(ray: Any, refs: dict[Job, Any], store: Store, log: Callable[[str], object]) -> RunSummary:
    summary = RunSummary()
    jobs = {ref: job for job, ref in refs.items()}
    waiting = list(refs.values())
    while waiting:
        ended, waiting = ray.wait(waiting, timeout=time_left())
        if not ended:
            break
        for ref in ended:
            state, executed = _outcome(ray, ref, jobs[ref], store, summary)
            summary.states[jobs[ref]] = state
            summary.executed += executed
            if executed or state != "finished":
                log(f"[{len(summary.states)}/{len(refs)}] {state}: {describe(jobs[ref])}")
    for ref in waiting:
        # What no core was free for, or does not stop.
        ray.cancel(ref)
    record_pending(refs, store, summary)
    return summary


def _outcome(ray: Any, ref: Any, job: Job, store: Store, summary: RunSummary) -> TaskResult:
    """How a task ended; records the error of one that could not record its own."""
    try:
        outcome: TaskResult = ray.get(ref)
        return outcome
    except ray.exceptions.RayTaskError as error:
        if {summary.states.get(needed) for needed in dependencies(job)} & {"failed", "blocked"}:
            return "blocked", False
        if isinstance(error.cause, OSError):
            raise OSError(error.cause.errno, error.cause.strerror, error.cause.filename) from None
        store.fail(job, RuntimeError(str(error.cause)))
    except ray.exceptions.RayError as error:
        store.fail(job, RuntimeError(f"its worker died {RETRIES + 1} times: {type(error).__name__}"))
    return "failed", False


def _do(
    document: dict[str, Any], folder: str, data: dict[str, str], device: str | None, end: float | None, *needed: TaskResult
) -> TaskResult:
    """One task: a job whose dependencies have ended."""
    states = {state for state, _ in needed}
    if states - {"finished"}:
        return "blocked" if states & {"failed", "blocked"} else "pending", False
    job, runner = read_job(document), _runner(folder, data, device)
    with until(None if end is None else max(0.0, end - time.time())):
        summary = run([job], runner)
    return summary.states[job], summary.executed > 0


def _runner(folder: str, data: dict[str, str], device: str | None) -> ExperimentRunner:
    """The runner of this worker: models and images stay in memory between its tasks."""
    if folder not in _runners:
        runner = ExperimentRunner(Store(Path(folder)), data, device)
        for name in data:
            runner.check_data(name)
        # Only now: what the check refuses must be refused to every task.
        _runners[folder] = runner
    return _runners[folder]
