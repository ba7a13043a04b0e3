"""One epoch of training, which can be broken off before any step and goes on as if nothing had been."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.distributed
from torch import Tensor

from defective.attacks import Attack, from_spec
from defective.data import Data
from defective.data.augment import Windows, crop_flip, draw_windows
from defective.errors import InputError, OutOfTime
from defective.inference import as_images
from defective.machine import rank_and_world_size
from defective.masks import named_generator
from defective.progress import Advance, deadline, time_is_up
from defective.specs import Recipe
from defective.training.state import TrainingState
from defective.training.step import Step

Row = dict[str, Any]


class Run(NamedTuple):
    """What stays the same from epoch to epoch."""

    recipe: Recipe
    seed: int
    device: torch.device
    precision: str


def learning_rate(recipe: Recipe, epoch: int, step: int, steps: int) -> float:
    """Learning rate of one step.

    Example:
        >>> recipe = Recipe(name="r", epochs=10, lr=0.5)
        >>> learning_rate(recipe, 2, 0, 100), learning_rate(recipe, 6, 0, 100)
        (0.5, 0.25)
    """
    if recipe.schedule == "steps":
        return recipe.lr * 0.1 ** sum(epoch >= milestone for milestone in recipe.milestones)
    done = (epoch + step / steps) / recipe.epochs
    return recipe.lr * min((done + 1 / (recipe.epochs * steps)) / 0.2, (1 - done) / 0.8, 1.0)


class _Begun:
    """What the steps of an epoch have left so far: losses, hits, and the generators that go on from step to step."""

    def __init__(self, run: Run, epoch: int, kept: dict[str, Tensor]) -> None:
        rank, _ = rank_and_world_size()
        self.device = run.device
        self.adversary = _adversary(run, epoch, rank)
        self.losses: list[Tensor] = []
        self.hits, self.seen, self.started = torch.zeros((), device=run.device), 0, time.perf_counter()
        if kept:
            self.losses = list(kept["losses"].to(run.device))
            self.hits, self.seen = kept["num_correct"].to(run.device), int(kept["seen"])
            self.started -= float(kept["seconds"])
            for name, generator in self._generators().items():
                # Missing where the run goes on on another kind of device.
                if name in kept:
                    generator.set_state(kept[name])

    def tensors(self) -> dict[str, Tensor]:
        """All of it, to be kept."""
        states = {name: generator.get_state() for name, generator in self._generators().items()}
        seconds = torch.tensor(time.perf_counter() - self.started, dtype=torch.float64)
        return {
            "losses": torch.stack(self.losses),
            "num_correct": self.hits,
            "seen": torch.tensor(self.seen),
            "seconds": seconds,
            **states,
        }

    def take(self, step: Step, x: Tensor, y: Tensor, lr: float) -> None:
        """Take a step and note what came of it; nothing is read from the device."""
        step.set_lr(lr)
        loss, hits = step(x, y, self.adversary)
        self.losses.append(loss)
        self.hits += hits
        self.seen += len(y)

    def row(self, epoch: int, lr: float) -> Row:
        """The epoch's row of the history."""
        seconds = time.perf_counter() - self.started
        return {
            "epoch": epoch + 1,
            "lr": lr,
            "train_loss": float(torch.stack(self.losses).mean()),
            "train_accuracy": float(self.hits) / self.seen,
            "seconds": seconds,
            "images_per_second": self.seen * rank_and_world_size()[1] / seconds,
        }

    def _generators(self) -> dict[str, torch.Generator]:
        found = {"layers": torch.default_generator}
        if self.device.type == "cuda":
            index = torch.cuda.current_device() if self.device.index is None else self.device.index
            found["layers on cuda"] = torch.cuda.default_generators[index]
        generator = getattr(self.adversary, "keywords", {}).get("generator")
        return found if generator is None else found | {"adversary": generator}


