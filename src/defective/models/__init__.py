"""Plain CNNs that know nothing of masks.

Each model takes images ``(N, C, H, W)`` in [0, 1] (normalisation is its first layer), returns logits ``(N, K)``, and carries as
data: its :class:`Architecture`, the block numbers ``bottom`` and ``top``, and ``mask_sites[placement][block]``, the names of the
modules whose output a defective layer masks.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, SupportsFloat

import torch
from torch import nn

from defective.errors import InputError
from defective.models.densenet import DenseNet
from defective.models.ensemble import Ensemble
from defective.models.from_timm import timm_model
from defective.models.normalize import Normalize
from defective.models.resnet import BasicBlock, Bottleneck, ResNet, WideResNet
from defective.models.senet import SENet
from defective.models.vgg import VGG
from defective.specs import Architecture
from defective.text import choices

__all__ = ["BUILT_IN", "Ensemble", "Normalize", "channel_widths", "construct", "create_model", "list_models", "timm_model"]


class Family(NamedTuple):
    """How to build a model, the channels of each of its blocks at width_mult 1, and which blocks are its bottom and its top."""

    construct: Callable[..., nn.Module]
    widths: tuple[int, ...]
    bottom: tuple[int, ...]
    top: tuple[int, ...]


# DenseNet's widths are the channels of the stem and each block's growth rate.
BUILT_IN: dict[str, Family] = {
    "resnet18": Family(partial(ResNet, BasicBlock, (2, 2, 2, 2)), (64, 64, 128, 256, 512), (0, 1, 2), (3, 4)),
    "resnet50": Family(partial(ResNet, Bottleneck, (3, 4, 6, 3)), (64, 64, 128, 256, 512), (0, 1, 2), (3, 4)),
    "densenet121": Family(DenseNet, (64, 32, 32, 32, 32), (0, 1, 2), (3, 4)),
    "senet18": Family(SENet, (64, 64, 128, 256, 512), (0, 1, 2), (3, 4)),
    "vgg19": Family(VGG, (64, 128, 256, 512, 512), (0, 1), (3, 4)),
    "wrn32_4": Family(WideResNet, (16, 64, 128, 256), (0, 1), (2, 3)),
}


def list_models() -> list[str]:
    """Names of the built-in architectures.

    Example:
        >>> list_models()
        ['resnet18', 'resnet50', 'densenet121', 'senet18', 'vgg19', 'wrn32_4']
    """
    return list(BUILT_IN)


def create_model(
    name: str, *, num_classes: int = 10, in_chans: int = 3, image_size: int = 32, width_mult: float = 1.0
) -> nn.Module:
    """Build a plain built-in model with fresh weights from torch's global generator.

    Args:
        name: One of :func:`list_models`.
        num_classes: Classes ``K``, at least 2.
        in_chans: Image channels ``C``.
        image_size: Height and width of the images, at least 16; from 128 on the stem takes its ImageNet form.
        width_mult: Factor on every channel count; 1 is the paper's model.

    Returns:
        A module from images ``(N, C, H, W)`` in [0, 1] to logits ``(N, K)``.

    Raises:
        InputError: If the name is unknown or a number is out of range.

    Source: paper Appendix C; parameter counts as in the released code.

    Example:
        >>> sum(p.numel() for p in create_model("resnet18").parameters())
        11173962
    """
    widths = tuple(channel_widths(name, width_mult))
    shape = {"num_classes": num_classes, "in_chans": in_chans, "image_size": image_size}
    return construct(Architecture.make(name=name, widths=widths, **shape))


def channel_widths(name: str, width_mult: SupportsFloat) -> list[int]:
    """Channels of each block of an architecture, scaled and rounded."""
    if name not in list_models():
        raise InputError(f"no architecture {name!r}{choices(name, BUILT_IN)}")
    factor = checked_width(width_mult)
    return [max(1, round(width * factor)) for width in BUILT_IN[name].widths]


def checked_width(width_mult: SupportsFloat) -> float:
    """A factor on channel counts as a plain number; refused if it is none, or outside (0, 8]."""
    factor = math.nan
    if not isinstance(width_mult, str):
        with suppress(TypeError, ValueError, RuntimeError):
            factor = float(width_mult)
    if not 0 < factor <= 8:
        raise InputError(f"width_mult {width_mult!r} is not a number in (0, 8]: write one, such as 0.25")
    return factor


def construct(architecture: Architecture) -> nn.Module:
    """Build a built-in model, with the channels of each block given one by one and without a thermometer."""
    name, widths = architecture.name, architecture.widths
    if name not in BUILT_IN:
        raise InputError(f"no architecture {name[:200]!r}{choices(name, BUILT_IN)}")
    if len(widths) != len(BUILT_IN[name].widths):
        raise InputError(f"{name} has {len(BUILT_IN[name].widths)} blocks, not {len(widths)}: give the channels of each")
    shape = architecture.model_dump(include={"num_classes", "in_chans", "image_size"})
    extra: dict[str, Any] = {"project_first": True} if architecture.project_first else {}
    model = BUILT_IN[name].construct(widths, **shape, **extra)
    if architecture.pixel_mean:
        model.normalize = Normalize.centred(torch.zeros(architecture.in_chans, architecture.image_size, architecture.image_size))
    model.bottom, model.top = BUILT_IN[name].bottom, BUILT_IN[name].top  # type: ignore[assignment]
    model.architecture = architecture  # type: ignore[assignment]
    return model
