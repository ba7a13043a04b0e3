"""What an image costs each model of a plan, measured by a few steps on this machine."""

from collections.abc import Iterable
from contextvars import copy_context
from typing import Any

import torch
from torch import nn

from defective.attacks import pgd
from defective.build import build
from defective.data import ImageSet
from defective.experiments.cost import ImageCost, Shapes
from defective.inference import as_images, logits
from defective.machine import shortest
from defective.progress import progress_bar, shown
from defective.specs import TrainJob
from defective.training.loop import fit

# Steps measured, after as many that warm up.
STEPS = 2
# Pixels in a batch at most, but for 8 images: as many as 128 images of CIFAR-10 have. So each model takes moments, not minutes.
PIXELS = 128 * 32 * 32
Shape = tuple[int, int, int]


def measure_steps(job: TrainJob, shape: Shape, device: torch.device) -> ImageCost:
    """Train a new model for a few steps, see :func:`train_steps`; then attack it.

    Each cost is the mean of ``STEPS`` steps after as many that are not counted.
    """
    net, data, training = train_steps(job, shape, device)
    batch_size = _batch_size(job, shape)
    images, labels = as_images(data.x[:batch_size]).to(device), data.y[:batch_size]

    def attack() -> None:
        pgd(net, images, labels, eps=8 / 255, step_size=1 / 255, steps=STEPS).cpu()

    def classify() -> None:
        for _ in range(STEPS):
            logits(net, images, batch_size=batch_size).cpu()

    gradient, forward = (seconds / (STEPS * batch_size) for seconds in shortest([attack, classify], repeats=1))
    return ImageCost(training, gradient, forward)


def train_steps(job: TrainJob, shape: Shape, device: torch.device) -> tuple[nn.Module, ImageSet, float]:
    """Train a new model for a few steps on random ``(C, H, W)`` images, as the recipe does but for its length.

    Returns:
        The model, the images, and the seconds that each took.
    """
    batch_size = _batch_size(job, shape)
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(256, (STEPS * batch_size, *shape), dtype=torch.uint8, generator=generator)
    y = torch.randint(10, (len(x),), generator=generator)
    data = ImageSet("random", "train", x, y, tuple(map(str, range(10))))
    # Resized crops are cut while files are read, and there are none.
    augment = "crop-flip" if job.recipe.augment == "resized-crop-flip" else job.recipe.augment
    length = {"epochs": 2, "batch_size": batch_size, "lr": 1e-6, "milestones": ()}
    plain = {"adversarial": None, "selection": "last", "neurons": "all", "augment": augment}
    recipe = job.recipe.model_copy(update=length | plain)
    net = build(job.net.member(), in_chans=shape[0], image_size=shape[1], width_mult=recipe.width_mult)
    # Not the bars of a training that nobody asked for.
    silent = copy_context()
    silent.run(shown.set, False)
    history = silent.run(fit, net, data, recipe, device=str(device))
    return net, data, 1 / history[-1]["images_per_second"]


def _batch_size(job: TrainJob, shape: Shape) -> int:
    return min(job.recipe.batch_size, max(8, PIXELS // (shape[1] * shape[2])))


class MeasuredCosts:
    """Seconds an image costs each of some models, by one measurement for each distinct architecture, width, image shape, batch size."""

    def __init__(self, nets: Iterable[TrainJob], shapes: Shapes, device: torch.device) -> None:
        self.shapes = shapes
        distinct: dict[object, TrainJob] = {}
        for net in nets:
            distinct.setdefault(self._key(net), net)
        self.found: dict[object, tuple[TrainJob, ImageCost]] = {}
        # Without a description there is no bar.
        with progress_bar("measure steps" if distinct else "", len(distinct), unit="models") as advance:
            for key, net in distinct.items():
                advance(0, note=net.net.arch)
                self.found[key] = net, measure_steps(net, shapes[net.data], device)
                advance(1)

    def __call__(self, net: TrainJob) -> ImageCost:
        _, cost = self.found[self._key(net)]
        return ImageCost(*(net.net.members * each for each in cost))

    def _key(self, net: TrainJob) -> tuple[object, ...]:
        """What the cost depends on; masks, seeds and dropout hardly matter, and of an ensemble one member is measured."""
        spec, recipe = net.net, net.recipe
        return spec.arch, spec.widen, spec.narrows, spec.thermometer, recipe.width_mult, recipe.batch_size, self.shapes[net.data]

    def as_rows(self) -> list[dict[str, Any]]:
        """Plain values for JSON: ``net``, ``width_mult``, ``image_shape`` and ``batch_size``, and the seconds an image took."""
        return [
            {
                "net": str(net.net.member()),
                "width_mult": net.recipe.width_mult,
                "image_shape": list(self.shapes[net.data]),
                "batch_size": _batch_size(net, self.shapes[net.data]),
                **cost._asdict(),
            }
            for net, cost in self.found.values()
        ]
