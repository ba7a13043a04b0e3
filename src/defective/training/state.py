"""The state of a training run on disk, so that a killed run goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from defective.errors import InputError
from defective.files import read_tensors, write_tensors
from defective.machine import world


class TrainingState:
    """Weights, momentum, history and, if asked for, the best weights so far; written whole after each epoch.

    Args:
        model, optimizer: What is trained.
        file: Where to keep the state; None keeps it in memory only.
        key: Identity of the run.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, file: Path | None, key: str) -> None:
        self.model, self.optimizer, self.file, self.key = model, optimizer, file, key
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}

    def resume(self) -> None:
        """Go on from the file if there is one.

        Raises:
            InputError: If the file is of another run.
        """
        if self.file is None or not self.file.exists():
            return
        tensors, about = read_tensors(self.file)
        if about.get("key") != self.key:
            raise InputError(f"{self.file} is the state of another training run: choose another folder, or delete it")
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "momentum": {}, "best": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        self.model.load_state_dict(parts["model"])
        for index, parameter in self._parameters():
            if str(index) in parts["momentum"]:
                buffer = torch.empty_like(parameter).copy_(parts["momentum"][str(index)])
                self.optimizer.state[parameter]["momentum_buffer"] = buffer
        self.best, self.history = parts["best"], about["history"]

    def end_epoch(self, row: dict[str, Any], *, keep_best: bool) -> None:
        """Record an epoch and write the state."""
        if keep_best and row["test_accuracy"] > max((past["test_accuracy"] for past in self.history), default=-1.0):
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
        self.history.append(row)
        if self.file is None or world()[0] > 0:
            return
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, parameter in self._parameters():
            buffer = self.optimizer.state[parameter].get("momentum_buffer")
            # None without momentum, and absent for a frozen parameter.
            if buffer is not None:
                tensors[f"momentum.{index}"] = buffer
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        write_tensors(self.file, tensors, {"key": self.key, "history": self.history})

    def _parameters(self) -> Iterator[tuple[int, Tensor]]:
        yield from enumerate(self.optimizer.param_groups[0]["params"])

    def finish(self) -> None:
        """Put the best weights in, if they were kept."""
        if self.best:
            self.model.load_state_dict(self.best)
