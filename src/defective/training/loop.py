"""The training loop: plain SGD, one pass an epoch, everything on the device."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from defective.attacks import Attack, from_spec
from defective.data import Data, ImageStream
from defective.data.augment import crop_flip
from defective.errors import InputError
from defective.inference import as_images, logits
from defective.machine import autocast, choose_device, resolve_precision, world
from defective.masks import stream
from defective.models.wide_resnet import WideResNet
from defective.progress import Advance, progress_bar
from defective.specs import Recipe
from defective.training.state import TrainingState

Row = dict[str, Any]


def fit(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    seed: int = 0,
    test: Data | None = None,
    device: str | None = None,
    precision: str = "auto",
    state_file: Path | None = None,
    state_key: str = "",
) -> list[Row]:
    """Train ``model`` in place.

    The order of images, the augmentation and dropout depend on ``seed`` and the epoch alone, so a run that goes on from its state file
    ends, on a CPU, with the same bytes as one that was never interrupted.

    Args:
        model: Classifier on images in [0, 1].
        data: Training images.
        recipe: Schedule, optimiser, augmentation.
        seed: Root seed of order and augmentation.
        test: Images to score after each epoch, for the history; required by ``selection="best-on-test"``.
        device: Torch device name; default the accelerator if there is one.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"`` (autocast).
        state_file: Where to keep the state after each epoch; if it exists, training goes on from it.
        state_key: Identity of the run, checked when going on.

    Returns:
        One row per epoch: loss, accuracies, learning rate, seconds, images per second.

    Raises:
        InputError: If the loss is no longer finite (the step and the learning rate are named), or recipe and data do not fit.
    """
    if recipe.selection == "best-on-test" and test is None:
        raise InputError("selection best-on-test needs test images")
    if recipe.augment == "resized-crop-flip" and not isinstance(data, ImageStream):
        raise InputError("augment resized-crop-flip works on streamed folders (images of 128 pixels and more): use crop-flip")
    if len(data) < 2:
        raise InputError(f"{data.name} has {len(data)} training image: batch norm needs at least 2")
    place = choose_device(device)
    run = _Run(recipe, seed, place, resolve_precision(place, precision))
    model.to(place).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    data = data.to(place)
    # The released WRN sets its norm scales to 1 itself; only the other nets kept the old default.
    if recipe.norm_scale_init == "uniform" and not isinstance(model, WideResNet):
        _draw_norm_scales(model, stream(seed, "norm-scale"))
    optimizer = torch.optim.SGD(model.parameters(), recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    state = TrainingState(model, optimizer, state_file, state_key)
    state.resume()
    wrapped = _distribute(model)
    description = str(getattr(model, "spec", None) or type(model).__name__)
    with progress_bar(f"train {description}", recipe.epochs * len(data), unit="images") as advance:
        advance(len(state.history) * len(data))
        for epoch in range(len(state.history), recipe.epochs):
            with _seeded(run, epoch):
                row = _epoch(wrapped, data, optimizer, run, epoch, advance)
            _agree(model)
            if test is not None:
                row["test_accuracy"] = _scored(model, test, row, run)
            state.end_epoch(row, keep_best=recipe.selection == "best-on-test")
    state.finish()
    model.eval()
    return state.history


class _Run(NamedTuple):
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


def _epoch(model: nn.Module, data: Data, optimizer: torch.optim.Optimizer, run: _Run, epoch: int, advance: Advance) -> Row:
    started = time.perf_counter()
    rank, processes = world()
    order, batch_size = _share(len(data), run, epoch)
    steps = -(-len(order) // batch_size)
    draws = stream(run.seed, f"augment/{epoch}/{rank}")
    adversary = _adversary(run, epoch, rank)
    losses, hits, seen, lr = [], torch.zeros((), device=run.device), 0, 0.0
    model.train()
    for step, (x, y) in enumerate(data.batches(order, batch_size, crop_seed=_crop_seed(run, epoch))):
        lr = learning_rate(run.recipe, epoch, step, steps)
        for group in optimizer.param_groups:
            group["lr"] = lr
        x, y = _augment(x.to(run.device), run.recipe.augment, draws), y.to(run.device)
        with autocast(run.device, run.precision):
            if adversary is not None:
                # Not through DDP, which knows no gradients with respect to images.
                attacked = model.module if isinstance(model, DistributedDataParallel) else model
                x = adversary(attacked, x, y).contiguous(memory_format=torch.channels_last)
            z = model(x)
            loss = F.cross_entropy(z, y, label_smoothing=_smoothing(run.recipe, z))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        hits += (z.detach().argmax(1) == y).sum()
        seen += len(y)
        # Reading the loss waits for the device, so on an accelerator it is read now and then.
        if run.device.type == "cpu" or step % 50 == 49 or step == steps - 1:
            _check_finite(losses, epoch, step, lr)
            accuracy = float(hits) / seen
            advance(0, note=f"epoch {epoch + 1}/{run.recipe.epochs}  loss {float(losses[-1]):.3f}  accuracy {accuracy:.1%}")
        advance(len(y) * processes)
    seconds = time.perf_counter() - started
    return {
        "epoch": epoch + 1,
        "lr": lr,
        "train_loss": float(torch.stack(losses).mean()),
        "train_accuracy": float(hits) / seen,
        "seconds": seconds,
        "images_per_second": seen * processes / seconds,
    }


def _share(images: int, run: _Run, epoch: int) -> tuple[Tensor, int]:
    """This process's part of the epoch's order, equally long in every process; a last batch of one is left out (batch norm)."""
    rank, processes = world()
    order = torch.randperm(images, generator=stream(run.seed, f"order/{epoch}"))
    order = order[: images - images % processes][rank::processes]
    batch_size = max(1, run.recipe.batch_size // processes)
    return (order[:-1] if len(order) % batch_size == 1 and len(order) > 1 else order), batch_size


def _crop_seed(run: _Run, epoch: int) -> int | None:
    if run.recipe.augment != "resized-crop-flip":
        return None
    return int(torch.randint(1 << 62, (), generator=stream(run.seed, f"crop/{epoch}")))


def _augment(x: Tensor, augment: str, generator: torch.Generator) -> Tensor:
    if augment != "none":
        x = crop_flip(x, padding=4 if augment == "crop-flip" else 0, generator=generator)
    return as_images(x).contiguous(memory_format=torch.channels_last)


def _adversary(run: _Run, epoch: int, rank: int) -> Attack | None:
    if run.recipe.adversarial is None:
        return None
    return from_spec(run.recipe.adversarial, seed=stream(run.seed, f"adversary/{epoch}/{rank}").initial_seed())


def _smoothing(recipe: Recipe, z: Tensor) -> float:
    # torch spreads the smoothed mass over all K classes, the paper's baseline (and its eps) over the K - 1 wrong ones.
    classes = z.shape[1]
    if recipe.label_smoothing > 1 - 1 / classes:
        raise InputError(
            f"label_smoothing {recipe.label_smoothing} leaves the right one of {classes} classes the least likely: lower it"
        )
    return recipe.label_smoothing * classes / (classes - 1)


def _check_finite(losses: list[Tensor], epoch: int, step: int, lr: float) -> None:
    bad = ~torch.isfinite(torch.stack(losses[-50:]))
    if bad.any():
        first = step - len(bad) + 1 + int(bad.int().argmax())
        raise InputError(
            f"the loss is {float(losses[first]):g} at step {first + 1} of epoch {epoch + 1} (learning rate {lr:.3g}): "
            "lower the learning rate; the state of the last whole epoch is kept"
        )


def _scored(model: nn.Module, test: Data, row: Row, run: _Run) -> float:
    try:
        with autocast(run.device, run.precision):
            return test_accuracy(model, test)
    except InputError as error:
        # The last step of an epoch can break a net whose losses were all finite.
        raise InputError(
            f"after the last step of epoch {row['epoch']} (learning rate {row['lr']:.3g}) {error}: lower the learning rate"
        ) from error


def test_accuracy(model: nn.Module, test: Data) -> float:
    """Share of the test images that the model classifies right."""
    hits = sum(
        int((logits(model, x, batch_size=len(x)).argmax(1) == y.cpu()).sum()) for x, y in test.batches(torch.arange(len(test)), 500)
    )
    return hits / len(test)


def _draw_norm_scales(model: nn.Module, generator: torch.Generator) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            with torch.no_grad():
                module.weight.copy_(torch.rand(module.weight.shape, generator=generator))


@contextmanager
def _seeded(run: _Run, epoch: int) -> Iterator[None]:
    """Give dropout and the like an epoch's own random numbers and put torch's global generators back afterwards."""
    with torch.random.fork_rng(devices=[run.device] if run.device.type == "cuda" else []):
        torch.manual_seed(stream(run.seed, f"layers/{epoch}/{world()[0]}").initial_seed())
        yield


def _distribute(model: nn.Module) -> nn.Module:
    if world()[1] == 1:
        return model
    # Masks are fixed and equal in every process: sending them at each step would be waste.
    masks = [name for name, _ in model.named_buffers() if name.endswith("defect_mask")]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, masks)
    return DistributedDataParallel(model)


def _agree(model: nn.Module) -> None:
    """Give every process the first one's running statistics, so that all score the same net."""
    if world()[1] > 1:
        for name, buffer in model.named_buffers():
            if not name.endswith("defect_mask"):
                torch.distributed.broadcast(buffer, 0)
