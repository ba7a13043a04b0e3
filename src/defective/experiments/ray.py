"""Run the jobs of a plan on a Ray cluster: the same jobs, the same store on a folder that all its machines see."""

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from defective.errors import InputError, OutOfTime
from defective.experiments.describe import describe
from defective.experiments.execute import Bench
from defective.experiments.run import PATIENCE, State, Tally, attempt, leave
from defective.experiments.store import Store
from defective.progress import check_deadline, deadline, until
from defective.specs import Job, needs, read_job

# State of a job, and whether the task did it itself.
Outcome = tuple[State, bool]
_benches: dict[str, Bench] = {}
# Times that a job is begun again whose worker died, before it counts as failed.
RETRIES = 5
# Seconds before the deadline at which tasks stop: to keep what they have, and for clocks that differ.
SETTLE = 2.0


def run_on_ray(jobs: Sequence[Job], bench: Bench, address: str, say: Callable[[str], object] = lambda line: None) -> Tally:
    """Do what is not finished yet, each job as one task on one core, or on one GPU where the cluster has any.

    A task whose worker dies is begun again elsewhere and goes on from what the dead one left.

    Args:
        jobs: In an order in which they can be done.
        bench: Store and data sets, on paths that hold on every machine of the cluster.
        address: Of the cluster: ``auto``, ``local`` or ``HOST:PORT``.
        say: Is told of each job that ended, in one line.

    Raises:
        InputError: If that is no address, Ray is not installed, or no cluster answers there.
    """
    check_address(address)
    # Ray tells of dead workers on standard output, which is for results.
    with redirect_stdout(sys.stderr):
        return _run(_connect(address), jobs, bench, say)


def check_address(address: str) -> None:
    """Refuse what is no address of a cluster, whether or not one is there.

    Raises:
        InputError: If it is another text than ``auto``, ``local`` or ``HOST:PORT``.
    """
    host, _, port = address.rpartition(":")
    if "//" in address:
        raise InputError(
            f"Ray's client ({address}) is not supported: run this command on a machine of the cluster, with --ray auto"
        )
    if address not in ("auto", "local") and not (host and port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise InputError(f"{address!r} is no address of a Ray cluster: write auto, local or HOST:PORT")


def _run(ray: Any, jobs: Sequence[Job], bench: Bench, say: Callable[[str], object]) -> Tally:
    try:
        task = ray.remote(max_retries=RETRIES, num_gpus=1 if ray.cluster_resources().get("GPU") else 0)(_do)
        refs: dict[Job, Any] = {}
        where = {name: _absolute(text) for name, text in bench.data.items()}
        left = _left()
        end = None if left is None else time.time() + left - SETTLE
        settings = (str(bench.store.folder.absolute()), where, bench.device, end)
        for job in jobs:
            refs[job] = task.remote(job.model_dump(mode="json"), *settings, *(refs[needed] for needed in needs(job)))
        return _collect(ray, refs, bench.store, say)
    finally:
        ray.shutdown()


def _connect(address: str) -> Any:
    try:
        import ray
    except ImportError:
        raise InputError("Ray is not installed: pip install 'defective[ray]', or leave --ray out") from None
    _reach(address)
    # Where decoded images are kept.
    kept = {name: os.environ[name] for name in ("DEFECTIVE_CACHE",) if name in os.environ}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING, runtime_env={"env_vars": kept})
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"no Ray cluster answers at {address!r} ({' '.join(str(error).split())[:200]}): start one with ray start --head"
        ) from None
    return ray


def _reach(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself would try for minutes."""
    host, sign, port = address.rpartition(":")
    if sign:
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise InputError(f"no Ray cluster answers at {address!r} ({error}): start one with ray start --head") from None


def _absolute(where: str) -> str:
    kind, _, path = where.partition(":")
    return f"{kind}:{Path(path).expanduser().resolve()}" if path else where


def _collect(ray: Any, refs: dict[Job, Any], store: Store, say: Callable[[str], object]) -> Tally:
    tally = Tally()
    jobs = {ref: job for job, ref in refs.items()}
    waiting = list(refs.values())
    while waiting:
        ended, waiting = ray.wait(waiting, timeout=_left())
        if not ended:
            break
        for ref in ended:
            state, did = _outcome(ray, ref, jobs[ref], store, tally)
            tally.states[jobs[ref]] = state
            tally.done += did
            if did or state != "finished":
                why = ": no time for it, or for a piece of it: give it a larger --time-budget" * (state == "left")
                say(f"[{len(tally.states)}/{len(refs)}] {state}: {describe(jobs[ref])}{why}")
    for ref in waiting:
        # What no core was free for, or does not stop.
        ray.cancel(ref)
    leave(refs, store, tally)
    return tally


def _left() -> float | None:
    """Seconds to the deadline, None if there is none."""
    end = deadline.get()
    return None if end is None else max(0.0, end - time.monotonic())


def _outcome(ray: Any, ref: Any, job: Job, store: Store, tally: Tally) -> Outcome:
    """What a task came to; the error of one that could not even record its own."""
    try:
        outcome: Outcome = ray.get(ref)
        return outcome
    except ray.exceptions.RayTaskError as error:
        if {tally.states.get(needed) for needed in needs(job)} & {"failed", "blocked"}:
            return "blocked", False
        if isinstance(error.cause, OSError):
            raise OSError(error.cause.errno, error.cause.strerror, error.cause.filename) from None
        store.fail(job, RuntimeError(str(error.cause)))
    except ray.exceptions.RayError as error:
        store.fail(job, RuntimeError(f"its worker died {RETRIES + 1} times: {type(error).__name__}"))
    return "failed", False


def _do(
    document: dict[str, Any], folder: str, data: dict[str, str], device: str | None, end: float | None, *needed: Outcome
) -> Outcome:
    """One task: a job whose needs have ended."""
    states = {state for state, _ in needed}
    if states & {"failed", "blocked"}:
        return "blocked", False
    if "left" in states:
        return "left", False
    job, bench = read_job(document), _bench(folder, data, device)
    tally = Tally(states=dict.fromkeys(needs(job), "finished"))
    try:
        with until(None if end is None else max(0.0, end - time.time())):
            while (state := attempt(job, bench, tally, lambda line: None)) is None:
                time.sleep(PATIENCE)
                check_deadline()
    except OutOfTime:
        return "left", False
    return state, tally.done > 0


def _bench(folder: str, data: dict[str, str], device: str | None) -> Bench:
    """The bench of this worker: nets and images stay in memory between its tasks."""
    if folder not in _benches:
        bench = Bench(Store(Path(folder)), data, device)
        for name in data:
            bench.check_data(name)
        # Kept only now: what the check refuses must be refused to every task.
        _benches[folder] = bench
    return _benches[folder]
