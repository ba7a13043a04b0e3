"""Masks and state dicts: put stored masks back, load plain weights under masks, fit masks to another image size."""

from collections.abc import Mapping
from numbers import Integral
from operator import index
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from defective.errors import InputError
from defective.inference import device_of, dtype_of, reported
from defective.layers import DefectMask, pattern_of
from defective.machine import unwrap_model
from defective.masks import MaskDraw
from defective.probes import site_outputs
from defective.sites import architecture_of, forget_spec, image_shape, spec_of
from defective.surgery import Defect, attach_, defects, mask_layers, refuse_masked, shape_of
from defective.text import choices, short
from defective.wrapper import site_modules

KEY = "defect_mask"
How = Literal["tile", "nearest", "redraw"]


@torch.inference_mode(False)
def attach_masks_(model: nn.Module, state_dict: Mapping[str, Tensor]) -> list[Defect]:
    """Put stored masks on a plain model of the same architecture, in place; weights are unchanged.

    For tools that load the weights of a defective model into a plain one and drop the keys of the masks.

    Args:
        model: Plain model.
        state_dict: State dict of the defective model; only its keys ``SITE.defect_mask`` are read, bool ``(1, C, H, W)`` each. Those
            of a scripted or exported model, ``SITE.after.mask.defect_mask``, are read too.

    Returns:
        One :class:`Defect` per site, in the order of ``model.named_modules()``.

    Raises:
        InputError: If there is no such key, a site is not in the model or defective already, or a mask is not bool
            ``(1, C, H, W)``. The model is then unchanged.

    Example:
        >>> from defective import build, create_model
        >>> state = build("vgg19/0.5-bottom", width_mult=0.125).state_dict()
        >>> model = create_model("vgg19", width_mult=0.125)
        >>> _ = model.load_state_dict(state, strict=False)
        >>> [defect.live for defect in attach_masks_(model, state)]
        [4096, 4096, 2048, 2048]
    """
    model = unwrap_model(model)
    _check_state(state_dict)
    masks = {_site(key): mask for key, mask in state_dict.items() if key.endswith(f".{KEY}")}
    if not masks:
        raise InputError(f"no key of this state dict ends with .{KEY}: it is that of a plain model")
    modules = dict(model.named_modules(remove_duplicate=False))
    # A module that the model holds under two names has its mask under both.
    first = {module: name for name, module in site_modules(model).items()}
    for site, mask in masks.items():
        if not site or modules.get(site) not in first:
            prefix = site.partition(".")[0]
            hint = f": take {prefix}., which DDP or torch.compile wrote, off its keys" if prefix in ("module", "_orig_mod") else ""
            raise InputError(f"the state dict has a mask for {site!r}, which {type(model).__name__} does not have{hint}")
        if mask.dtype != torch.bool or mask.dim() != 4 or len(mask) != 1 or not mask.numel() or mask.is_meta:
            raise InputError(
                f"{site}.{KEY} is {mask.dtype} of shape {tuple(mask.shape)} on {mask.device}, not a bool (1, C, H, W) mask"
            )
    masks = {first[modules[site]]: mask for site, mask in masks.items()}
    refuse_masked(model, list(masks))
    attach_(model, {site: DefectMask(mask[0], name=site) for site, mask in masks.items()})
    for module in model.modules():
        if (spec := spec_of(module)) and not spec.defects and mask_layers(module):
            forget_spec(module)
    return [defect for defect in defects(model) if defect.site in masks]


