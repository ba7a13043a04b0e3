"""What the rows are measured on: nets with settled statistics, a trained net to attack, and images that it gets right."""

from dataclasses import replace
from functools import lru_cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.settings import Settings
from defective.build import build
from defective.data import ImageSet, load_data, pick
from defective.errors import InputError
from defective.inference import as_images, logits
from defective.sparse import sparsify
from defective.training.checkpoint import load
from defective.training.recipes import recipe_for
from defective.training.train import train


class Attacked(NamedTuple):
    """A net in eval mode, what it is in words, and images that it gets right."""

    net: nn.Module
    about: str
    x: Tensor
    y: Tensor


def ours(net: nn.Module, x: Tensor, precision: Literal["fp32", "bf16"]) -> nn.Module:
    """The module that our attacks are given in place of ``net``; ``x`` are images such as it will see."""
    return sparsify(net, x[:2], precision=precision)


def image_set(settings: Settings, split: str) -> ImageSet:
    """A split of the data set that the bench is told to use.

    Raises:
        InputError: If its images are streamed from disk.
    """
    data = load_data(settings.data, split)
    if not isinstance(data, ImageSet):
        raise InputError(f"{settings.data} is streamed from disk: the bench takes sets of small images, such as cifar10 or shapes")
    return data


def batch(settings: Settings, count: int) -> tuple[Tensor, Tensor]:
    """So many training images as floats, and their labels, on the device."""
    data = image_set(settings, "train")
    x, y = data.take(pick(len(data), count))
    return as_images(x).to(settings.device), y.to(settings.device)


def fresh(name: str, settings: Settings, x: Tensor) -> nn.Module:
    """An untrained net whose running statistics are those of some images, in eval mode."""
    shape = {"num_classes": len(image_set(settings, "train").classes), "in_chans": x.shape[1], "image_size": x.shape[2]}
    net = build(name, width_mult=settings.width, **shape).to(settings.device)
    with torch.no_grad():
        net.train()(x)
    return net.eval()


def attacked(settings: Settings, count: int, name: str = "resnet18") -> Attacked:
    """A trained net, that of the checkpoint or one called ``name``, and ``count`` test images that it gets right, or all of them.

    Raises:
        InputError: If there is no such image, or the checkpoint does not fit the images.
    """
    net, about = _trained(settings, name)
    test = image_set(settings, "test")
    x, y = test.take(pick(len(test), max(4 * count, 200)))
    right = (logits(net, x).argmax(1) == y).nonzero().squeeze(1)[:count]
    if not len(right):
        raise InputError(f"{about} gets no image of {settings.data} right: pass a trained net, --checkpoint DIR")
    return Attacked(net, about, as_images(x[right]).to(settings.device), y[right].to(settings.device))


@lru_cache(2)
def _trained(settings: Settings, name: str) -> tuple[nn.Module, str]:
    """A plain net of the checkpoint; any other, or without a checkpoint, one that is trained for one epoch."""
    if settings.checkpoint is not None and name == "resnet18":
        net = load(settings.checkpoint)
        return net.to(settings.device).eval(), f"{getattr(net, 'spec', None) or 'a net'} of a checkpoint"
    training, test = (image_set(settings, split) for split in ("train", "test"))
    few = settings.amount(len(training), 2000)
    training = replace(training, x=training.x[:few], y=training.y[:few])
    recipe = recipe_for("tiny", training.name, training.image_shape).changed(
        epochs=1, width_mult=settings.width, batch_size=settings.amount(128, 16)
    )
    folder = settings.folder / f"{name.replace('/', '_')}-{training.name}-{settings.width:g}-{few}"
    result = train(name, training, test, recipe, folder, device=str(settings.device))
    accuracy = f"test accuracy {100 * result['test_accuracy']:.1f} %"
    about = f"{name} of width {settings.width:g} after one epoch on {few:,} images of {training.name}, {accuracy}"
    return load(folder).to(settings.device).eval(), about


def share_fooled(net: nn.Module, x_adv: Tensor, y: Tensor) -> float:
    """Share of the images that the net, in its own precision, gets wrong."""
    return float((logits(net, x_adv).argmax(1) != y.cpu()).float().mean())
