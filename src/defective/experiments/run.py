"""Run the jobs of a plan one after another in this process, beside other processes that work on the same store."""

import errno
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from defective.errors import OutOfTime
from defective.experiments.describe import describe
from defective.experiments.execute import ExperimentRunner
from defective.experiments.plan import in_order
from defective.experiments.store import Store
from defective.progress import check_deadline
from defective.specs import Job, needs

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
    """

    states: dict[Job, State] = field(default_factory=dict)
    executed: int = 0

    def count(self, state: State) -> int:
        """Number of jobs in a state."""
        return sum(each == state for each in self.states.values())


def run(jobs: Iterable[Job], runner: ExperimentRunner, log: Callable[[str], object] = lambda line: None) -> RunSummary:
    """Execute what is not finished yet; a job that fails is recorded and the rest goes on.

    Args:
        jobs: What to execute; what they depend on is executed before them.
        runner: Executes them.
        log: Called with one line for each job that begins and for each that failed.
    """
    summary = RunSummary()
    jobs = in_order(jobs)
    waiting = list(jobs)
    try:
        while waiting:
            before = len(waiting)
            for job in waiting:
                state = attempt(job, runner, summary, lambda line: log(f"[{len(summary.states) + 1}/{len(jobs)}] {line}"))
                if state is not None:
                    summary.states[job] = state
            waiting = [job for job in waiting if job not in summary.states]
            if waiting and len(waiting) == before:
                time.sleep(PATIENCE)
                check_deadline()
    except OutOfTime:
        record_pending(jobs, runner.store, summary)
    return summary


def attempt(job: Job, runner: ExperimentRunner, summary: RunSummary, log: Callable[[str], object]) -> State | None:
    """Execute a job if it can be executed now; None if it has to wait for another process.

    Raises:
        OutOfTime: If the deadline has passed.
    """
    if runner.store.result(job) is not None:
        return "finished"
    if _blocked(job, summary):
        return "blocked"
    if any(summary.states.get(needed) != "finished" for needed in needs(job)):
        return None
    check_deadline()
    with runner.store.working(job) as folder:
        if folder is None:
            # Another process is at it, or has just finished it.
            return "finished" if runner.store.result(job) is not None else None
        log(describe(job))
        try:
            runner.execute(job, folder)
        except OutOfTime:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NO_FAULT:
                raise
            runner.store.fail(job, error)
            log(f"failed: {describe(job)}: {error}")
            return "failed"
    summary.executed += 1
    return "finished"


def record_pending(jobs: Iterable[Job], store: Store, summary: RunSummary) -> None:
    """Record the states of the jobs that there was no time for, in an order in which they can be executed."""
    for job in jobs:
        if job not in summary.states:
            finished, blocked = store.result(job) is not None, _blocked(job, summary)
            summary.states[job] = "finished" if finished else "blocked" if blocked else "pending"


def _blocked(job: Job, summary: RunSummary) -> bool:
    return any(summary.states.get(needed) in ("failed", "blocked") for needed in needs(job))
