"""Run the jobs of a plan one after another in this process, beside others that work on the same store."""

import errno
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from defective.errors import OutOfTime
from defective.experiments.describe import describe
from defective.experiments.execute import Bench
from defective.experiments.plan import in_order
from defective.experiments.store import Store
from defective.progress import check_deadline, time_is_up
from defective.specs import Job, needs

State = Literal["finished", "failed", "blocked", "left"]
# No fault of the job: nothing more can be kept, not even that it failed, or nobody reads our lines any more.
_NO_FAULT = (errno.ENOSPC, errno.EDQUOT, errno.EPIPE)
# Seconds between two looks at what other processes have finished.
PATIENCE = 1.0


@dataclass
class Tally:
    """What became of the jobs of a plan.

    Attributes:
        states: ``finished``; ``failed``; ``blocked``, as one that it needs failed; ``left``, as there was no time for it or one that it
            needs.
        done: Number of jobs that this run did itself.
    """

    states: dict[Job, State] = field(default_factory=dict)
    done: int = 0

    def count(self, state: State) -> int:
        """Number of jobs in a state."""
        return sum(each == state for each in self.states.values())


def run(jobs: Iterable[Job], bench: Bench, say: Callable[[str], object] = lambda line: None) -> Tally:
    """Do what is not finished yet; a job that fails is recorded and the rest goes on.

    Args:
        jobs: What to do; what they need is done before them.
        bench: Where to do them.
        say: Is told of each job that is begun and of each that failed, in one line.
    """
    tally = Tally()
    jobs = in_order(jobs)
    pending = list(jobs)
    try:
        while pending:
            before = len(pending)
            for job in pending:
                state = attempt(job, bench, tally, lambda line: say(f"[{len(tally.states) + 1}/{len(jobs)}] {line}"))
                if state is not None:
                    tally.states[job] = state
            pending = [job for job in pending if job not in tally.states]
            if pending and len(pending) == before:
                time.sleep(PATIENCE)
                check_deadline()
    except OutOfTime:
        leave(jobs, bench.store, tally)
    return tally


def attempt(job: Job, bench: Bench, tally: Tally, say: Callable[[str], object]) -> State | None:
    """Do a job if it can be done now; None if it has to wait for another process."""
    if bench.store.result(job) is not None:
        return "finished"
    if _blocked(job, tally):
        return "blocked"
    if any(tally.states.get(needed) == "left" for needed in needs(job)):
        return "left"
    if any(tally.states.get(needed) != "finished" for needed in needs(job)):
        return None
    check_deadline()
    with bench.store.working(job) as place:
        if place is None:
            # Another process is at it, or has just finished it.
            return "finished" if bench.store.result(job) is not None else None
        say(describe(job))
        try:
            bench.do(job, place)
        except OutOfTime:
            if time_is_up():
                raise
            # There is time for others.
            say(f"left: {describe(job)}: a piece of it takes about {bench.work.refused:,.0f} s: give it a larger --time-budget")
            return "left"
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NO_FAULT:
                raise
            bench.store.fail(job, error)
            say(f"failed: {describe(job)}: {error}")
            return "failed"
    tally.done += 1
    return "finished"


def leave(jobs: Iterable[Job], store: Store, tally: Tally) -> None:
    """Note what became of the jobs that the time was out for, in an order in which they can be done."""
    for job in jobs:
        if job not in tally.states:
            tally.states[job] = "finished" if store.result(job) is not None else "blocked" if _blocked(job, tally) else "left"


def _blocked(job: Job, tally: Tally) -> bool:
    return any(tally.states.get(needed) in ("failed", "blocked") for needed in needs(job))
