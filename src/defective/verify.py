"""Check the masks of a model, and that it agrees with its spec."""

import math

import torch
from torch import Tensor, nn

from defective.baselines import Drop, drops
from defective.baselines.drop import drop_sites
from defective.errors import InputError
from defective.inference import device_of, dtype_of, evaluating, reported
from defective.layers import DefectMask, pattern_of
from defective.machine import unwrap_model
from defective.masks import live_count
from defective.models import Ensemble
from defective.sites import architecture_of, block_sites, spec_of
from defective.specs import NetSpec, Pattern
from defective.surgery import mask_layers


def verify(model: nn.Module) -> None:
    """Raise if the masks of ``model`` are unsound, or if its ``.spec`` and what is in it disagree.

    Checked are: each mask is bool ``(1, C, H, W)`` with values and keeps as many neurons as it was drawn to; and, for each model that
    :func:`defective.build` made, wherever it stands in ``model``, that architecture, sites, keep probabilities and patterns of masks,
    and dropout are those of its spec, and that the masks fit its feature maps. :func:`defective.save`, :func:`defective.load` and
    evaluation call it.

    Args:
        model: Any model; a plain one without a spec passes.

    Raises:
        InputError: Naming the first site that is wrong.

    Example:
        >>> from defective import build, restore_
        >>> model = build("vgg19/0.5-bottom", width_mult=0.125)
        >>> verify(model)
        >>> model.blocks[0].norm1 = model.blocks[0].norm1.module
        >>> verify(model)
        Traceback (most recent call last):
        defective.errors.InputError: the spec vgg19/0.5-bottom has a mask at 'blocks.0.norm1', and the model has none there
    """
    model = unwrap_model(model)
    for site, layer in mask_layers(model).items():
        _check_mask(site, layer)
    for module in model.modules():
        if spec := spec_of(module):
            _check_spec(module, spec)


def _check_mask(site: str, layer: DefectMask) -> None:
    mask = layer.defect_mask
    if mask.dtype != torch.bool or mask.dim() != 4 or len(mask) != 1 or not mask.numel():
        raise InputError(f"the mask of {site!r} is {mask.dtype} of shape {tuple(mask.shape)}, not bool (1, C, H, W)")
    if mask.is_meta:
        raise InputError(f"the mask of {site!r} has no values: it is on the meta device")
    if layer.draw is not None:
        _check_density(site, mask[0], layer.draw.keep_prob, layer.draw.pattern, exact=layer.draw.sampling == "exact")


def _check_density(site: str, mask: Tensor, p: float, pattern: Pattern, *, exact: bool) -> None:
    units = {"neuron": mask, "channel": mask[:, :1, :1], "shared": mask[:1]}[pattern]
    # Small maps may have the form of another pattern by chance, maps of one pixel or channel always.
    repeated = mask.numel() - {"neuron": mask.numel(), "channel": len(mask), "shared": mask[0].numel()}[pattern_of(mask)]
    if not torch.equal(units.expand_as(mask), mask) or (pattern == "neuron" and repeated * p * (1 - p) >= 16):
        raise InputError(f"the mask of {site!r} is not of pattern {pattern!r}")
    live, total = int(units.sum()), units.numel()
    # Independent draws keep about p: within eight standard deviations.
    slack = 0 if exact else 8 * math.sqrt(total * p * (1 - p)) + 1
    if abs(live - live_count(total, p)) > slack:
        raise InputError(f"the mask of {site!r} keeps {live:,} of {total:,}, which is not a share of keep_prob {p:g}")


def _check_spec(model: nn.Module, spec: NetSpec) -> None:
    """One model against its spec; of an ensemble, whose members have specs of their own, their number."""
    if isinstance(model, Ensemble):
        if len(model.members) != spec.members:
            raise InputError(f"the spec {spec} has {spec.members} members, the ensemble {len(model.members)}")
        return
    architecture = architecture_of(model)
    if architecture is None or (architecture.name, architecture.thermometer) != (spec.arch, spec.thermometer) or spec.members > 1:
        raise InputError(f"the model is not the architecture that its spec {spec} names")
    _check_masks(model, spec)
    dropped = {
        Drop(site, drop.keep_prob, drop.kind) for drop in spec.drops for site in drop_sites(model, spec.drop_blocks, spec.placement)
    }
    if dropped != set(drops(model)):
        raise InputError(f"the dropout in the model is not that of its spec {spec}")
    if not mask_layers(model):
        return
    images = torch.zeros(1, *architecture.image_shape, device=device_of(model), dtype=dtype_of(model))
    failed = f"the model, {spec} by its spec, cannot take images of shape {tuple(images.shape)}"
    with reported(failed), evaluating(model), torch.no_grad():
        # A mask of another size than its feature maps raises an InputError.
        model(images)


def _check_masks(model: nn.Module, spec: NetSpec) -> None:
    expected: dict[str, float] = {}
    for defect in () if spec.narrows else spec.defects:
        expected |= dict.fromkeys(block_sites(model, defect.blocks, spec.placement), defect.keep_prob)
    layers = mask_layers(model)
    for site, keep_prob in expected.items():
        if site not in layers:
            raise InputError(f"the spec {spec} has a mask at {site!r}, and the model has none there")
        draw, values = layers[site].draw, (keep_prob, spec.pattern)
        if draw is not None and (draw.keep_prob, draw.pattern) != values:
            found = (draw.keep_prob, draw.pattern)
            raise InputError(f"the spec {spec} has a mask of (keep_prob, pattern) {values} at {site!r}, the model one of {found}")
        # A resized mask is no draw any more.
        if draw is not None or architecture_of(model).mask_size is None:  # type: ignore[union-attr]
            _check_density(site, layers[site].defect_mask[0], keep_prob, spec.pattern, exact=False)
    for site in layers.keys() - expected.keys():
        raise InputError(f"the model has a mask at {site!r}, and its spec {spec} has none there")