def load_weights_(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Load the weights of a plain model into a defective one; its masks stay, everything else is as strict as ``strict=True``.

    Args:
        model: Defective model.
        state_dict: State dict of the plain model; masks in it are loaded too.

    Raises:
        InputError: If a key other than a mask's is missing, a key is unknown, or a shape does not fit.

    Example:
        >>> from defective import build, create_model
        >>> plain, model = create_model("vgg19", width_mult=0.125), build("vgg19/0.5-bottom", width_mult=0.125)
        >>> load_weights_(model, plain.state_dict())
        >>> bool((model.head.weight == plain.head.weight).all())
        True
    """
    model = unwrap_model(model)
    _check_state(state_dict)
    state = model.state_dict()
    # torch's own message lists all of them, on many lines.
    for key, found in state_dict.items():
        needed = state.get(key)
        if needed is not None and not is_lazy(needed) and needed.shape != found.shape:
            shapes = f"{tuple(found.shape)}, {tuple(needed.shape)} in the model"
            raise InputError(f"the weights do not fit this model: {key} has shape {shapes}")
    own = {key: tensor for key, tensor in state.items() if key.rpartition(".")[2] == KEY}
    with reported("the weights do not fit this model"):
        model.load_state_dict({**own, **state_dict})


@torch.inference_mode(False)
def resize_masks_(
    model: nn.Module, image_size: int | tuple[int, int], how: How = "tile", *, in_chans: int | None = None
) -> list[Defect]:
    """Fit the masks of ``model`` to another image size, in place.

    Weights suit the masks they were trained with, so accuracy falls. One ResNet-18/0.1-bottom, trained on ``shapes`` at 32 x 32 (99.8 %
    of 2,000 test images), classified 64 % of the images enlarged to 40 x 40 correctly with ``tile``, 14 % with ``nearest`` and 13 %
    with ``redraw``; with the images resized back to 32 x 32 instead, 99 %. Masks of pattern ``channel`` keep the same channels at any
    size, but for ``redraw``.

    Args:
        model: Defective model that can take the new images.
        image_size: Height and width in pixels, one number or two.
        how: ``"tile"`` repeats each mask over the larger map and cuts it to size, ``"nearest"`` scales it, ``"redraw"`` draws a new
            one with the same keep_prob, pattern and seed; with the present share of live neurons and seed 0 where a mask is no draw
            any more, as after the other two.
        in_chans: Channels of the images; default: those that a built-in model takes, or the first convolution.

    Returns:
        One :class:`Defect` per site, with the new shapes.

    Raises:
        InputError: If the model has no masks or cannot take such images, or ``how`` is unknown. The model is then unchanged.

    Example:
        >>> from defective import build
        >>> model = build("vgg19/0.5-bottom", width_mult=0.125)
        >>> [defect.shape for defect in resize_masks_(model, 48)][:1], model(torch.rand(1, 3, 48, 48)).shape
        ([(8, 48, 48)], torch.Size([1, 10]))
    """
    model = unwrap_model(model)
    layers = mask_layers(model)
    if not layers:
        raise InputError("this model has no masks to resize: call defect_ first")
    if how not in get_args(How):
        raise InputError(f"how={how!r} is not a way to resize masks{choices(how, get_args(How))}")
    if in_chans is not None and not (isinstance(in_chans, Integral) and in_chans >= 1):
        raise InputError(f"in_chans {in_chans!r} is not a number of channels: write 3")
    try:
        height, width = map(index, image_size if isinstance(image_size, tuple | list) else (image_size, image_size))
        if min(height, width) < 1:
            raise ValueError
        images = torch.zeros(1, int(in_chans or _channels(model)), height, width, dtype=dtype_of(model), device=device_of(model))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"image_size {short(image_size)} is not a height and a width in pixels: write 40 or (40, 56)") from error
    built_in = {module: architecture for module in model.modules() if (architecture := architecture_of(module)) is not None}
    sizes: dict[nn.Module, tuple[int, int]] = {}
    hooks = [
        module.register_forward_pre_hook(lambda module, args: sizes.update({module: args[0].shape[2:]})) for module in built_in
    ]
    try:
        outputs = site_outputs(model, list(layers), images)
    except InputError as error:
        shape = f"{images.shape[1]} channels and {height} x {width} pixels"
        raise InputError(f"the masks cannot be resized on an image of {shape} (in_chans, image_size): {error}") from error
    finally:
        for hook in hooks:
            hook.remove()
    resized = {site: _resized(layer, shape_of(outputs[site]), how) for site, layer in layers.items()}
    for site, mask in resized.items():
        if how != "redraw" and mask.shape == layers[site].defect_mask.shape[1:]:
            continue
        layers[site].defect_mask = mask.unsqueeze(0).to(layers[site].defect_mask.device)
        if how != "redraw":
            # The mask is no longer a draw.
            layers[site].draw = None
    for module, size in sizes.items():
        # A layer in front may change the size.
        module.architecture = built_in[module].model_copy(update={"mask_size": tuple(size)})  # type: ignore[assignment]
    return defects(model)


def _check_state(state_dict: object) -> None:
    if not isinstance(state_dict, Mapping):
        raise InputError(f"the state dict is {short(type(state_dict).__name__)}: pass model.state_dict(), or torch.load(file)")


def _site(key: str) -> str:
    """Name of the site of a mask, also where the key names the parts of its wrapper, as a scripted model's does."""
    inner = f".after.mask.{KEY}"
    return key.removesuffix(inner).replace(".module.", ".") if key.endswith(inner) else key.removesuffix(f".{KEY}")


def _resized(layer: DefectMask, shape: tuple[int, int, int], how: How) -> Tensor:
    mask = layer.defect_mask[0].cpu()
    _, height, width = shape
    if how == "redraw":
        keep_prob = int(mask.sum()) / mask.numel()
        draw = layer.draw or MaskDraw(layer.name, keep_prob, pattern_of(mask))
        return draw.sample(shape)
    if how == "tile":
        rows, columns = (torch.arange(new, device="cpu") % old for new, old in ((height, mask.shape[1]), (width, mask.shape[2])))
        return mask[:, rows[:, None], columns]
    return F.interpolate(mask[None].float(), (height, width), mode="nearest")[0].bool()


def _channels(model: nn.Module) -> int:
    shape: Any = image_shape(model)
    convs = (module for module in model.modules() if isinstance(module, nn.Conv2d))
    return int(shape[0] if shape else next((conv.in_channels for conv in convs), 3))
