"""The control of equal accuracy: checkpoints of a plain model on what a defective one is attacked with.

A model that was trained less is less accurate and looks more robust, defective or not. So beside the rate of each defective model stands
that of a plain model of the same architecture at the same accuracy, between two of its checkpoints.
"""

from functools import lru_cache

from defective.paper.exhibit import Cell
from defective.specs import NetSpec, ScoreJob, TrainJob

# Denominators of rates that are controlled.
CONTROLLED = ("paper", "all")


def controls(cell: Cell, seed: int) -> tuple[ScoreJob, ...]:
    """A plain model's light checkpoints, by epoch, and the whole model, on the adversarial set of a defective model.

    Args:
        cell: A number of an exhibit.
        seed: Seed of the plain model.

    Returns:
        None for numbers of other kinds: white-box attacks, models without defects, models trained on attacked images.
    """
    job = cell.job
    if not isinstance(job, ScoreJob) or cell.value not in CONTROLLED or not job.target.net.defects or job.target.recipe.adversarial:
        return ()
    return tuple(ScoreJob(target=run, adversarial=job.adversarial) for run in _plain_runs(job.target, seed))


# Each once: what takes time is the hash of a new one.
@lru_cache(4096)
def _plain_runs(target: TrainJob, seed: int) -> tuple[TrainJob, ...]:
    plain = target.model_copy(update={"net": NetSpec(arch=target.net.arch), "seed": seed, "mask_seed": seed})
    return (*light_checkpoints(plain), plain)


def light_checkpoints(job: TrainJob) -> list[TrainJob]:
    """The jobs that leave the light checkpoints of a run, by epoch."""
    return [job.model_copy(update={"recipe": job.recipe.changed(stop_after=epochs)}) for epochs in job.light_epochs]
