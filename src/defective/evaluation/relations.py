"""What an attacker who owns the source knows of the target."""

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from defective.errors import InputError
from defective.masks import sample_mask, stream
from defective.models import Ensemble
from defective.sites import architecture_of
from defective.specs import NetSpec
from defective.surgery import defects, mask_layers

Relation = Literal["black-box", "same structure", "same masks", "other masks", "adaptive", "own weights", "white-box"]

# In words, as a table shows them: headings of its blocks, and what its marks mean.
RELATIONS: dict[Relation, str] = {
    "black-box": "transfer",
    "same structure": "gray-box, other weights",
    "same masks": "gray-box, same masks and other weights",
    "other masks": "gray-box, other masks",
    "adaptive": "adaptive transfer, defective source",
    "own weights": "own weights in the source",
    "white-box": "white-box",
}


def relation(source: nn.Module, target: nn.Module) -> Relation:
    """How much the source tells of the target.

    ``"white-box"``: it is the target, or has all of its weights and masks. ``"own weights"``: it has the target's weights under other
    masks or among those of other nets; like white-box, that is no transfer. Gray-box (Tables 9 and 10): both are the same net by
    name, plain (``"same structure"``) or defective with equal masks (``"same masks"``) or different ones (``"other masks"``).
    ``"adaptive"``: the attacker answers a defective target with a defective source, an ensemble or average of such among them. Else
    ``"black-box"``.

    Example:
        >>> from defective import build
        >>> first, second = (build("vgg19/0.5-bottom", seed=seed, width_mult=0.0625) for seed in (0, 1))
        >>> relation(first, second), relation(build("vgg19", width_mult=0.0625), second)
        ('other masks', 'black-box')
    """
    if source is target or _equal(source.state_dict(), target.state_dict()):
        return "white-box"
    members = [source, *(member for module in source.modules() if isinstance(module, Ensemble) for member in module.members)]
    if any(_equal(_weights(member), _weights(target)) for member in members):
        return "own weights"
    of_source, of_target = _masks(source), _masks(target)
    if _structure(source) is not None and _structure(source) == _structure(target):
        if not of_target:
            return "same structure"
        same = of_source.keys() == of_target.keys() and all(torch.equal(of_source[site], of_target[site]) for site in of_source)
        return "same masks" if same else "other masks"
    return "adaptive" if of_source and of_target else "black-box"


def mask_average(net: nn.Module, *, draws: int = 8, seed: int = 0) -> Ensemble:
    """A source whose logits are averaged over fresh draws of its masks: what an attacker may try who knows the method, not the masks.

    Weights suit the masks they were trained with: under fresh ones a net is right far less often (its accuracy is a part of every
    evaluation), and a source that is right by chance attacks nothing. Nets trained with different masks and fused, as
    :class:`defective.Ensemble` does, are the stronger attacker. The draws share the net's weights, so they cost memory only for the
    masks.

    Args:
        net: A defective net, or an ensemble of such.
        draws: Sets of masks, at least 1.
        seed: Seed of the draws.

    Raises:
        InputError: If the net is not defective.
    """
    if not defects(net):
        raise InputError("a plain net has no masks to average over")
    if draws < 1:
        raise InputError(f"draws {draws} must be at least 1")
    shared = {id(parameter): parameter for parameter in net.parameters()}
    return Ensemble(_with_fresh_masks(copy.deepcopy(net, dict(shared)), f"draw/{draw}", seed) for draw in range(draws))


def _with_fresh_masks(net: nn.Module, name: str, seed: int) -> nn.Module:
    layers = mask_layers(net)
    for defect in defects(net):
        mask = layers[defect.site].defect_mask
        generator = stream(seed, f"{name}/{defect.site}")
        mask.copy_(sample_mask(defect.shape, defect.live / defect.total, pattern=defect.pattern, generator=generator))
    return net


def _equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether both hold the same tensors, and any at all."""
    if not first or first.keys() != second.keys():
        return False
    return all(first[name].shape == second[name].shape and torch.equal(first[name].cpu(), second[name].cpu()) for name in first)


def _weights(net: nn.Module) -> dict[str, Tensor]:
    """Parameters by their names in the state dict, which masks do not change."""
    return {name: tensor for name, tensor in net.state_dict(keep_vars=True).items() if isinstance(tensor, nn.Parameter)}


def _masks(net: nn.Module) -> dict[str, Tensor]:
    return {site: layer.defect_mask.cpu() for site, layer in mask_layers(net).items()}


def _structure(net: nn.Module) -> tuple[str, object] | None:
    spec = getattr(net, "spec", None)
    return (str(spec), architecture_of(net)) if isinstance(spec, NetSpec) else None