def run_epoch(step: Step, data: Data, run: Run, epoch: int, state: TrainingState, advance: Advance) -> Row:
    """Train for one epoch, from where ``state`` says it was broken off; return its row of the history.

    Raises:
        InputError: If a loss is not finite.
        OutOfTime: If the deadline has passed; the steps so far are then in the state's file.
    """
    _, processes = rank_and_world_size()
    order, batch_size = _share(len(data), run, epoch)
    steps = -(-len(order) // batch_size)
    with _seeded(run, epoch):
        begun = _Begun(run, epoch, state.begun)
        first = len(begun.losses)
        batches = data.batches(order[first * batch_size :], batch_size, crop_seed=_crop_seed(run, epoch))
        windows = _windows(run, epoch, [len(part) for part in order.split(batch_size)])
        advance(begun.seen * processes)
        step.model.train()
        lr = 0.0
        for number in range(first, steps):
            if _must_stop(run, state, number):
                if number > first:
                    _check_finite(begun.losses, epoch, number - 1, lr)
                    state.break_off(begun.tensors())
                else:
                    state.catch_up()
                raise OutOfTime
            lr = learning_rate(run.recipe, epoch, number, steps)
            x, y = next(batches)
            cut = None if windows is None else windows[begun.seen : begun.seen + len(y)]
            x = _augment(x.to(run.device), cut)
            begun.take(step, x, y.to(run.device), lr)
            # Reading the loss waits for the device, so on an accelerator it is read now and then.
            if run.device.type == "cpu" or number % 50 == 49 or number == steps - 1:
                _check_finite(begun.losses, epoch, number, lr)
                loss, accuracy = float(begun.losses[-1]), float(begun.hits) / begun.seen
                advance(0, note=f"epoch {epoch + 1}/{run.recipe.epochs}  loss {loss:.3f}  accuracy {accuracy:.1%}")
            advance(len(y) * processes)
        return begun.row(epoch, lr)


def _must_stop(run: Run, state: TrainingState, step: int) -> bool:
    """Whether the deadline has passed for one of the processes; several stop between epochs alone, whose state all of them share."""
    if deadline.get() is None or state.file is None:
        return False
    if rank_and_world_size()[1] == 1:
        return time_is_up()
    if step > 0:
        return False
    late = torch.tensor(float(time_is_up()), device=run.device)
    torch.distributed.all_reduce(late, torch.distributed.ReduceOp.MAX)
    return bool(late)


def _share(images: int, run: Run, epoch: int) -> tuple[Tensor, int]:
    """This process's part of the epoch's order, equally long in every process; a last batch of one is left out (batch norm)."""
    rank, processes = rank_and_world_size()
    order = torch.randperm(images, generator=named_generator(run.seed, f"order/{epoch}"), device="cpu")
    order = order[: images - images % processes][rank::processes]
    batch_size = max(1, run.recipe.batch_size // processes)
    return (order[:-1] if len(order) % batch_size == 1 and len(order) > 1 else order), batch_size


def _crop_seed(run: Run, epoch: int) -> int | None:
    if run.recipe.augment != "resized-crop-flip":
        return None
    return int(torch.randint(1 << 62, (), generator=named_generator(run.seed, f"crop/{epoch}"), device="cpu"))


def _windows(run: Run, epoch: int, batches: list[int]) -> Windows | None:
    """What to cut out of each image of the epoch, drawn at once: a step on a GPU then waits for nothing."""
    if run.recipe.augment == "none":
        return None
    padding = 4 if run.recipe.augment == "crop-flip" else 0
    draws = named_generator(run.seed, f"augment/{epoch}/{rank_and_world_size()[0]}")
    return draw_windows(batches, padding=padding, generator=draws).to(run.device)


def _augment(x: Tensor, windows: Windows | None) -> Tensor:
    x = as_images(x if windows is None else crop_flip(x, windows))
    return x.contiguous(memory_format=torch.channels_last)


def _adversary(run: Run, epoch: int, rank: int) -> Attack | None:
    if run.recipe.adversarial is None:
        return None
    return from_spec(run.recipe.adversarial, seed=named_generator(run.seed, f"adversary/{epoch}/{rank}").initial_seed())


def _check_finite(losses: list[Tensor], epoch: int, step: int, lr: float) -> None:
    bad = ~torch.isfinite(torch.stack(losses[-50:]))
    if bad.any():
        first = step - len(bad) + 1 + int(bad.int().argmax())
        raise InputError(
            f"the loss is {float(losses[first]):g} at step {first + 1} of epoch {epoch + 1} (learning rate {lr:.3g}): "
            "lower the learning rate; the last state written is kept"
        )


@contextmanager
def _seeded(run: Run, epoch: int) -> Iterator[None]:
    """Give dropout and the like an epoch's own random numbers and put torch's global generators back afterwards."""
    with torch.random.fork_rng(devices=[run.device] if run.device.type == "cuda" else []):
        torch.manual_seed(named_generator(run.seed, f"layers/{epoch}/{rank_and_world_size()[0]}").initial_seed())
        yield
