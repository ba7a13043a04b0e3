"""How far two measured rates hang together through the images that both were measured on."""

from functools import lru_cache

import torch
from torch import Tensor

from defective.campaign.store import Store
from defective.errors import InputError
from defective.evaluation.transfer import counted
from defective.files import read_tensors
from defective.paper import Cell
from defective.specs import NoiseJob, ScoreJob, ShuffleJob, nets_of
from defective.statistics import correlation

# Where images lie in the test set, and of each whether the net succeeded and whether it counts.
_Fared = tuple[Tensor, Tensor, Tensor]
# Outcomes that are kept in memory; a claim compares a few rows over and over.
_KEPT = 256


class Pairs:
    """Correlations of the rates in a store, see :func:`defective.statistics.correlation`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._fared = lru_cache(_KEPT)(self._read)

    def correlation(self, left: Cell, right: Cell) -> float:
        """Of two cells, by the test images that both count; 0 where there are none, or it is not known how each image fared."""
        if {net.data for net in nets_of(left.job)} != {net.data for net in nets_of(right.job)}:
            return 0.0
        one, other = self._fared(left), self._fared(right)
        if one is None or other is None:
            return 0.0
        size = 1 + max(int(index.max()) if len(index) else 0 for index, _, _ in (one, other))
        return correlation(_spread(one, size), _spread(other, size))

    def _read(self, cell: Cell) -> _Fared | None:
        try:
            match cell.job:
                case ScoreJob():
                    return self._scored(cell.job, cell.value)
                case NoiseJob() | ShuffleJob():
                    found, _ = read_tensors(self._store.at(cell.job) / "outcome.safetensors", (cell.value, "index"))
                    return found["index"], found[cell.value], torch.ones_like(found[cell.value])
        except (InputError, KeyError):
            # Stores of earlier versions kept only how many images of a curve were right.
            return None
        return None

    def _scored(self, job: ScoreJob, denominator: str) -> _Fared | None:
        outcome, _ = read_tensors(self._store.at(job) / "outcome.safetensors")
        crafted, _ = read_tensors(self._store.at(job.crafted) / "images.safetensors", ("y", "predicted", "index"))
        if not torch.equal(crafted["index"], outcome["index"]):
            # The images were made again since, from others.
            return None
        y = crafted["y"]
        counts = counted(denominator, outcome["clean"] == y, crafted["predicted"] != y)
        return outcome["index"], outcome["attacked"] == y, counts


def _spread(fared: _Fared, size: int) -> tuple[Tensor, Tensor]:
    """Success and counted of the first ``size`` test images; those that were not drawn do not count."""
    index, *both = fared
    success, counted = (torch.zeros(size, dtype=torch.bool).index_put((index,), each) for each in both)
    return success, counted
