"""The training loop: plain SGD, epoch after epoch, everything on the device."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from defective.data import Data, ImageSet, ImageStream
from defective.errors import InputError, OutOfTime
from defective.inference import NotFiniteError, check_label_values, check_labels, logits
from defective.machine import autocast, choose_device, memory_format, out_of_memory, rank_and_world_size, resolve_precision
from defective.masks import named_generator
from defective.models.resnet import WideResNet
from defective.progress import deadline, progress_bar, time_is_up
from defective.sites import spec_of
from defective.sparse import train_live
from defective.specs import Recipe
from defective.training.epoch import Row, TrainingSetup, run_epoch
from defective.training.state import TrainingState, WeightAverage
from defective.training.step import make_step

# Least seconds between two states on disk, by kind of device: on a GPU an epoch may take no longer than writing one.
PAUSE = {"cuda": 10.0}
# Most test images in one forward pass.
SCORED = 500


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
    after_epoch: Callable[[int], object] = lambda epochs: None,
    log: Callable[[Row], object] = lambda row: None,
) -> list[Row]:
    """Train ``model`` in place.

    The order of images, the augmentation and dropout depend on ``seed`` and the epoch alone, so on a CPU a run resumed from its state
    file ends with the same bytes as one that was never interrupted.

    Args:
        model: Classifier on images in [0, 1].
        data: Training images.
        recipe: Schedule, optimiser, augmentation.
        seed: Root seed of order and augmentation.
        test: Images to score after each epoch, for the history; required by ``selection="best-on-test"``.
        device: Torch device name; default the accelerator if there is one.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"`` (autocast).
        state_file: Where to store the state after each epoch (on a GPU at most every 10 seconds); if it exists, training resumes from
            it. A deadline (:func:`defective.progress.until`) stops the training between two epochs, if there is a file.
        state_key: Identity of the run, checked when resuming.
        after_epoch: Called with the number of epochs done, after each but the last, while ``model`` is what a run that ends there
            leaves. Epochs that are not stored yet when a run is interrupted are called again.
        log: Called with each row of the history, in each process, before the epoch is stored: for TensorBoard and the like.

    Returns:
        One row per epoch: loss, accuracies, learning rate, seconds, images per second.

    Raises:
        InputError: If the loss is no longer finite (the step and the learning rate are named), or recipe and data do not fit.
        OutOfTime: If the deadline has passed before the last epoch.
        MemoryError: If memory ran out, naming the batch size.
    """
    if recipe.selection == "best-on-test" and test is None:
        raise InputError("selection best-on-test needs test images")
    if recipe.neurons == "live" and rank_and_world_size()[1] > 1:
        raise InputError("neurons live trains in one process: start it without torchrun, or train all neurons")
    if recipe.augment == "resized-crop-flip" and not isinstance(data, ImageStream):
        raise InputError("augment resized-crop-flip works on streamed folders (images of 128 pixels and more): use crop-flip")
    _check_data(data, test)
    torch_device = choose_device(device)
    precision = resolve_precision(torch_device, precision)
    layout = memory_format(model, torch_device)
    model.to(torch_device).to(memory_format=layout)  # type: ignore[call-overload]
    data, test = data.to(torch_device), None if test is None else test.to(torch_device)
    # The released WRN sets its norm scales to 1 itself; only the other models kept the old default.
    if recipe.norm_scale_init == "uniform" and not isinstance(model, WideResNet):
        _draw_norm_scales(model, named_generator(seed, "norm-scale"))
    optimizer = make_sgd(model, recipe, torch_device)
    average = WeightAverage(model, recipe.averaging) if recipe.averaging else None
    run = TrainingSetup(recipe, seed, torch_device, precision, average, layout)
    state = TrainingState(model, optimizer, state_file, state_key, average=average, every=PAUSE.get(torch_device.type, 0.0))
    state.resume()
    wrapped = _distribute(model) if recipe.neurons == "all" else _through_live(model, data, precision)
    step = make_step(wrapped, optimizer, recipe, torch_device, precision)
    description = str(spec_of(model) or type(model).__name__)
    with (
        progress_bar(f"train {description}", recipe.trained_epochs * len(data), unit="images") as advance,
        _saying_what_is_stored(state, run),
    ):
        advance(len(state.history) * len(data))
        for epoch in range(len(state.history), recipe.trained_epochs):
            if state_file is not None and _time_is_up(run):
                state.write()
                raise OutOfTime
            row = run_epoch(step, data, run, epoch, advance)
            _broadcast_buffers([*model.named_buffers(), *state.average.items()])
            with state.holding(state.average):
                if test is not None:
                    row["test_accuracy"] = _scored(model, test, row, run)
                if recipe.selection == "best-on-test":
                    state.keep_best(row["test_accuracy"])
            log(dict(row))
            last = epoch == recipe.trained_epochs - 1
            if not last:
                with state.holding(state.outcome):
                    after_epoch(epoch + 1)
            state.end_epoch(row, write=last)
    state.put(state.outcome)
    model.eval()
    return state.history


def _check_data(data: Data, test: Data | None) -> None:
    """Refuse data that cannot be trained on, or not be scored beside each other."""
    if len(data) < 2:
        raise InputError(f"{data.name} has {len(data)} training image: batch norm needs at least 2")
    if len(data.classes) < 2:
        raise InputError(f"{data.name} has {len(data.classes)} class: a classifier needs at least 2")
    if isinstance(data, ImageSet):
        check_labels(data.x, data.y)
        check_label_values(data.y, len(data.classes))
        if (data.x.dtype, data.y.dtype) != (torch.uint8, torch.int64):
            raise InputError(f"{data.name} has images of {data.x.dtype} and labels of {data.y.dtype}: make them uint8 and int64")
    if test is not None and (test.classes, test.image_shape) != (data.classes, data.image_shape):
        raise InputError(
            f"{test.name} has {len(test.classes)} classes and images of shape {test.image_shape}, {data.name} {len(data.classes)} and "
            f"{data.image_shape}: train and test on the same classes and shape"
        )


@contextmanager
def _saying_what_is_stored(state: TrainingState, run: TrainingSetup) -> Iterator[None]:
    """Let an interrupt name the last epoch on disk, and an error of memory what took it."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(state.stored if state.file else "") from None
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise MemoryError(f"training on batches of {run.recipe.batch_size} images on {run.device}; {state.stored}") from error


