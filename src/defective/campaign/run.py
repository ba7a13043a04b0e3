"""Run the jobs of a plan one after another in this process, beside others that work on the same store."""

import errno
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from defective.campaign.describe import describe
from defective.campaign.job import Bench
from defective.campaign.store import Store
from defective.errors import OutOfTime
from defective.progress import check_deadline
from defective.specs import Job, needs

State = Literal["finished", "failed", "blocked", "left"]
# Seconds between two looks at what other processes have finished.
PATIENCE = 1.0


@dataclass
class Tally:
    """What became of the jobs of a plan.

    Attributes:
        states: ``finished``; ``failed``; ``blocked``, as one that it needs failed; ``left``, as the time was out.
        done: Number of jobs that this run did itself.
    """

    states: dict[Job, State] = field(default_factory=dict)
    done: int = 0

    def count(self, state: State) -> int:
        """Number of jobs in a state."""
        return sum(each == state for each in self.states.values())


def run(jobs: Sequence[Job], bench: Bench, say: Callable[[str], object] = lambda line: None) -> Tally:
    """Do what is not finished yet; a job that fails is recorded and the rest goes on.

    Args:
        jobs: In an order in which they can be done (:func:`defective.campaign.plan.in_order`).
        bench: Where to do them.
        say: Is told of each job that is begun and of each that failed, in one line.
    """
    tally = Tally()
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
        for job in pending:
            tally.states.setdefault(job, "finished" if bench.store.result(job) is not None else "left")
    return tally


def attempt(job: Job, bench: Bench, tally: Tally, say: Callable[[str], object]) -> State | None:
    """Do a job if it can be done now; None if it has to wait for another process."""
    if bench.store.result(job) is not None:
        return "finished"
    states = {tally.states.get(needed) for needed in needs(job)}
    if states & {"failed", "blocked"}:
        return "blocked"
    if states - {"finished"}:
        return None
    try:
        with bench.store.working(job) as place:
            if place is None:
                return None
            check_deadline()
            say(describe(job))
            bench.do(job, place)
    except OutOfTime:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            # Nothing more can be kept, not even that it failed.
            raise
        bench.store.fail(job, error)
        say(f"failed: {describe(job)}: {error}")
        return "failed"
    tally.done += 1
    return "finished"


def todo(jobs: Sequence[Job], store: Store) -> list[Job]:
    """The jobs that are not finished."""
    return [job for job in jobs if store.result(job) is None]
