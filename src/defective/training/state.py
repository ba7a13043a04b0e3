"""The state of a training run on disk, so that a killed run goes on."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import Tensor, nn

from defective.errors import InputError
from defective.files import read_tensors, write_tensors
from defective.machine import rank_and_world_size


class TrainingState:
    """Weights, momentum, history and, if asked for, the best weights so far; written whole after each epoch and at a deadline.

    Args:
        model, optimizer: What is trained.
        file: Where to keep the state; None keeps it in memory only.
        key: Identity of the run.
        every: Least seconds between two states written after epochs.

    Attributes:
        begun: What an epoch that was broken off needs to go on; empty between epochs.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, file: Path | None, key: str, *, every: float = 0.0
    ) -> None:
        self.model, self.optimizer, self.file, self.key = model, optimizer, file, key
        self.every, self._written, self._behind = every, monotonic(), False
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}
        self.begun: dict[str, Tensor] = {}

    def resume(self) -> None:
        """Go on from the file if there is one.

        Raises:
            InputError: If the file is of another run, or several processes are to go on within an epoch that one of them began.
        """
        if self.file is None or not self.file.exists():
            return
        tensors, about = read_tensors(self.file)
        if about.get("key") != self.key:
            raise InputError(f"{self.file} is the state of another training run: choose another folder, or delete it")
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "momentum": {}, "best": {}, "begun": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        if parts["begun"] and rank_and_world_size()[1] > 1:
            raise InputError(f"{self.file} stops within an epoch, which one process must finish: go on without torchrun first")
        self.model.load_state_dict(parts["model"])
        for index, parameter in self._parameters():
            if str(index) in parts["momentum"]:
                buffer = torch.empty_like(parameter).copy_(parts["momentum"][str(index)])
                self.optimizer.state[parameter]["momentum_buffer"] = buffer
        self.best, self.begun, self.history = parts["best"], parts["begun"], about["history"]

    def end_epoch(self, row: dict[str, Any], *, keep_best: bool, write: bool = True) -> None:
        """Record an epoch and write the state, if ``write`` says so or the last writing is long enough ago."""
        if keep_best and row["test_accuracy"] > max((past["test_accuracy"] for past in self.history), default=-1.0):
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
        self.history.append(row)
        self.begun = {}
        self._behind = True
        if write or monotonic() - self._written >= self.every:
            self._write()

    def catch_up(self) -> None:
        """Write the epochs that are not written yet."""
        if self._behind:
            self._write()

    def break_off(self, begun: dict[str, Tensor]) -> None:
        """Write the state within an epoch, with what that needs to go on."""
        self.begun = begun
        self._write()

    def _write(self) -> None:
        if self.file is None or rank_and_world_size()[0] > 0:
            return
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, parameter in self._parameters():
            buffer = self.optimizer.state[parameter].get("momentum_buffer")
            # None without momentum, and absent for a frozen parameter.
            if buffer is not None:
                tensors[f"momentum.{index}"] = buffer
        for part, held in (("best", self.best), ("begun", self.begun)):
            tensors |= {f"{part}.{name}": tensor for name, tensor in held.items()}
        write_tensors(self.file, tensors, {"key": self.key, "history": self.history})
        self._written, self._behind = monotonic(), False

    def _parameters(self) -> Iterator[tuple[int, Tensor]]:
        yield from enumerate(self.optimizer.param_groups[0]["params"])

    def finish(self) -> None:
        """Put the best weights in, if they were kept."""
        if self.best:
            self.model.load_state_dict(self.best)
