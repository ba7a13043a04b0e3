"""Add dropout, spatial dropout or DropBlock to any CNN in place, list it, and remove it."""

from dataclasses import dataclass, replace
from typing import get_args

import torch.nn.functional as F
from torch import Tensor, nn

from defective.baselines.dropblock import check_keep_prob, drop_block
from defective.errors import InputError
from defective.machine import unwrap_model
from defective.sites import Blocks, Sites, architecture_of, block_sites, forget_spec, named_sites, refuse_both
from defective.specs import Kind, Placement
from defective.text import choices
from defective.wrapper import SiteWrapper, refuse_compiled, site_modules, unwrap_, wrap_

# Architectures made of basic blocks, whose second drop of the released code lies between convolution and norm.
BASIC_BLOCKS = ("resnet18", "wrn32_4")


@dataclass(frozen=True)
class Drop:
    """One site with dropout: the module whose output is dropped in training, the keep probability, and the kind."""

    site: str
    keep_prob: float
    kind: Kind


def drop_(
    model: nn.Module,
    keep_prob: float,
    *,
    kind: Kind,
    blocks: Blocks | None = None,
    sites: Sites | None = None,
    placement: Placement = "authors",
) -> list[Drop]:
    """Apply dropout to the output of each chosen site, in place; in eval mode the model equals the plain one.

    Each site is wrapped together with a :class:`DropLayer`. Weights and state-dict keys stay, so plain checkpoints load. Random
    numbers come from torch's global generator, and kept activations are scaled up. A site may hold several kinds, and a defect mask beside
    them. A ``.spec`` that :func:`defective.build` gave the model becomes None.

    Args:
        model: Any module.
        keep_prob: Probability in (0, 1] to keep an activation, channel or block.
        kind: ``"dropout"`` (single activations), ``"spatial"`` (whole channels) or ``"dropblock"`` (:func:`drop_block`, 3 x 3). The
            last two need sites that output ``(N, C, H, W)``.
        blocks: For built-in models: ``"bottom"``, ``"top"``, a block number or several. Default ``"top"``.
        sites: For any model: module names, a module type or several, or a predicate ``(name, module) -> bool``.
        placement: For ``blocks``: ``"authors"`` (after the norms that a defect mask would follow, shortcuts left out; in models of basic
            blocks the second one lies before its norm, as the released code has it) or ``"text"`` (after the activation).

    Returns:
        One :class:`Drop` per site.

    Raises:
        InputError: If no site matches, a name does not exist, a site has that kind already, or ``keep_prob`` lies outside (0, 1].
            The model is then unchanged.

    Source: paper Section 4.1 (keep_prob 0.9 in the top blocks); Srivastava et al. 2014, Tompson et al. 2015, Ghiasi et al. 2018.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> drop_(model, 0.9, kind="spatial", sites=["1"])
        [Drop(site='1', keep_prob=0.9, kind='spatial')]
    """
    model = unwrap_model(model)
    refuse_both(blocks, sites)
    check_keep_prob(keep_prob)
    if kind not in get_args(Kind):
        raise InputError(f"no kind of dropout {kind!r}{choices(kind, get_args(Kind))}")
    names = drop_sites(model, "top" if blocks is None else blocks, placement) if sites is None else named_sites(model, sites)
    there = {(drop.site, drop.kind) for drop in drops(model)}
    for name in names:
        if (name, kind) in there:
            raise InputError(f"site {name!r} has {kind} already: undrop_ the model first, or name other sites")
    refuse_compiled(model, names)
    made = [Drop(name, float(keep_prob), kind) for name in names]
    for drop in made:
        attach_drop_(model, drop)
    forget_spec(model)
    return made


class DropLayer(nn.Module):
    """Dropout of one kind in training mode, nothing in eval mode: feature maps ``(N, C, H, W)`` in, the same shape out."""

    def __init__(self, drop: Drop) -> None:
        super().__init__()
        self.drop = drop

    def forward(self, z: Tensor) -> Tensor:
        drop = self.drop
        if not self.training:
            return z
        if not isinstance(z, Tensor) or (drop.kind != "dropout" and z.dim() != 4):
            what = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
            raise InputError(f"site {drop.site!r} outputs {what}, not (N, C, H, W): pick a site that outputs feature maps")
        if drop.kind == "dropblock":
            return drop_block(z, drop.keep_prob)
        return (F.dropout2d if drop.kind == "spatial" else F.dropout)(z, 1 - drop.keep_prob)

    def extra_repr(self) -> str:
        return f"{self.drop.kind}, keep_prob={self.drop.keep_prob}"


def attach_drop_(model: nn.Module, drop: Drop) -> None:
    """Put a ready :class:`Drop` on its site."""
    wrap_(model, drop.kind, {drop.site: DropLayer(drop)})


def drops(model: nn.Module) -> list[Drop]:
    """List the sites with dropout that :func:`drop_` made, in module order; empty for a plain model.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3))
        >>> _ = drop_(model, 0.8, kind="dropout", sites=["0"])
        >>> drops(model)
        [Drop(site='0', keep_prob=0.8, kind='dropout')]
    """
    wrappers = {name: module.after for name, module in site_modules(model).items() if isinstance(module, SiteWrapper)}
    return [replace(layer.drop, site=name) for name, after in wrappers.items() for layer in after if isinstance(layer, DropLayer)]


def undrop_(model: nn.Module) -> None:
    """Remove everything that :func:`drop_` added; weights and masks are unchanged, ``.spec`` becomes None.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3))
        >>> _ = drop_(model, 0.8, kind="dropout", sites=["0"])
        >>> undrop_(model)
        >>> drops(model)
        []
    """
    model = unwrap_model(model)
    if unwrap_(model, DropLayer):
        forget_spec(model)


def drop_sites(model: nn.Module, blocks: Blocks, placement: Placement) -> list[str]:
    """Names of the modules of a built-in model whose output is dropped in some blocks."""
    names = [name for name in block_sites(model, blocks, placement) if not name.endswith("shortcut.norm")]
    architecture = architecture_of(model)
    if placement == "authors" and architecture is not None and architecture.name in BASIC_BLOCKS:
        # The released code's second drop acts on what norm2 reads: conv2, drop, norm2.
        return [name.removesuffix("norm2") + "conv2" if name.endswith(".norm2") else name for name in names]
    return names
