"""What became of each image of a stored number, so that numbers on the same images are paired."""

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from defective.errors import InputError
from defective.evaluation.transfer import eligible_images
from defective.experiments.store import Store
from defective.files import read_tensors
from defective.paper import Cell
from defective.specs import DecisionJob, GenerateJob, Job, NoiseJob, ScoreJob, ShuffleJob, TrainJob, trained_models

# Results kept in memory; claims compare a few rows over and over.
_KEPT = 4096


class PerImage(NamedTuple):
    """Values and eligible ``(N,)`` over the test set of this name: success, or for S(M) the logarithm of the squared distance."""

    values: Any
    eligible: Any
    images: str


class PerImageReader:
    """Reads the per-image results behind the numbers of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.of = lru_cache(_KEPT)(self._of)

    def _of(self, cell: Cell) -> PerImage | None:
        """Of a finished job; None without per-image results, as in a store copied without them."""
        try:
            index, values, eligible = self._read(cell.job, cell.value)
        except InputError:
            return None
        [data] = {model.data for model in trained_models(cell.job)}
        size = max(self._test_images(cell.job), int(index.max()) + 1 if len(index) else 0)
        values, eligible = (torch.zeros(size, dtype=each.dtype).index_put((index,), each) for each in (values, eligible))
        return PerImage(values.numpy(), eligible.numpy(), data)

    def _test_images(self, job: Job) -> int:
        results = (self._store.result(model) for model in trained_models(job))
        return max((result["values"]["test_accuracy"]["num_evaluated"] for result in results if result is not None), default=0)

    def _read(self, job: Job, value: str) -> tuple[Tensor, Tensor, Tensor]:
        """Index in the test set, value and eligible of each image that was drawn."""
        if isinstance(job, GenerateJob):
            made = self._images(job)
            return made["index"], made["predicted"] != made["y"], torch.ones_like(made["y"], dtype=torch.bool)
        found, _ = read_tensors(self._store.at(job) / "outcome.safetensors")
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
                made = self._images(job.adversarial)
                if torch.equal(made["index"], found["index"]):
                    if value == "same-class":
                        return found["index"], found["attacked"] == made["predicted"], made["predicted"] != made["y"]
                    eligible = eligible_images(value, found["clean"] == made["y"], made["predicted"] != made["y"])
                    return found["index"], found["attacked"] == made["y"], eligible
        # The adversarial images have been generated again since, from other images.
        raise InputError(f"{job.kind} has no per-image results")

    def _images(self, job: GenerateJob) -> dict[str, Tensor]:
        found, _ = read_tensors(self._store.at(job) / "images.safetensors", ("y", "predicted", "index"))
        return found
