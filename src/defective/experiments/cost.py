"""What jobs will cost in time and disk: images and passes of each, times what a pass of an image costs its model."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from statistics import median
from typing import Any, NamedTuple, Protocol

from defective.experiments.describe import describe
from defective.experiments.plan import Plan
from defective.experiments.store import Store, name_of
from defective.paper import exhibits
from defective.specs import AttackSpec, DecisionJob, GenerateJob, Job, NoiseJob, ScoreJob, ShuffleJob, TrainJob

# Cost of one training image, in those of a ResNet-18 at a quarter of its width on 32 x 32 pixels; measured on one CPU core.
_RELATIVE = {"resnet18": 1.0, "resnet50": 2.9, "densenet121": 3.6, "senet18": 1.1, "vgg19": 0.6, "wrn32_4": 1.7}
_MILLION_PARAMETERS = {"resnet18": 11.2, "resnet50": 23.5, "densenet121": 7.0, "senet18": 11.3, "vgg19": 20.0, "wrn32_4": 7.4}
# Of these a second, where nothing can be measured: on two CPU cores, and on one GPU (a guess).
RATES = {"cpu": 1600.0, "cuda": 200_000.0}


# Name of a data set to (C, H, W) of its images, and to its numbers of training and of test images.
Shapes = Mapping[str, tuple[int, int, int]]
Counts = Mapping[str, tuple[int, int]]


class ImageCost(NamedTuple):
    """What one image costs a model.

    Attributes:
        train: In a training step.
        gradient: In one gradient step of an attack.
        forward: In a forward pass.
    """

    train: float
    gradient: float
    forward: float


class Costs(Protocol):
    """What an image costs each model, on one kind of device."""

    @property
    def device(self) -> str:
        """Kind of device, as ``"cpu"``."""

    def __call__(self, net: TrainJob, /) -> ImageCost:
        """The cost for one model; a KeyError if it is not known."""


@dataclass(frozen=True)
class Nominal:
    """Seconds from the constants of this module, for tables that are written on another machine than the one they are about.

    Args:
        shapes: Name of a data set to ``(C, H, W)`` of its images.
        device: Kind of device, as ``"cpu"``.
    """

    shapes: Shapes
    device: str

    def __call__(self, net: TrainJob) -> ImageCost:
        pixels = prod(self.shapes[net.data][1:]) / 1024
        # ImageNet models begin with a stride and a max-pool.
        pixels = pixels / 16 if pixels > 16 else pixels
        width = float((net.recipe.width_mult / 0.25) ** 1.5)
        weight = _RELATIVE[net.net.arch] * pixels * width * (2.5 if net.net.widen else 1.0) * net.net.members
        seconds = weight / RATES.get(self.device, RATES["cpu"])
        return ImageCost(seconds, seconds, seconds / 3)


def estimate(job: Job, costs: Callable[[TrainJob], ImageCost], counts: Counts) -> float:
    """Seconds that a job will take.

    Args:
        job: The job.
        costs: What an image costs each of its models.
        counts: Name of a data set to its numbers of training and of test images.

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


def each_job(plan: Plan, store: Store, costs: Costs) -> list[dict[str, Any]]:
    """Every job of a plan: its name as ``job``, what it is ``about``, whether it is ``stored``, ``seconds`` and ``bytes``.

    The seconds of a stored job are those that it took, the others are estimated.
    """
    results = {job: store.result(job) for job in plan.jobs}
    takes = seconds([job for job, result in results.items() if result is None], store, costs, plan.counts)
    return [
        {
            "job": name_of(job),
            "about": describe(job),
            "stored": result is not None,
            "seconds": takes[job] if result is None else result["seconds"],
            "bytes": disk(job, plan.images),
        }
        for job, result in results.items()
    ]


def outline(plan: Plan, jobs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a run would do, exhibit by exhibit; a job that several share counts for the first of them.

    Args:
        plan: What is asked for.
        jobs: Its jobs, as :func:`each_job` lists them.

    Returns:
        For each exhibit: ``exhibit``, ``title``; how many jobs ``train``, ``generate`` and ``score``; how many are ``stored``; estimated
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


def seconds(jobs: Iterable[Job], store: Store, costs: Costs, counts: Counts) -> dict[Job, float]:
    """Estimated seconds of each job, corrected by what finished jobs of its kind took on this kind of device."""
    took: dict[str, list[float]] = {}
    for name, job in store.specs():
        result = store.result(name)
        copied = isinstance(job, TrainJob) and job.whole is not None
        if result and not copied and result["kind_of_device"] == costs.device:
            # Jobs of other data sets and models tell nothing of these.
            with suppress(KeyError):
                took.setdefault(job.kind, []).append(result["seconds"] / estimate(job, costs, counts))
    return {job: estimate(job, costs, counts) * median(took.get(job.kind) or [1.0]) for job in jobs}


def disk(job: Job, shapes: Shapes) -> float:
    """Estimated bytes that a job leaves."""
    match job:
        case TrainJob():
            size = 4e6 * _MILLION_PARAMETERS[job.net.arch] * job.recipe.width_mult**2
            if job.whole is not None:
                return size / 2
            return size * (1 + len(job.light_epochs) / 2 if job.net.members == 1 else job.net.members * 2)
        case GenerateJob():
            # Its chunks stay beside it until they are pruned.
            return float(2 * job.samples * prod(shapes[job.sources[0].data]))
        case _:
            return 4e3
