"""Per-image results behind a stored number, so that numbers on the same images are paired."""

from collections.abc import Hashable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from defective.errors import InputError
from defective.evaluation.transfer import eligible_images
from defective.experiments.copy import IMAGE_OUTCOMES
from defective.experiments.store import Store
from defective.files import read_tensors
from defective.paper import Cell
from defective.specs import DecisionJob, GenerateJob, NoiseJob, ScoreJob, ShuffleJob, TrainJob, trained_models
from defective.statistics import Rate, Term


class PerImage(NamedTuple):
    """Values and eligible ``(N,)`` over the test set of this name: success, or for S(M) the logarithm of the squared distance."""

    values: Any
    eligible: Any
    images: str


def rate_term(weight: float, model: Hashable, seed: int, rate: Rate, found: PerImage | None) -> Term:
    """A rate as a term of a contrast, with its per-image results if there are any."""
    return Term.counted(weight, model, seed, rate) if found is None else Term(weight, model, seed, *found)


def per_image(cell: Cell, store: Store) -> PerImage | None:
    """The per-image results behind a number of a finished job; None without them."""
    try:
        index, values, eligible = _read(cell, store)
    except InputError:
        return None
    models = trained_models(cell.job)
    tested = (result["values"]["test_accuracy"]["num_evaluated"] for model in models if (result := store.result(model)))
    size = max([int(index.max()) + 1 if len(index) else 0, *tested])
    values, eligible = (torch.zeros(size, dtype=each.dtype).index_put((index,), each) for each in (values, eligible))
    return PerImage(values.numpy(), eligible.numpy(), models[0].data)


def _read(cell: Cell, store: Store) -> tuple[Tensor, Tensor, Tensor]:
    """Index in the test set, value and eligible of each image that was drawn."""
    job, value = cell.job, cell.value
    if isinstance(job, GenerateJob):
        made = _images(job, store)
        return made["index"], made["predicted"] != made["y"], torch.ones_like(made["y"], dtype=torch.bool)
    found, _ = read_tensors(store.at(job) / "outcome.safetensors")
    match job:
        case TrainJob() if value == "test_accuracy":
            correct = found["correct"]
            return torch.arange(len(correct)), correct, torch.ones_like(correct)
        case NoiseJob() | ShuffleJob():
            return found["index"], found[value], torch.ones_like(found[value])
        case DecisionJob():
            moved = found["started"] & (found["squared"] > 0)
            return found["index"], found["squared"].double().log().where(moved, 0), moved
        case ScoreJob():
            made = _images(job.adversarial, store)
            if torch.equal(made["index"], found["index"]):
                if value == "same-class":
                    return found["index"], found["attacked"] == made["predicted"], made["predicted"] != made["y"]
                eligible = eligible_images(value, found["clean"] == made["y"], made["predicted"] != made["y"])
                return found["index"], found["attacked"] == made["y"], eligible
    # The adversarial images have been generated again since, from other images.
    raise InputError(f"{job.kind} has no per-image results")


def _images(job: GenerateJob, store: Store) -> dict[str, Tensor]:
    found, _ = read_tensors(store.at(job) / "images.safetensors", IMAGE_OUTCOMES)
    return found
