"""One training step, and the same step recorded as a CUDA graph, which a GPU replays without waiting for Python."""

import logging
from contextlib import suppress
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defective.attacks import Attack
from defective.baselines import drops
from defective.errors import InputError
from defective.inference import NotFiniteError
from defective.machine import autocast, rank_and_world_size, unwrap_model
from defective.sites import architecture_of
from defective.specs import Recipe

# Steps that run as they are before one is recorded: they make the momentum, and let cuDNN and cuBLAS choose and allocate.
WARM_UP = 3
StepResult = tuple[Tensor, Tensor]


class Step:
    """Forward, loss, backward and one step of the optimizer on a batch.

    ``model`` may be wrapped (DDP), and the learning rate of ``optimizer`` a tensor on the device, which a recorded step reads anew each
    time. Of ``recipe`` label smoothing and batch size count.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, device: torch.device, precision: str
    ) -> None:
        self.model, self.optimizer, self.recipe = model, optimizer, recipe
        self.device, self.precision = device, precision

    def set_lr(self, lr: float) -> None:
        """Learning rate of the steps to come."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr

    def __call__(self, x: Tensor, y: Tensor, adversary: Attack | None = None) -> StepResult:
        """Take the step; return the loss before it and the number of images classified correctly, both on the device.

        The images that ``adversary`` makes take the place of ``x``.
        """
        with autocast(self.device, self.precision):
            if adversary is not None:
                # Not through DDP, which knows no gradients with respect to images.
                last = x.is_contiguous(memory_format=torch.channels_last)
                # That training has failed is told by the loss, with the learning rate.
                with suppress(NotFiniteError):
                    x = adversary(unwrap_model(self.model), x, y)
                x = x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
            z = self.model(x)
            loss = F.cross_entropy(z, y, label_smoothing=smoothing(self.recipe.label_smoothing, z.shape[1]))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), (z.detach().argmax(1) == y).sum()


class RecordedStep(Step):
    """A step that is recorded as a CUDA graph after a few batches and replayed from then on.

    A step of ResNet-18 launches about a thousand kernels; replayed they cost one launch. Batches of another size than the
    recipe's, as the last of an epoch, run as they are. If recording fails, all do, and a line in the log says so.
    """

    warm = 0
    given_up = False
    graph: torch.cuda.CUDAGraph | None = None

    @cached_property
    def stream(self) -> torch.cuda.Stream:
        """Where the step is recorded."""
        return torch.cuda.Stream(self.device)

    def __call__(self, x: Tensor, y: Tensor, adversary: Attack | None = None) -> StepResult:
        if self.given_up or adversary is not None or len(x) != self.recipe.batch_size:
            return super().__call__(x, y, adversary)
        if self.warm < WARM_UP:
            self.warm += 1
            return self._aside(x, y)
        if self.graph is None and not self._record(x, y):
            return super().__call__(x, y)
        assert self.graph is not None
        self.x.copy_(x)
        self.y.copy_(y)
        self.graph.replay()
        return self.outcome[0].clone(), self.outcome[1].clone()

    def _aside(self, x: Tensor, y: Tensor) -> StepResult:
        """A step on the stream on which the recording will be made, as that demands."""
        here = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            outcome = super().__call__(x, y)
        here.wait_stream(self.stream)
        return outcome

    def _record(self, x: Tensor, y: Tensor) -> bool:
        """Record the step without taking it; whether that went well."""
        self.x, self.y = x.clone(), y.clone()
        # Gradients made while recording lie where the graph will write them again.
        self.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        try:
            # The outer block makes the present stream the current one again if the end of the recording fails.
            with torch.cuda.stream(torch.cuda.current_stream(self.device)), torch.cuda.graph(graph, stream=self.stream):
                self.outcome = super().__call__(self.x, self.y)
        except RuntimeError as error:
            self.given_up = True
            reason = str(error.__context__ or error).strip().splitlines()
            logging.getLogger(__name__).warning("training continues without a CUDA graph: %s", reason[0] if reason else error)
            return False
        self.graph = graph
        return True


def make_step(model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, device: torch.device, precision: str) -> Step:
    """The step of a training run: recorded where that is possible and certain to compute the same."""
    kind = RecordedStep if recordable(model, recipe, device) else Step
    return kind(model, optimizer, recipe, device, precision)


def recordable(model: nn.Module, recipe: Recipe, device: torch.device) -> bool:
    """Whether a recording of the step is the step.

    A graph repeats what the device did, not what Python did: it is for built-in models, whose code is known, and not for dropout,
    attacks, live neurons or several processes.
    """
    built_in = architecture_of(model) is not None
    same_each_time = recipe.adversarial is None and recipe.neurons == "all" and not drops(model)
    return device.type == "cuda" and rank_and_world_size()[1] == 1 and built_in and same_each_time


def smoothing(label_smoothing: float, classes: int) -> float:
    """The share for :func:`torch.nn.functional.cross_entropy` that spreads ``label_smoothing`` over the other classes alone.

    torch spreads it over all ``K`` classes, the paper's baseline (and its ``eps``) over the ``K - 1`` wrong ones.

    Example:
        >>> round(smoothing(0.1, 10), 4)
        0.1111
    """
    if label_smoothing > 1 - 1 / classes:
        raise InputError(f"label_smoothing {label_smoothing} makes the correct one of {classes} classes the least likely: lower it")
    return label_smoothing * classes / (classes - 1)