def _time_is_up(run: TrainingSetup) -> bool:
    """Whether the deadline has passed for one of the processes, which stop together."""
    if deadline.get() is None or rank_and_world_size()[1] == 1:
        return time_is_up()
    late = torch.tensor(float(time_is_up()), device=run.device)
    torch.distributed.all_reduce(late, torch.distributed.ReduceOp.MAX)
    return bool(late)


def _scored(model: nn.Module, test: Data, row: Row, run: TrainingSetup) -> float:
    try:
        with autocast(run.device, run.precision):
            return test_accuracy(model, test, batch_size=min(SCORED, max(100, run.recipe.batch_size)))
    except NotFiniteError as error:
        # The last step of an epoch can break a model whose losses were all finite.
        raise InputError(
            f"after the last step of epoch {row['epoch']} (learning rate {row['lr']:.3g}) {error}: lower the learning rate"
        ) from error


def test_accuracy(model: nn.Module, test: Data, *, batch_size: int = SCORED) -> float:
    """Share of the test images that the model classifies correctly."""
    num_correct = sum(
        int((logits(model, x, batch_size=len(x)).argmax(1) == y.cpu()).sum())
        for x, y in test.batches(torch.arange(len(test), device="cpu"), batch_size)
    )
    return num_correct / len(test)


def _draw_norm_scales(model: nn.Module, generator: torch.Generator) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            with torch.no_grad():
                module.weight.copy_(torch.rand(module.weight.shape, generator=generator, device="cpu"))


def _through_live(model: nn.Module, data: Data, precision: str) -> nn.Module:
    live = train_live(model, torch.zeros(1, *data.image_shape), precision=precision)
    if not any(choice.live for choice in live.choices):
        raise InputError(
            f"neurons live: no layer of {type(model).__name__} would be faster through its live neurons on this device: train all of them"
        )
    return live


def make_sgd(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.SGD:
    """SGD as the recipe has it; on a GPU in one kernel, with a learning rate on it, so that a recorded step can read it."""
    on_gpu = device.type == "cuda"
    lr = torch.tensor(recipe.lr, dtype=torch.float32, device=device) if on_gpu else recipe.lr
    decay, nesterov = recipe.weight_decay, recipe.nesterov
    return torch.optim.SGD(model.parameters(), lr, recipe.momentum, weight_decay=decay, nesterov=nesterov, fused=on_gpu)


def _distribute(model: nn.Module) -> nn.Module:
    # Running statistics are agreed on after each epoch, and masks never differ: sending them at each step would be waste.
    return model if rank_and_world_size()[1] == 1 else DistributedDataParallel(model, broadcast_buffers=False)


def _broadcast_buffers(buffers: Iterable[tuple[str, Tensor]]) -> None:
    """Give every process the first one's running statistics, and averages of them, so that all score the same net."""
    if rank_and_world_size()[1] > 1:
        for name, buffer in buffers:
            if not name.endswith("defect_mask"):
                torch.distributed.broadcast(buffer, 0)
