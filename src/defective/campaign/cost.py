"""What jobs will cost in time and disk: measured rates of a small machine, corrected by what like jobs in the store took."""

from collections.abc import Iterable, Mapping
from math import prod
from statistics import median
from typing import Any

from defective.campaign.describe import describe
from defective.campaign.plan import SIZES, Plan
from defective.campaign.store import Store, name_of
from defective.paper import exhibits
from defective.specs import CraftJob, DecisionJob, Job, NoiseJob, ScoreJob, ShuffleJob, TrainJob, nets_of

# Cost of one training image, in those of a ResNet-18 at a quarter of its width on 32 x 32 pixels; measured on one core of a small machine.
_RELATIVE = {"resnet18": 1.0, "resnet50": 2.9, "densenet121": 3.6, "senet18": 1.1, "vgg19": 0.6, "wrn32_4": 1.7}
_MILLION_PARAMETERS = {"resnet18": 11.2, "resnet50": 23.5, "densenet121": 7.0, "senet18": 11.3, "vgg19": 20.0, "wrn32_4": 7.4}
# Of these a second: measured on two cores; a guess for a GPU until a store has jobs done on one.
RATES = {"cpu": 1600.0, "cuda": 200_000.0}

Shapes = Mapping[str, tuple[int, int, int]]
Counts = Mapping[str, tuple[int, int]]


def work(job: Job, shapes: Shapes, counts: Counts | None = None) -> float:
    """Amount of work in a job, in training images of a quarter-width ResNet-18.

    Args:
        job: The job.
        shapes: Name of a data set to ``(C, H, W)`` of its images.
        counts: Name of a data set to its numbers of training and of test images; default those of the official set of this image size.
    """
    match job:
        case TrainJob():
            images, tested = _size(job, shapes, counts)
            passes = 1.0 if job.recipe.adversarial is None else 1 + float(job.recipe.adversarial.parameters.get("steps", 1))
            return job.recipe.trained_epochs * (images * passes + tested / 3) * _weight(job, shapes)
        case CraftJob():
            numbers = job.attack.parameters
            passes = float(numbers.get("steps", 1)) * float(numbers.get("search_steps", 1))
            return job.samples * (passes + 1) * sum(_weight(net, shapes) for net in job.sources)
        case ScoreJob():
            return job.crafted.samples * _weight(job.target, shapes)
        case DecisionJob():
            numbers = job.attack.parameters
            return job.samples * float(numbers["steps"]) * float(numbers.get("directions", 1)) * _weight(job.target, shapes) / 2
        case NoiseJob() | ShuffleJob():
            levels = len(job.sigmas if isinstance(job, NoiseJob) else job.grids)
            return sum((_size(net, shapes, counts)[1] + levels * job.samples) * _weight(net, shapes) / 3 for net in job.targets)


def outline(plan: Plan, store: Store, device: str) -> list[dict[str, Any]]:
    """What a run would do, exhibit by exhibit; a job that several share counts for the first of them.

    Args:
        plan: What is asked for.
        store: What is there.
        device: Kind of device, as ``"cpu"``.

    Returns:
        For each exhibit: ``exhibit``, ``title``; how many jobs ``train``, ``craft`` and ``score``; how many are ``stored``; estimated
        ``seconds`` and ``bytes`` of the others.
    """
    costs = seconds(plan.jobs, store, plan.images, device, plan.counts)
    missing = {job for job in plan.jobs if store.result(job) is None}
    seen: set[Job] = set()
    rows: list[dict[str, Any]] = []
    for exhibit in exhibits(list(plan.exhibits)):
        jobs = [job for job in plan.jobs_of(exhibit) if job not in seen]
        seen |= set(jobs)
        new = [job for job in jobs if job in missing]
        rows.append(
            {
                "exhibit": exhibit.name,
                "title": exhibit.title,
                **{kind: sum(job.kind == kind for job in jobs) for kind in ("train", "craft")},
                "score": sum(job.kind not in ("train", "craft") for job in jobs),
                "stored": len(jobs) - len(new),
                "seconds": sum(costs[job] for job in new),
                "bytes": sum(disk(job, plan.images) for job in new),
            }
        )
    return rows


def each_job(plan: Plan, store: Store, device: str) -> list[dict[str, Any]]:
    """Every job of a plan: its name as ``job``, what it is ``about``, whether it is ``stored``, estimated ``seconds`` and ``bytes``."""
    costs = seconds(plan.jobs, store, plan.images, device, plan.counts)
    missing = {job for job in plan.jobs if store.result(job) is None}
    return [
        {
            "job": name_of(job),
            "about": describe(job),
            "stored": job not in missing,
            "seconds": costs[job],
            "bytes": disk(job, plan.images),
        }
        for job in plan.jobs
    ]


def seconds(jobs: Iterable[Job], store: Store, shapes: Shapes, device: str, counts: Counts | None = None) -> dict[Job, float]:
    """Estimated seconds of each job."""
    took: dict[str, list[float]] = {}
    for name, job in store.specs():
        result = store.result(name)
        if result and all(net.data in shapes for net in nets_of(job)) and result.get("kind_of_device") == device:
            took.setdefault(job.kind, []).append(result["seconds"] / work(job, shapes, counts))
    return {
        job: work(job, shapes, counts) * (median(took[job.kind]) if job.kind in took else 1 / RATES.get(device, RATES["cpu"]))
        for job in jobs
    }


def disk(job: Job, shapes: Shapes) -> float:
    """Estimated bytes that a job leaves."""
    match job:
        case TrainJob():
            size = 4e6 * _MILLION_PARAMETERS[job.net.arch] * job.recipe.width_mult**2
            return size * (1 if job.net.members == 1 else job.net.members * 2)
        case CraftJob():
            # Its pieces stay beside it until they are cleaned up.
            return float(2 * job.samples * prod(shapes[job.sources[0].data]))
        case _:
            return 4e3


def _size(job: TrainJob, shapes: Shapes, counts: Counts | None) -> tuple[int, int]:
    """Training and test images; where they are not known, as in the official set of this image size."""
    if counts and job.data in counts:
        return counts[job.data]
    channels, height, _ = shapes[job.data]
    kind = "mnist" if channels == 1 else "cifar10" if height < 48 else "tiny-imagenet" if height < 128 else "imagenet"
    return SIZES[kind]


def _weight(job: TrainJob, shapes: Shapes) -> float:
    pixels = prod(shapes[job.data][1:]) / 1024
    # ImageNet nets begin with a stride and a max-pool.
    pixels = pixels / 16 if pixels > 16 else pixels
    width = float((job.recipe.width_mult / 0.25) ** 1.5)
    return _RELATIVE[job.net.arch] * pixels * width * (2.5 if job.net.widen else 1.0) * job.net.members
