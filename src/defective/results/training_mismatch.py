"""Models trained for fewer epochs than what they are compared with: their difference may be one of training alone."""

from defective.experiments.describe import title
from defective.experiments.store import name_of
from defective.paper import Cell
from defective.results.documents import TrainingMismatch
from defective.specs import GenerateJob, NoiseJob, ShuffleJob, TrainJob


def training_mismatch(left: Cell, right: Cell) -> TrainingMismatch | None:
    """The one of two measured models that was trained for fewer epochs; None if both were trained equally long."""
    one, other = _model(left), _model(right)
    if one is None or other is None or one.recipe.trained_epochs == other.recipe.trained_epochs:
        return None
    less, more = sorted((one, other), key=lambda model: model.recipe.trained_epochs)
    return TrainingMismatch(
        job=name_of(less),
        model=f"{title(less)} on {less.data}",
        epochs=less.recipe.trained_epochs,
        other_epochs=more.recipe.trained_epochs,
    )


def _model(cell: Cell) -> TrainJob | None:
    """The model that a number is about; an adversarial set belongs to none alone."""
    match cell.job:
        case TrainJob():
            return cell.job
        case GenerateJob():
            return None
        case NoiseJob() | ShuffleJob():
            return cell.job.targets[int(cell.value.partition("/")[0])]
    return cell.job.target
