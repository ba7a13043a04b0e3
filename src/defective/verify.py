"""Check that a model is what its spec says and that its masks are sound."""

import math

import torch
from torch import nn

from defective.baselines import Drop, drops
from defective.baselines.drop import drop_sites
from defective.errors import InputError
from defective.inference import device_of, dtype_of, evaluating
from defective.layers import DefectMask
from defective.masks import live_count
from defective.models import Ensemble
from defective.sites import block_sites, image_shape
from defective.specs import NetSpec, Pattern
from defective.surgery import mask_layers


def verify(model: nn.Module) -> None:
    """Raise if the masks of ``model`` are unsound, or if its ``.spec`` and what is in it disagree.

    Checked are: each mask is bool ``(1, C, H, W)`` with values, keeps as many neurons as it was drawn to, and fits the feature maps
    that it meets; and, for a model that :func:`defective.build` made, that the sites, keep probabilities and patterns of masks and
    dropout are those of the spec. :func:`defective.save`, :func:`defective.load` and evaluation call it.

    Args:
        model: Any model; a plain one without a spec passes.

    Raises:
        InputError: Naming the first site that is wrong.

    Example:
        >>> from defective import build, restore_
        >>> net = build("vgg19/0.5-bottom", width_mult=0.125)
        >>> verify(net)
        >>> net.blocks[0].norm1 = net.blocks[0].norm1.module
        >>> verify(net)
        Traceback (most recent call last):
        defective.errors.InputError: the spec vgg19/0.5-bottom has a mask at 'blocks.0.norm1', and the model has none there
    """
    if isinstance(model, Ensemble):
        for member in model.members:
            verify(member)
        return
    layers = mask_layers(model)
    for site, layer in layers.items():
        _check_mask(site, layer)
    spec = getattr(model, "spec", None)
    if isinstance(spec, NetSpec):
        _check_spec(model, spec, layers)
    shape = image_shape(model)
    if layers and shape is not None:
        images = torch.zeros(1, *shape, device=device_of(model), dtype=dtype_of(model))
        with evaluating(model), torch.no_grad():
            # A mask of another size than its feature maps says so itself.
            model(images)


def _check_mask(site: str, layer: DefectMask) -> None:
    mask = layer.defect_mask
    if mask.dtype != torch.bool or mask.dim() != 4 or len(mask) != 1:
        raise InputError(f"the mask of {site!r} is {mask.dtype} of shape {tuple(mask.shape)}, not bool (1, C, H, W)")
    if mask.is_meta:
        raise InputError(f"the mask of {site!r} has no values: it is on the meta device")
    if layer.draw is None:
        return
    units = {"neuron": mask[0], "channel": mask[0, :, :1, :1], "shared": mask[0, :1]}[layer.draw.pattern]
    if not torch.equal(units.expand_as(mask[0]), mask[0]):
        raise InputError(f"the mask of {site!r} is not of pattern {layer.draw.pattern!r}")
    live, total, p = int(units.sum()), units.numel(), layer.draw.keep_prob
    # Resized masks and independent draws keep about p; eight standard deviations are never reached by chance.
    slack = 8 * math.sqrt(total * p * (1 - p)) + 1
    if abs(live - live_count(total, p)) > slack:
        raise InputError(f"the mask of {site!r} keeps {live:,} of {total:,}, which is not a share of keep_prob {p:g}")


def _check_spec(model: nn.Module, spec: NetSpec, layers: dict[str, DefectMask]) -> None:
    expected: dict[str, tuple[float, Pattern]] = {}
    if not spec.narrows:
        for defect in spec.defects:
            sites = block_sites(model, defect.blocks, spec.placement)
            expected |= dict.fromkeys(sites, (defect.keep_prob, spec.pattern))
    found = {site: (layer.draw.keep_prob, layer.draw.pattern) if layer.draw else None for site, layer in layers.items()}
    for site, values in expected.items():
        if site not in found:
            raise InputError(f"the spec {spec} has a mask at {site!r}, and the model has none there")
        if found[site] not in (values, None):
            raise InputError(
                f"the spec {spec} has a mask of (keep_prob, pattern) {values} at {site!r}, the model one of {found[site]}"
            )
    for site in found.keys() - expected.keys():
        raise InputError(f"the model has a mask at {site!r}, and its spec {spec} has none there")
    dropped = {Drop(site, drop.keep_prob, drop.kind) for drop in spec.drops for site in drop_sites(model, "top", spec.placement)}
    if dropped != set(drops(model)):
        raise InputError(f"the dropout in the model is not that of its spec {spec}")
