"""Nets trained for fewer epochs than those they are compared with: a comparison of the two would be one of schedules."""

from typing import Any

from defective.campaign.describe import title
from defective.campaign.store import name_of
from defective.paper import Cell
from defective.specs import CraftJob, NoiseJob, ShuffleJob, TrainJob

Entry = dict[str, Any]


def trained_less(left: Cell, right: Cell) -> list[Entry]:
    """That of two measured nets which saw fewer epochs: its ``job`` and ``net``, its ``epochs`` and those of the ``other``."""
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
    """The net that a number is about; a crafted set is of no single one."""
    match cell.job:
        case TrainJob():
            return cell.job
        case CraftJob():
            return None
        case NoiseJob() | ShuffleJob():
            return cell.job.targets[int(cell.value.partition("/")[0])]
    return cell.job.target
