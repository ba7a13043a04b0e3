"""Setups for tests of exhibits, and what exhibits plan."""

from defective.data.official import KINDS
from defective.experiments.plan import Plan, topological_order
from defective.paper import EXHIBITS, Setup
from defective.specs import Job, TrainJob


def setup_of(scale: str, replicate: int = 0) -> Setup:
    """Every kind of data set is the official one."""
    return Plan((), scale, {kind: kind for kind in KINDS}, KINDS, replicate + 1).setups[replicate]


def jobs(setup: Setup, *names: str) -> dict[str, Job]:
    """Every job that exhibits need done, by key."""
    wanted = (cell.job for name in names for cell in EXHIBITS[name].cells(setup).values())
    return {job.key: job for job in topological_order(wanted)}


def nets(setup: Setup, *names: str) -> list[TrainJob]:
    """Every net that exhibits need trained, each once."""
    return [job for job in jobs(setup, *names).values() if isinstance(job, TrainJob)]
