"""Models of timm on images in [0, 1]: timm's own normalisation becomes their first layer."""

from collections import OrderedDict
from types import ModuleType
from typing import Any

from torch import nn

from defective.errors import InputError
from defective.inference import quoted, reported
from defective.models.normalize import Normalize
from defective.text import nearest


def timm_model(
    name: str, *, num_classes: int | None = None, in_chans: int | None = None, pretrained: bool = False, **options: Any
) -> nn.Sequential:
    """A model of timm that takes images in [0, 1]: ``normalize``, with the mean and deviation of timm's config, then ``model``.

    Args:
        name: As ``timm.create_model`` takes it, such as ``"resnet18"`` or ``"resnet50.a1_in1k"``.
        num_classes: Classes ``K``; default those of the model's config, 1,000 for most. Another number gives a new last layer.
        in_chans: Channels of an image; default 3. For another number each is normalised with the average of the config's values.
        pretrained: Download timm's weights, or read them from the Hugging Face cache.
        options: What else ``timm.create_model`` takes, such as ``checkpoint_path`` or ``drop_rate``.

    Returns:
        A module from images ``(N, C, H, W)`` in [0, 1] to logits ``(N, K)``.

    Raises:
        InputError: If timm cannot be imported, has no such model, or fails to build it; the message quotes it.

    Example:
        >>> model = timm_model("resnet18", num_classes=10)  # doctest: +SKIP
        >>> model.normalize.std.flatten()  # doctest: +SKIP
        tensor([0.2290, 0.2240, 0.2250])
    """
    timm = _timm()
    if ":" not in name and not timm.is_model(name):
        near = nearest(name.partition(".")[0], timm.list_models())
        raise InputError(f"timm {timm.__version__} has no model {name!r}{f'; did you mean {near}?' if near else ''}")
    sizes = {key: value for key, value in (("num_classes", num_classes), ("in_chans", in_chans)) if value is not None}
    with reported(f"timm cannot build {name}{' with pretrained weights' if pretrained else ''}"):
        model = timm.create_model(name, pretrained=pretrained, **sizes, **options)
    mean, std = (_for_channels(tuple(model.pretrained_cfg[key]), in_chans) for key in ("mean", "std"))
    return nn.Sequential(OrderedDict(normalize=Normalize(mean, std), model=model))


def timm_image_shape(model: nn.Module) -> tuple[int, int, int] | None:
    """Image shape ``(C, H, W)`` in the config of a model that :func:`timm_model` built; None for any other model."""
    config = getattr(getattr(model, "model", None), "pretrained_cfg", None)
    size = config.get("input_size") if isinstance(config, dict) else None
    if not isinstance(size, tuple | list) or len(size) != 3:
        return None
    _, height, width = size
    normalize = getattr(model, "normalize", None)
    return (normalize.mean.shape[1], height, width) if isinstance(normalize, Normalize) else None


def _timm() -> ModuleType:
    try:
        import timm
    except (Exception, SystemExit) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "timm"
        reason = "is not installed" if missing else f"cannot be imported ({quoted(error)})"
        remedy = "pip install timm" if isinstance(error, ImportError) else "install the torchvision of your torch"
        raise InputError(f"timm {reason}: {remedy}, or build the model by a function of yours, module:factory") from error
    found: ModuleType = timm
    return found


def _for_channels(values: tuple[float, ...], in_chans: int | None) -> tuple[float, ...]:
    return values if in_chans in (None, len(values)) else (sum(values) / len(values),) * in_chans
