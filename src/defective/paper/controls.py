"""The control of equal accuracy: checkpoints of a plain model on what a defective one is attacked with.

A model that was trained less is less accurate and looks more robust, defective or not. So beside the rate of each defective model stands
that of a plain model of the same architecture at the same accuracy, between two of its checkpoints.
"""

from functools import lru_cache

from defective.paper.exhibit import Cell
from defective.paper.setup import target_seed
from defective.specs import NetSpec, ScoreJob, TrainJob


def controls(cell: Cell, replicate: int) -> tuple[ScoreJob, ...]:
    """A plain model's light checkpoints, by epoch, and the whole model, of this repetition, on the adversarial set of a defective model.

    There are none for numbers of other kinds: white-box attacks, models without defects, models trained on adversarial examples.
    """
    job = cell.job
    if not isinstance(job, ScoreJob) or cell.value not in ("paper", "all"):
        return ()
    if not job.target.net.defects or job.target.recipe.adversarial:
        return ()
    return tuple(ScoreJob(target=run, adversarial=job.adversarial) for run in _plain_runs(job.target, target_seed(replicate)))


# Each once: what takes time is the hash of a new one.
@lru_cache(4096)
def _plain_runs(target: TrainJob, seed: int) -> tuple[TrainJob, ...]:
    plain = target.model_copy(update={"net": NetSpec(arch=target.net.arch), "seed": seed, "mask_seed": seed})
    light = (plain.model_copy(update={"recipe": plain.recipe.changed(stop_after=epochs)}) for epochs in plain.light_epochs)
    return (*light, plain)
