"""Models trained for fewer epochs than what they are compared with: their difference may be one of training alone."""

from typing import Any

from defective.experiments.describe import title
from defective.experiments.store import name_of
from defective.paper import Cell
from defective.specs import CraftJob, NoiseJob, ShuffleJob, TrainJob

Entry = dict[str, Any]


def training_mismatch(left: Cell, right: Cell) -> list[Entry]:
    """The one of two measured models that was trained for fewer epochs: its ``job``, ``net``, ``epochs`` and those of the ``other``."""
    one, other = _net(left), _net(right)
    if one is None or other is None:
        return []
    less, more = sorted((one, other), key=lambda net: net.recipe.trained_epochs)
    if less.recipe.trained_epochs == more.recipe.trained_epochs:
        return []
    return [
        {
            "job": name_of(less),
            "net": f"{title(less)} on {less.data}",
            "epochs": less.recipe.trained_epochs,
            "other": more.recipe.trained_epochs,
        }
    ]


def _net(cell: Cell) -> TrainJob | None:
    """The model that a number is about; an adversarial set belongs to none alone."""
    match cell.job:
        case TrainJob():
            return cell.job
        case CraftJob():
            return None
        case NoiseJob() | ShuffleJob():
            return cell.job.targets[int(cell.value.partition("/")[0])]
    return cell.job.target
