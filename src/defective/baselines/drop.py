"""Put dropout, spatial dropout or DropBlock into any CNN in place, say where, and take it out again."""

from dataclasses import dataclass
from typing import Any, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from defective.baselines.dropblock import drop_block
from defective.errors import InputError
from defective.sites import Blocks, Sites, block_sites, forget_spec, named_sites, refuse_both, refuse_compiled, register_hook
from defective.specs import Kind, Placement

# Architectures made of basic blocks, whose second drop of the released code lies between convolution and norm.
BASIC_BLOCKS = ("resnet18", "wrn32_4")


@dataclass(frozen=True)
class Drop:
    """One place with dropout: the module whose output is dropped in training, with what chance it is kept, and how."""

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
    """Let the output of each chosen site go through dropout in place; in eval mode the net is exactly the plain one.

    Weights and state-dict keys stay, so plain checkpoints load. Random numbers come from torch's global generator, and what is kept
    is scaled up. A site may hold several kinds, and a defect mask beside them. A site drops while it is in training mode itself. Call
    it before ``torch.compile``. A ``.spec`` that :func:`defective.build` gave the net becomes None.

    Args:
        model: Any module.
        keep_prob: Chance in (0, 1] that what is dropped as one is kept.
        kind: ``"dropout"`` (single activations), ``"spatial"`` (whole channels) or ``"dropblock"`` (:func:`drop_block`, 3 x 3). The
            last two want sites that output ``(N, C, H, W)``.
        blocks: For nets of the zoo: ``"bottom"``, ``"top"``, a block number or several. Default ``"top"``.
        sites: For any net: module names, or a predicate ``(name, module) -> bool``.
        placement: For ``blocks``: ``"authors"`` (after the norms that a defect mask would follow, shortcuts left out; in nets of basic
            blocks the second one lies before its norm, as the released code has it) or ``"text"`` (after the activation).

    Returns:
        What was done, one :class:`Drop` per site.

    Raises:
        InputError: If no site matches, a name does not exist, a site has that kind already, or ``keep_prob`` lies outside (0, 1].
            The model is then unchanged.

    Source: paper Section 4.1 (keep_prob 0.9 in the top blocks); Srivastava et al. 2014, Tompson et al. 2015, Ghiasi et al. 2018.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> drop_(net, 0.9, kind="spatial", sites=["1"])
        [Drop(site='1', keep_prob=0.9, kind='spatial')]
    """
    refuse_compiled(model)
    refuse_both(blocks, sites)
    if not 0 < keep_prob <= 1:
        raise InputError(f"keep_prob {keep_prob} lies outside (0, 1]")
    if kind not in get_args(Kind):
        raise InputError(f"no kind of dropout {kind!r}; there are {', '.join(get_args(Kind))}")
    names = _zoo_sites(model, "top" if blocks is None else blocks, placement) if sites is None else named_sites(model, sites)
    there = {(drop.site, drop.kind) for drop in drops(model)}
    for name in names:
        if (name, kind) in there:
            raise InputError(f"site {name!r} has {kind} already: undrop_ the net first, or name other sites")
    made = [Drop(name, keep_prob, kind) for name in names]
    for drop in made:
        attach_drop_(model, drop)
    forget_spec(model)
    return made


def attach_drop_(model: nn.Module, drop: Drop) -> None:
    """Put a ready :class:`Drop` on its site."""
    site = model.get_submodule(drop.site)
    there = _records(site)
    site.drop_records = (*there, drop)  # type: ignore[assignment]
    if not there:
        register_hook(site, _drop_output)


def drops(model: nn.Module) -> list[Drop]:
    """List the places with dropout that :func:`drop_` made, in module order; empty for a plain net.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3))
        >>> _ = drop_(net, 0.8, kind="dropout", sites=["0"])
        >>> drops(net)
        [Drop(site='0', keep_prob=0.8, kind='dropout')]
    """
    return [Drop(name, record.keep_prob, record.kind) for name, module in model.named_modules() for record in _records(module)]


def undrop_(model: nn.Module) -> None:
    """Take everything that :func:`drop_` put in out again; weights and masks stay as they are, ``.spec`` becomes None.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3))
        >>> _ = drop_(net, 0.8, kind="dropout", sites=["0"])
        >>> undrop_(net)
        >>> drops(net)
        []
    """
    refuse_compiled(model)
    if drops(model):
        forget_spec(model)
    for module in model.modules():
        for key, hook in list(module._forward_hooks.items()):
            if hook is _drop_output:
                del module._forward_hooks[key], module.drop_records


def _drop_output(site: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
    # A module-level function that reads a plain record from the module it is called with: it survives deepcopy, pickling and
    # replication.
    if not site.training:
        return output
    for record in _records(site):
        output = _dropped(output, record)
    return output


def _dropped(z: Any, record: Drop) -> Tensor:
    if not isinstance(z, Tensor) or (record.kind != "dropout" and z.dim() != 4):
        what = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
        raise InputError(f"site {record.site!r} outputs {what}, not (N, C, H, W): pick a site that outputs feature maps")
    if record.kind == "dropblock":
        return drop_block(z, record.keep_prob)
    return (F.dropout2d if record.kind == "spatial" else F.dropout)(z, 1 - record.keep_prob)


def _records(module: nn.Module) -> tuple[Drop, ...]:
    return getattr(module, "drop_records", ())


def _zoo_sites(model: nn.Module, blocks: Blocks, placement: Placement) -> list[str]:
    names = [name for name in block_sites(model, blocks, placement) if not name.endswith("shortcut.norm")]
    basic = getattr(model, "architecture", {}).get("name") in BASIC_BLOCKS
    if placement == "authors" and basic:
        # The released code's second drop acts on what norm2 reads: conv2, drop, norm2.
        return [name.removesuffix("norm2") + "conv2" if name.endswith(".norm2") else name for name in names]
    return names
