"""Run the jobs of a plan one after another in this process, beside other processes that work on the same store."""

import errno
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from defective.errors import OutOfTime
from defective.experiments.describe import describe
from defective.experiments.execute import EXECUTORS, CorruptJobError, ExperimentRunner
from defective.experiments.plan import topological_order
from defective.experiments.store import Store
from defective.progress import check_deadline
from defective.specs import Job, dependencies

State = Literal["finished", "failed", "blocked", "pending"]
# No fault of the job: nothing more can be stored, not even that it failed, or nobody reads our lines any more.
_NO_FAULT = (errno.ENOSPC, errno.EDQUOT, errno.EPIPE)
# Seconds between two looks at what other processes have finished.
PATIENCE = 1.0


@dataclass
class RunSummary:
    """States of the jobs of a plan after a run.

    Attributes:
        states: ``finished``; ``failed``; ``blocked``, as one that it depends on failed; ``pending``, as there was no time for it or for
            one that it depends on.
        executed: Number of jobs that this run executed itself.
        redone: Finished jobs that are done again, as what they left was corrupt.
    """

    states: dict[Job, State] = field(default_factory=dict)
    executed: int = 0
    redone: set[Job] = field(default_factory=set)

    def count(self, state: State) -> int:
        """Number of jobs in a state."""
        return sum(each == state for each in self.states.values())


def run(
    jobs: Iterable[Job],
    runner: ExperimentRunner,
    log: Callable[[str], object] = lambda line: None,
    *,
    summary: RunSummary | None = None,
    again: bool = True,
) -> RunSummary:
    """Execute what is not finished yet, what it depends on before it; a job that fails is recorded and the rest goes on.

    ``log`` is called with one line for each job that begins, here or in another process, and for each that failed. With ``again=False``
    a job that is recorded as failed is not tried again. The states of the jobs are put into ``summary``, default a new one.
    """
    jobs = topological_order(jobs)
    announced: set[Job] = set()
    summary, store = summary or RunSummary(), runner.store
    try:
        while waiting := [job for job in jobs if job not in summary.states]:
            for job in waiting:
                if (state := _state(job, store, summary)) is not None:
                    summary.states[job] = state
                elif not again and store.failure(job) is not None:
                    summary.states[job] = "failed"
                elif all(summary.states.get(needed) == "finished" for needed in dependencies(job)):
                    check_deadline()
                    number = f"[{len(summary.states) + 1}/{len(jobs)}]"
                    with store.working(job) as folder, _failure_recorded(job, store, summary, number, log):
                        if folder is not None:
                            log(f"{number} {describe(job)}")
                            with runner.recording(job, folder) as found:
                                found |= EXECUTORS[job.kind](runner, job, folder)
                            summary.states[job] = "finished"
                            summary.executed += 1
                        elif store.result(job) is not None:
                            # Another process has just finished it.
                            summary.states[job] = "finished"
                        elif job not in announced:
                            announced.add(job)
                            log(f"{number} {describe(job)}: {store.owner(job)}")
            if all(job not in summary.states for job in waiting):
                time.sleep(PATIENCE)
                check_deadline()
    except OutOfTime:
        record_pending(jobs, store, summary)
    return summary


@contextmanager
def _failure_recorded(job: Job, store: Store, summary: RunSummary, number: str, log: Callable[[str], object]) -> Iterator[None]:
    try:
        yield
    except OutOfTime:
        raise
    except Exception as error:
        if isinstance(error, CorruptJobError) and error.job not in summary.redone:
            _do_again(error, store, summary, log)
            return
        # After a SystemError the interpreter itself is in doubt: what it went on to compute might be wrong.
        if isinstance(error, SystemError) or (isinstance(error, OSError) and error.errno in _NO_FAULT):
            raise
        store.fail(job, error)
        summary.states[job] = "failed"
        log(f"{number} failed: {describe(job)}: {error}")


def _do_again(error: CorruptJobError, store: Store, summary: RunSummary, log: Callable[[str], object]) -> None:
    """Set a finished job aside whose files cannot be read, and forget that it is finished."""
    summary.redone.add(error.job)
    summary.states.pop(error.job, None)
    with store.locked(error.job.name) as mine:
        if mine and store.at(error.job).exists():
            log(f"{describe(error.job)} is done again, its files are in {store.set_aside(store.at(error.job))}: {error}")


def _state(job: Job, store: Store, summary: RunSummary) -> State | None:
    """The state of a job that need not or cannot be executed."""
    if store.result(job) is not None:
        return "finished"
    return "blocked" if any(summary.states.get(needed) in ("failed", "blocked") for needed in dependencies(job)) else None


def record_pending(jobs: Iterable[Job], store: Store, summary: RunSummary) -> None:
    """Record the states of the jobs that there was no time for, in an order in which they can be executed."""
    for job in jobs:
        if job not in summary.states:
            summary.states[job] = _state(job, store, summary) or "pending"
