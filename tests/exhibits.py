"""Setups for tests of exhibits, and what exhibits plan."""

from defective.paper import EXHIBITS, SCALES, Setup
from defective.specs import Job, TrainJob, dependencies
from defective.training.recipes import recipe_for

KINDS = {"cifar10": (3, 32, 32), "mnist": (1, 28, 28), "tiny-imagenet": (3, 64, 64), "imagenet": (3, 224, 224)}


def setup_of(scale: str, replicate: int = 0) -> Setup:
    """Every kind of data set stands for itself."""
    recipes = {kind: recipe_for(scale, kind, shape) for kind, shape in KINDS.items()}
    return Setup(scale=SCALES[scale], data={kind: kind for kind in KINDS}, recipes=recipes, replicate=replicate)


def jobs(setup: Setup, *names: str) -> dict[str, Job]:
    """Every job that exhibits need done, by key."""
    found: dict[str, Job] = {}
    waiting = [cell.job for name in names for cell in EXHIBITS[name].cells(setup).values()]
    while waiting:
        job = waiting.pop()
        if job.key not in found:
            found[job.key] = job
            waiting += dependencies(job)
    return found


def nets(setup: Setup, *names: str) -> list[TrainJob]:
    """Every net that exhibits need trained, each once."""
    return [job for job in jobs(setup, *names).values() if isinstance(job, TrainJob)]
