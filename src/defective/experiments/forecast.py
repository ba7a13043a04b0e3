"""How long a piece of a job will take, so that a time budget is not overrun by the first of them."""

from statistics import median

from defective.evaluation.crafted import CHUNK
from defective.evaluation.decision import images_at_once
from defective.experiments.cost import Counts, Shapes, work
from defective.experiments.store import Store
from defective.specs import CraftJob, DecisionJob, Job, NoiseJob, ScoreJob, ShuffleJob, TrainJob, nets_of


def forecast(job: Job, store: Store, shapes: Shapes, counts: Counts, device: str) -> float:
    """Seconds that the longest piece of a job will take, by what like jobs in the store took; 0 if it is of none or nothing is known.

    Like is a job of the same kind and attack; where there is none, training, whose work is counted in the same unit.

    Args:
        job: The job.
        store: What is there.
        shapes: Name of a data set to ``(C, H, W)`` of its images.
        counts: Name of a data set to its numbers of training and of test images.
        device: Kind of device, as ``"cpu"``.
    """
    if isinstance(job, TrainJob | ScoreJob):
        return 0.0
    took: dict[str, list[float]] = {}
    for name, done in store.specs():
        result = store.result(name)
        gallery = isinstance(done, CraftJob) and done.among
        if result and not gallery and result["kind_of_device"] == device and all(net.data in shapes for net in nets_of(done)):
            took.setdefault(_like(done), []).append(result["seconds"] / work(_cut(done, counts), shapes, counts))
    rates = took.get(_like(job)) or took.get("train", [0.0])
    cut = _cut(job, counts)
    return median(rates) * work(cut, shapes, counts) * _share(cut, device)


def _like(job: Job) -> str:
    return f"{job.kind} {job.attack}" if isinstance(job, CraftJob | DecisionJob) else job.kind


def _cut(job: Job, counts: Counts) -> Job:
    """A job that asks for no more images than there are."""
    if isinstance(job, TrainJob | ScoreJob):
        return job
    _, tested = counts[nets_of(job)[0].data]
    return job.model_copy(update={"samples": min(job.samples, tested)})


def _share(job: Job, device: str) -> float:
    """Of a whole job, what its longest piece is."""
    match job:
        case CraftJob():
            # Of a gallery nearly all the time goes into finding its images, not into the attack on them.
            return 0.0 if job.among else min(1.0, CHUNK / job.samples)
        case DecisionJob():
            return min(1.0, images_at_once(job.attack, device) / job.samples)
        case NoiseJob():
            return 1 / len(job.sigmas)
        case ShuffleJob():
            return 1 / len(job.grids)
    return 1.0
