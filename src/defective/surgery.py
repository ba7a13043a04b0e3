"""Make any CNN defective in place, list its defects, and undo it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from defective.errors import InputError
from defective.inference import device_of, dtype_of
from defective.layers import DefectMask, pattern_of
from defective.machine import unwrap_model
from defective.masks import MaskDraw, as_number, checked_seed
from defective.probes import site_outputs
from defective.sites import Blocks, Sites, architecture_of, block_sites, forget_spec, image_shape, named_sites, refuse_both
from defective.specs import Pattern, Placement, Sampling
from defective.wrapper import SiteWrapper, refuse_compiled, site_modules, unwrap_, wrap_


@dataclass(frozen=True)
class Defect:
    """One defective site: the module whose output is masked, and its mask."""

    site: str
    shape: tuple[int, int, int]
    keep_prob: float
    pattern: Pattern
    live: int
    total: int


@torch.inference_mode(False)
def defect_(
    model: nn.Module,
    keep_prob: float,
    *,
    blocks: Blocks | None = None,
    sites: Sites | None = None,
    pattern: Pattern = "neuron",
    sampling: Sampling = "exact",
    placement: Placement = "authors",
    example_inputs: Tensor | None = None,
    seed: int = 0,
) -> list[Defect]:
    """Make ``model`` defective in place: multiply the output of each chosen site by a fixed random mask.

    Each site is wrapped together with a :class:`DefectMask`. Weights, parameter count and old state-dict keys stay; each site gains
    the key ``defect_mask``. Mask bits depend only on ``seed``, the site's name and the activation shape, so they are the same on
    every machine and device. A ``.spec`` that :func:`defective.build` gave the model no longer describes it and becomes None.

    Args:
        model: Any module whose sites take one tensor and output ``(N, C, H, W)``.
        keep_prob: Probability in ``[0, 1]`` that a neuron is kept.
        blocks: For built-in models: ``"bottom"``, ``"top"``, a block number or several. Default ``"bottom"``.
        sites: For any model: module names, a module type or several, or a predicate ``(name, module) -> bool``.
        pattern: ``"neuron"``, ``"channel"`` (paper: DC) or ``"shared"`` (paper: SM).
        sampling: ``"exact"`` (released code) or ``"bernoulli"`` (paper's text).
        placement: For ``blocks``: ``"authors"`` (after norm, before activation) or ``"text"`` (Eq. 5, after the activation).
        example_inputs: Images ``(N, C, H, W)`` for one dry forward pass in eval mode, which finds the mask shapes. Built-in models
            know their own.
        seed: Root seed of the masks.

    Returns:
        One :class:`Defect` per site, in the order of ``model.named_modules()``.

    Raises:
        InputError: If no site matches, a name does not exist, a site is defective already, runs twice or not at all in one forward
            pass, outputs something other than ``(N, C, H, W)``, or ``keep_prob`` lies outside ``[0, 1]``. The model is then unchanged.

    Source: paper Section 3.1 and Appendix C.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))
        >>> defect_(model, 0.25, sites=["1"], example_inputs=torch.zeros(1, 3, 16, 16))
        [Defect(site='1', shape=(8, 16, 16), keep_prob=0.25, pattern='neuron', live=512, total=2048)]
    """
    model = unwrap_model(model)
    refuse_both(blocks, sites)
    if sites is not None and placement != "authors":
        raise InputError(f"placement {placement!r} is for blocks: sites are masked where they are named, so leave it out")
    names = block_sites(model, "bottom" if blocks is None else blocks, placement) if sites is None else named_sites(model, sites)
    refuse_masked(model, names)
    seed = checked_seed("seed", seed)
    draws = {name: MaskDraw(name, as_number(keep_prob), pattern, sampling, seed) for name in names}
    # Wrong values are refused before the model runs.
    draws[names[0]].sample((1, 1, 1))
    outputs = site_outputs(model, names, _built_in_inputs(model) if example_inputs is None else example_inputs)
    masks = {name: draw.sample(shape_of(outputs[name])) for name, draw in draws.items()}
    attach_(model, {name: DefectMask(mask, draw=draws[name], name=name) for name, mask in masks.items()}, outputs)
    forget_spec(model)
    return [defect for defect in defects(model) if defect.site in masks]


def attach_(model: nn.Module, masks: dict[str, DefectMask], outputs: dict[str, Tensor] | None = None) -> None:
    """Put masks behind the modules with these names, on the device of their output."""
    refuse_compiled(model, masks)
    sites, device = site_modules(model), device_of(model)
    wrap_(
        model,
        "mask",
        {
            name: mask.to(outputs[name].device if outputs else device_of(sites[name], default=device))
            for name, mask in masks.items()
        },
    )


def defects(model: nn.Module) -> list[Defect]:
    """List the defective sites of ``model`` in module order; empty for a plain model.

    Live and total neurons are counted on the masks as they are now, so loading a state dict is reflected.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3))
        >>> _ = defect_(model, 0.5, sites=["0"], example_inputs=torch.zeros(1, 1, 4, 4))
        >>> [(d.site, d.live, d.total) for d in defects(model)]
        [('0', 8, 16)]
    """
    return [_defect(site, layer) for site, layer in mask_layers(model).items()]


def mask_layers(model: nn.Module) -> dict[str, DefectMask]:
    """The masks of a model, unwrapped from torch.compile and DDP, by the name of their site; one that stands by itself is its own site."""
    found = {}
    for name, module in site_modules(unwrap_model(model)).items():
        for layer in [module.module, *module.after] if isinstance(module, SiteWrapper) else [module]:
            if isinstance(layer, DefectMask):
                found[name] = layer
    return found


def restore_(model: nn.Module) -> None:
    """Remove all masks that :func:`defect_` added; weights are unchanged, ``.spec`` becomes None.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3))
        >>> _ = defect_(model, 0.5, sites=["0"], example_inputs=torch.zeros(1, 1, 4, 4))
        >>> restore_(model)
        >>> defects(model), list(model.state_dict())
        ([], ['0.weight', '0.bias'])
    """
    model = unwrap_model(model)
    if unwrap_(model, DefectMask):
        forget_spec(model)
        for module in model.modules():
            if (architecture := architecture_of(module)) is not None:
                module.architecture = architecture.model_copy(update={"mask_size": None})  # type: ignore[assignment]


def refuse_masked(model: nn.Module, names: list[str]) -> None:
    """A site holds one mask."""
    masked = mask_layers(model)
    for name in names:
        if name in masked:
            raise InputError(f"site {name!r} is defective already: restore_ the model first, or name other sites")


def _defect(site: str, layer: DefectMask) -> Defect:
    mask = layer.defect_mask[0]
    shape = shape_of(layer.defect_mask)
    if mask.is_meta:
        mask = layer.draw.sample(shape) if layer.draw else mask.new_zeros(shape, device="cpu")
    live, total = int(mask.sum()), mask.numel()
    keep_prob, pattern = (layer.draw.keep_prob, layer.draw.pattern) if layer.draw else (live / total, pattern_of(mask))
    return Defect(site, shape, keep_prob, pattern, live, total)


def shape_of(feature_maps: Tensor) -> tuple[int, int, int]:
    """``(C, H, W)`` of ``(N, C, H, W)``."""
    _, channels, height, width = feature_maps.shape
    return channels, height, width


def _built_in_inputs(model: nn.Module) -> Tensor:
    shape = image_shape(model)
    if shape is None:
        raise InputError("example_inputs is needed to find the mask shapes: pass images of shape (N, C, H, W)")
    return torch.zeros(1, *shape, device=device_of(model), dtype=dtype_of(model))
