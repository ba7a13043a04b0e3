"""One epoch of training."""

import time
from typing import Any, NamedTuple

import torch
from torch import Tensor

from defective.attacks import from_spec
from defective.data import Data
from defective.data.augment import crop_flip, draw_windows
from defective.errors import InputError
from defective.inference import as_images
from defective.machine import rank_and_world_size
from defective.masks import named_generator
from defective.progress import Advance
from defective.specs import Recipe
from defective.training.state import WeightAverage
from defective.training.step import Step

Row = dict[str, Any]


class TrainingSetup(NamedTuple):
    """What stays the same from epoch to epoch; ``average`` takes in the model after each step, images lie in ``layout``."""

    recipe: Recipe
    seed: int
    device: torch.device
    precision: str
    average: WeightAverage | None = None
    layout: torch.memory_format = torch.channels_last


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


def run_epoch(step: Step, data: Data, run: TrainingSetup, epoch: int, advance: Advance) -> Row:
    """Train for one epoch; return its row of the history."""
    rank, processes = rank_and_world_size()
    order, batch_size = _share(len(data), run, epoch)
    steps = -(-len(order) // batch_size)
    losses: list[Tensor] = []
    num_correct, seen, lr, started = torch.zeros((), device=run.device), 0, 0.0, time.perf_counter()
    # Dropout and the like draw an epoch's own random numbers; torch's global generators are put back afterwards.
    with torch.random.fork_rng(devices=[run.device] if run.device.type == "cuda" else []):
        torch.manual_seed(named_generator(run.seed, f"layers/{epoch}/{rank}").initial_seed())
        attack, seed = run.recipe.adversarial, named_generator(run.seed, f"adversary/{epoch}/{rank}").initial_seed()
        adversary = None if attack is None else from_spec(attack, seed=seed)
        windows = _windows(run, epoch, order, batch_size, len(data))
        step.model.train()
        for number, (x, y) in enumerate(data.batches(order, batch_size, crop_seed=_crop_seed(run, epoch))):
            lr = learning_rate(run.recipe, epoch, number, steps)
            step.set_lr(lr)
            x = x.to(run.device)
            if windows is not None:
                x = crop_flip(x, windows[seen : seen + len(y)], padding=_padding(run.recipe))
            x = as_images(x).contiguous(memory_format=run.layout)
            # Nothing of what came of a step is read from the device here.
            loss, correct = step(x, y.to(run.device), adversary)
            if run.average is not None:
                run.average.update(epoch * steps + number + 1)
            losses.append(loss)
            num_correct += correct
            seen += len(y)
            # Reading the loss waits for the device, so on an accelerator it is read now and then.
            if run.device.type == "cpu" or number % 50 == 49 or number == steps - 1:
                _check_finite(losses, epoch, number, lr)
                accuracy = float(num_correct) / seen
                advance(0, note=f"epoch {epoch + 1}/{run.recipe.epochs}  loss {float(loss):.3f}  accuracy {accuracy:.1%}")
            advance(len(y) * processes)
    seconds = time.perf_counter() - started
    return {
        "epoch": epoch + 1,
        "lr": lr,
        "train_loss": float(torch.stack(losses).mean()),
        "train_accuracy": float(num_correct) / seen,
        "seconds": seconds,
        "images_per_second": seen * processes / seconds,
    }


def _share(images: int, run: TrainingSetup, epoch: int) -> tuple[Tensor, int]:
    """This process's part of the epoch's order, equally long in every process; a last batch of one is left out (batch norm)."""
    rank, processes = rank_and_world_size()
    order = torch.randperm(images, generator=named_generator(run.seed, f"order/{epoch}"), device="cpu")
    order = order[: images - images % processes][rank::processes]
    batch_size = max(1, run.recipe.batch_size // processes)
    return (order[:-1] if len(order) % batch_size == 1 and len(order) > 1 else order), batch_size


def _crop_seed(run: TrainingSetup, epoch: int) -> int | None:
    if run.recipe.augment != "resized-crop-flip":
        return None
    return int(torch.randint(1 << 62, (), generator=named_generator(run.seed, f"crop/{epoch}"), device="cpu"))


def _windows(run: TrainingSetup, epoch: int, order: Tensor, batch_size: int, images: int) -> Tensor | None:
    """What to cut out of each image of the epoch, drawn at once: a step on a GPU then waits for nothing."""
    if run.recipe.augment == "none":
        return None
    draws = named_generator(run.seed, f"augment/{epoch}/{rank_and_world_size()[0]}")
    windows = draw_windows([len(part) for part in order.split(batch_size)], padding=_padding(run.recipe), generator=draws)
    if run.recipe.flip == "alternating":
        first = torch.rand(images, generator=named_generator(run.seed, "flip"), device="cpu") < 0.5
        windows[:, 2] = first[order] ^ (epoch % 2 == 1)
    return windows.to(run.device)


def _padding(recipe: Recipe) -> int:
    return 4 if recipe.augment == "crop-flip" else 0


def _check_finite(losses: list[Tensor], epoch: int, step: int, lr: float) -> None:
    bad = ~torch.isfinite(torch.stack(losses[-50:]))
    if bad.any():
        first = step - len(bad) + 1 + int(bad.int().argmax())
        raise InputError(
            f"the loss is {float(losses[first]):g} at step {first + 1} of epoch {epoch + 1} (learning rate {lr:.3g}): "
            "lower the learning rate; the last stored state remains"
        )
