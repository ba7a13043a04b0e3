"""Turn a model spec into a model: architecture, widths, masks, baselines, ensemble."""

import torch
from torch import nn

from defective.baselines import drop_, thermometer_
from defective.errors import InputError
from defective.masks import checked_seed, live_count, named_generator
from defective.models import BUILT_IN, Ensemble, channel_widths, checked_width, construct
from defective.sites import architecture_of
from defective.specs import Architecture, NetSpec
from defective.surgery import defect_


def build(
    spec: NetSpec | str,
    *,
    seed: int = 0,
    mask_seed: int | None = None,
    num_classes: int = 10,
    in_chans: int = 3,
    image_size: int = 32,
    width_mult: float = 1.0,
) -> nn.Module:
    """Build a model from its spec or name, the same model for the same seed; torch's global generator is left as it was.

    Args:
        spec: A :class:`NetSpec` or a name such as ``"resnet18/0.1-bottom"`` (grammar: :mod:`defective.specs`).
        seed: Seed of weights and masks.
        mask_seed: Seed of the masks alone, where weights and masks should vary apart (Table 9); default ``seed``.
        num_classes, in_chans, image_size, width_mult: As in :func:`create_model`.

    Returns:
        A module from images ``(N, C, H, W)`` in [0, 1] to logits ``(N, K)``, with the spec as ``.spec`` and the rest of what built
        it as ``.build_options``. Member ``i`` of an ensemble is the model of seed ``member_seed(seed, i)``.

    Raises:
        InputError: If the name cannot be read or a number is out of range.

    Source: paper Section 4.2 for the variants. ``-dc`` and ``-x2`` follow the placement: the released code builds a narrower
    model without masks for DC, and both with an extra projection shortcut on ResNet-18; the text masks whole channels and only widens.
    Section 4.1 for the baselines: dropout in the top blocks, under ``@text`` in block 3 (:func:`defective.baselines.drop_`), and the
    thermometer code of the input (:func:`defective.baselines.thermometer_`), which leave masks and all other weights as they are.

    Example:
        >>> from defective import defects
        >>> model = build("resnet18/0.1-bottom", width_mult=0.25)
        >>> [(d.site, d.live) for d in defects(model)][:2]
        [('stem.norm', 1639), ('stages.1.0.norm1', 1639)]
    """
    spec = spec if isinstance(spec, NetSpec) else NetSpec.parse(spec)
    seed = checked_seed("seed", seed)
    mask_seed = seed if mask_seed is None else checked_seed("mask_seed", mask_seed)
    width_mult = checked_width(width_mult)
    sizes = {"num_classes": num_classes, "in_chans": in_chans, "image_size": image_size}
    if spec.members > 1:
        model: nn.Module = Ensemble(
            build(spec.member(), seed=member_seed(seed, i), mask_seed=member_seed(mask_seed, i), **sizes, width_mult=width_mult)
            for i in range(spec.members)
        )
    else:
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed would reseed accelerators, too.
            (torch.default_generator if torch.get_default_device().type in ("cpu", "meta") else torch).manual_seed(seed)
            model = _single(spec, mask_seed, **sizes, width_mult=width_mult)
    model.spec = spec  # type: ignore[assignment]
    # Of the architecture: there they are plain numbers, which a file can hold.
    architecture = next(found for module in model.modules() if (found := architecture_of(module)) is not None)
    options = {name: getattr(architecture, name) for name in sizes}
    model.build_options = {**options, "width_mult": width_mult, "seed": seed, "mask_seed": mask_seed}  # type: ignore[assignment]
    return model


def member_seed(seed: int, index: int) -> int:
    """Seed of one member of an ensemble, far from the small seeds that models are given by hand: no member is a model of another run."""
    return named_generator(seed, f"member/{index}").initial_seed() % (1 << 48)


def _single(spec: NetSpec, mask_seed: int, num_classes: int, in_chans: int, image_size: int, width_mult: float) -> nn.Module:
    widths = channel_widths(spec.arch, width_mult)
    changed = set[int]()
    for defect in spec.defects if spec.narrows or spec.widen else ():
        for block in getattr(BUILT_IN[spec.arch], defect.blocks) if isinstance(defect.blocks, str) else defect.blocks:
            if block >= len(widths):
                raise InputError(f"{spec}: no block {block}; {spec.arch} has blocks {', '.join(map(str, range(len(widths))))}")
            if block in changed:
                raise InputError(f"{spec} names block {block} twice")
            changed.add(block)
            widths[block] = 2 * widths[block] if spec.widen else max(1, live_count(widths[block], defect.keep_prob))
    # The released DC and x2 models are ResNet-18s with one projection shortcut more than the plain one.
    project_first = spec.arch == "resnet18" and spec.placement == "authors" and (spec.narrows or spec.widen)
    shape = {"num_classes": num_classes, "in_chans": in_chans, "image_size": image_size}
    model = construct(Architecture.make(name=spec.arch, widths=tuple(widths), **shape, project_first=project_first))
    if spec.thermometer:
        thermometer_(model, spec.thermometer)
    if not spec.narrows:
        for defect in spec.defects:
            defect_(
                model,
                defect.keep_prob,
                blocks=defect.blocks,
                pattern=spec.pattern,
                sampling=spec.sampling,
                placement=spec.placement,
                seed=mask_seed,
            )
    for drop in spec.drops:
        drop_(model, drop.keep_prob, kind=drop.kind, blocks=spec.drop_blocks, placement=spec.placement)
    return model
