"""The state of a training run, on disk so that one that was killed or interrupted resumes after an epoch; the average of its weights."""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from defective.errors import InputError
from defective.files import read_tensors, write_tensors
from defective.inference import reported
from defective.machine import rank_and_world_size
from defective.specs.spec import validated


class WeightAverage:
    r"""Exponential moving average of all float tensors of a model's state, weights and running statistics.

    .. math:: \bar w_t = \frac{\sum_{i=1}^{t} d^{t-i} w_i}{\sum_{i=1}^{t} d^{t-i}}

    The weights before the first step have no part in it. The tensors of ``model`` must be changed in place from here on.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.present = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
        self.mean = {name: tensor.clone() for name, tensor in self.present.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the model after its ``step``-th step in, counted from 1."""
        share = (1 - self.decay) / (1 - self.decay**step)
        for name, tensor in self.present.items():
            self.mean[name].lerp_(tensor, share)


class _Document(BaseModel):
    key: str
    history: list[dict[str, float]]


class TrainingState:
    """Weights, optimizer, history and, if asked for, averaged weights and the best so far.

    They are written to ``file`` after an epoch, whole and at least ``every`` seconds apart, or nowhere if it is None; ``key`` identifies
    the run. The averaged weights take the place of the last ones in what the run leaves.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        file: Path | None,
        key: str,
        *,
        average: WeightAverage | None = None,
        every: float = 0.0,
    ) -> None:
        self.model, self.optimizer, self.file, self.key = model, optimizer, file, key
        self.average = {} if average is None else average.mean
        self.every, self._written, self._stored_epochs = every, monotonic(), 0
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}

    def resume(self) -> None:
        """Resume from the file if there is one; a corrupt one is set aside, and the run begins anew."""
        if self.file is None or not self.file.exists():
            return
        before = copy.deepcopy(self.model.state_dict())
        try:
            with reported("it does not fit the run"):
                tensors, about = read_tensors(self.file)
                document = validated(_Document, about)
                if document.key == self.key:
                    self._take(tensors)
        except InputError as error:
            self.model.load_state_dict(before)
            self.optimizer.state.clear()
            set_aside([self.file], f"{error}")
            return
        if document.key != self.key:
            raise InputError(f"{self.file} is the state of another training run: choose another folder, or delete it")
        # As it was written: the numbers of a history are of several types.
        self.history, self._stored_epochs = about["history"], len(about["history"])

    def _take(self, tensors: dict[str, Tensor]) -> None:
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "average": {}, "best": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        if parts["best"]:
            # Only to see that they fit.
            self.model.load_state_dict(parts["best"])
        self.model.load_state_dict(parts["model"])
        optimizer = self.optimizer.state_dict()
        parameters = self.optimizer.param_groups[0]["params"]
        for name, tensor in parts["optimizer"].items():
            number, _, kind = name.partition(".")
            # Laid out as the parameter is, which one kernel for all of them demands.
            laid_out = torch.empty_like(parameters[int(number)]).copy_(tensor)
            optimizer["state"].setdefault(int(number), {})[kind] = laid_out
        self.optimizer.load_state_dict(optimizer)
        if parts["average"].keys() != self.average.keys():
            raise InputError("the averaged weights are those of another model")
        for name, tensor in self.average.items():
            tensor.copy_(parts["average"][name])
        self.best = parts["best"]

    def keep_best(self, test_accuracy: float) -> None:
        """Keep the present weights if no epoch before was as accurate."""
        if test_accuracy > max((past["test_accuracy"] for past in self.history), default=-1.0):
            self.best = _copy(self.model)

    @property
    def outcome(self) -> dict[str, Tensor]:
        """What a run that ends now leaves in place of the last weights; empty for those themselves."""
        return self.best or self.average

    @contextmanager
    def holding(self, tensors: dict[str, Tensor]) -> Iterator[None]:
        """Let the model have these tensors inside the block."""
        present = _copy(self.model) if tensors else {}
        self.put(tensors)
        try:
            yield
        finally:
            self.put(present)

    def put(self, tensors: dict[str, Tensor]) -> None:
        """Load some of the model's tensors."""
        if tensors:
            self.model.load_state_dict(self.model.state_dict() | tensors)

    def end_epoch(self, row: dict[str, Any], *, write: bool = True) -> None:
        """Record an epoch and write the state, if ``write`` says so or the last writing is long enough ago."""
        self.history.append(row)
        if write or monotonic() - self._written >= self.every:
            self.write()

    def write(self) -> None:
        """Write the epochs that are not written yet; to be called between epochs."""
        if self.file is None or self._stored_epochs == len(self.history):
            return
        if rank_and_world_size()[0] == 0:
            parts = {"model": self.model.state_dict(), "average": self.average, "best": self.best}
            for number, state in self.optimizer.state_dict()["state"].items():
                # None without momentum.
                parts[f"optimizer.{number}"] = {kind: tensor for kind, tensor in state.items() if tensor is not None}
            tensors = {f"{part}.{name}": tensor for part, named in parts.items() for name, tensor in named.items()}
            write_tensors(self.file, tensors, {"key": self.key, "history": self.history})
        self._written, self._stored_epochs = monotonic(), len(self.history)

    @property
    def stored(self) -> str:
        """What of the run is on disk, in words."""
        if self._stored_epochs == 0:
            return "no epoch of this training is stored"
        return f"this training is stored up to epoch {self._stored_epochs} in {self.file}"


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def set_aside(files: list[Path], reason: str) -> None:
    """Rename corrupt files of a run, so that they do not stand in its way, and say so in one line."""
    moved = []
    for file in files:
        aside = file.with_name(f"{file.name}.corrupt")
        # Another process of the same run may have been first.
        with suppress(FileNotFoundError):
            file.replace(aside)
            moved.append(str(aside))
    if moved:
        logging.getLogger("defective").warning("training starts again, corrupt files renamed %s: %s", " and ".join(moved), reason)
