"""Correlation of two stored rates through the images that both were measured on."""

from functools import lru_cache

import torch
from torch import Tensor

from defective.errors import InputError
from defective.evaluation.transfer import eligible_images
from defective.experiments.store import Store
from defective.files import read_tensors
from defective.paper import Cell
from defective.specs import NoiseJob, ScoreJob, ShuffleJob, trained_models
from defective.statistics import correlation

# Index of each image in the test set, and whether it was a success and is eligible.
_PerImage = tuple[Tensor, Tensor, Tensor]
# Results kept in memory; a claim compares a few rows over and over.
_KEPT = 256


class PairedComparison:
    """Correlations of the rates in a store, see :func:`defective.statistics.correlation`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._per_image = lru_cache(_KEPT)(self._read)

    def correlation(self, left: Cell, right: Cell) -> float:
        """Of two cells, over the test images eligible for both; 0 without such images or without per-image results."""
        if {net.data for net in trained_models(left.job)} != {net.data for net in trained_models(right.job)}:
            return 0.0
        one, other = self._per_image(left), self._per_image(right)
        if one is None or other is None:
            return 0.0
        size = 1 + max(int(index.max()) if len(index) else 0 for index, _, _ in (one, other))
        return correlation(_spread(one, size), _spread(other, size))

    def _read(self, cell: Cell) -> _PerImage | None:
        try:
            match cell.job:
                case ScoreJob():
                    return self._scored(cell.job, cell.value)
                case NoiseJob() | ShuffleJob():
                    found, _ = read_tensors(self._store.at(cell.job) / "outcome.safetensors", (cell.value, "index"))
                    return found["index"], found[cell.value], torch.ones_like(found[cell.value])
        except InputError:
            # A store may be copied without its images.
            return None
        return None

    def _scored(self, job: ScoreJob, denominator: str) -> _PerImage | None:
        outcome, _ = read_tensors(self._store.at(job) / "outcome.safetensors")
        adversarial, _ = read_tensors(self._store.at(job.adversarial) / "images.safetensors", ("y", "predicted", "index"))
        if not torch.equal(adversarial["index"], outcome["index"]):
            # The adversarial images have been generated again since, from other images.
            return None
        y = adversarial["y"]
        eligible = eligible_images(denominator, outcome["clean"] == y, adversarial["predicted"] != y)
        return outcome["index"], outcome["attacked"] == y, eligible


def _spread(found: _PerImage, size: int) -> tuple[Tensor, Tensor]:
    """Success and eligible of the first ``size`` test images; those that were not drawn are not eligible."""
    index, *both = found
    success, eligible = (torch.zeros(size, dtype=torch.bool).index_put((index,), each) for each in both)
    return success, eligible
