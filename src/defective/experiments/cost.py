"""What jobs will cost in time and disk: images and passes of each, times what a pass of an image costs its model."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from math import prod
from statistics import median
from typing import Any, NamedTuple

import torch

from defective.experiments.describe import describe
from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.models import create_model
from defective.paper import exhibits
from defective.specs import AttackSpec, DecisionJob, GenerateJob, Job, NoiseJob, ScoreJob, ShuffleJob, TrainJob

# Name of a data set to (C, H, W) of its images.
Shapes = Mapping[str, tuple[int, int, int]]


class ImageCost(NamedTuple):
    """Seconds that one image costs a model.

    Attributes:
        train: In a training step.
        gradient: In one gradient step of an attack.
        forward: In a forward pass.
    """

    train: float
    gradient: float
    forward: float


# What an image costs each model; a KeyError if that is not known.
Costs = Callable[[TrainJob], ImageCost]


def estimate(job: Job, costs: Costs, counts: Mapping[str, tuple[int, int]]) -> float:
    """Seconds that a job will take; ``counts`` are the training and test images of each data set.

    Raises:
        KeyError: If the cost of one of its models, or the size of its data set, is not known.
    """
    match job:
        case TrainJob(whole=TrainJob()):
            # Its file is copied.
            return 0.1
        case TrainJob():
            images, tested = counts[job.data]
            steps = 0.0 if job.recipe.adversarial is None else float(job.recipe.adversarial.parameters.get("steps", 1))
            each = costs(job)
            return job.recipe.trained_epochs * (images * (each.train + steps * each.gradient) + tested * each.forward)
        case GenerateJob():
            return job.samples * (_gradients(job.attack) + 1) * sum(costs(net).gradient for net in job.sources)
        case ScoreJob():
            # Clean and attacked images, and their reading.
            return job.adversarial.samples * 3 * costs(job.target).forward
        case DecisionJob():
            numbers = job.attack.parameters
            queries = float(numbers["steps"]) * float(numbers.get("directions", 1))
            # Beside the forward pass of a query, its image is proposed and projected.
            return job.samples * queries * 1.5 * costs(job.target).forward
        case NoiseJob() | ShuffleJob():
            corrupted = len(job.strengths) * job.samples
            return sum((counts[net.data][1] + corrupted) * costs(net).forward for net in job.targets)


def _gradients(attack: AttackSpec) -> float:
    """Gradients that an attack takes of each image."""
    numbers = attack.parameters
    each = numbers.get("scales", 1) * (1 + numbers.get("neighbors", 0))
    return float(numbers.get("steps", 1) * numbers.get("search_steps", 1) * each)


def each_job(plan: Plan, store: Store, costs: Costs, device: str) -> list[dict[str, Any]]:
    """Every job of a plan: its name as ``job``, what it is ``about``, whether it is ``stored``, ``seconds`` and ``bytes``.

    The seconds of a stored job are those that it took; the others are estimated, and corrected by what stored jobs of their kind took
    on this kind of device, as ``"cpu"``.
    """
    took: dict[str, list[float]] = {}
    for name, job in store.specs():
        result = store.result(name)
        copied = isinstance(job, TrainJob) and job.whole is not None
        if result and not copied and result["kind_of_device"] == device:
            # Jobs of other data sets and models tell nothing of these.
            with suppress(KeyError):
                took.setdefault(job.kind, []).append(result["seconds"] / estimate(job, costs, plan.counts))

    def seconds(job: Job) -> float:
        return estimate(job, costs, plan.counts) * median(took.get(job.kind) or [1.0])

    return [
        {
            "job": job.name,
            "about": describe(job),
            "stored": result is not None,
            "seconds": seconds(job) if result is None else result["seconds"],
            "bytes": disk(job, plan.images),
        }
        for job, result in ((job, store.result(job)) for job in plan.jobs)
    ]


def outline(plan: Plan, jobs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a run would do with the jobs of :func:`each_job`, by exhibit; one that several share counts for the first of them.

    For each exhibit ``exhibit`` and ``title``; how many jobs ``train``, ``generate`` and ``score``; how many are ``stored``; estimated
    ``seconds`` and ``bytes`` of the others.
    """
    left = dict(zip(plan.jobs, jobs, strict=True))
    rows: list[dict[str, Any]] = []
    for exhibit in exhibits(list(plan.exhibits)):
        own = {job: left.pop(job) for job in plan.jobs_of(exhibit) if job in left}
        kinds = Counter(job.kind if job.kind in ("train", "generate") else "score" for job in own)
        new = [job for job in own.values() if not job["stored"]]
        rows.append(
            {
                "exhibit": exhibit.name,
                "title": exhibit.title,
                **{kind: kinds[kind] for kind in ("train", "generate", "score")},
                "stored": len(own) - len(new),
                "seconds": sum(job["seconds"] for job in new),
                "bytes": sum(job["bytes"] for job in new),
            }
        )
    return rows


def disk(job: Job, shapes: Shapes) -> float:
    """Estimated bytes that a job leaves."""
    match job:
        case TrainJob():
            size = 4.0 * _parameters(job.net.arch, job.recipe.width_mult)
            if job.whole is not None:
                return size / 2
            return size * (1 + len(job.light_epochs) / 2 if job.net.members == 1 else job.net.members * 2)
        case GenerateJob():
            return float(job.samples * prod(shapes[job.sources[0].data]))
        case _:
            return 4e3


@cache
def _parameters(arch: str, width_mult: float) -> int:
    # Counted, not used: nothing is allocated.
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in create_model(arch, width_mult=width_mult).parameters())
