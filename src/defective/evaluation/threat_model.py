"""What an attacker who owns the source knows about the target."""

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from defective.errors import InputError
from defective.inference import LogitsAdapter
from defective.machine import unwrap_model
from defective.masks import named_generator, sample_mask
from defective.models import Ensemble
from defective.sites import architecture_of, spec_of
from defective.sparse.sparsify import SparseNet
from defective.surgery import defects, mask_layers

ThreatModel = Literal[
    "black-box",
    "gray-box (same architecture)",
    "gray-box (same masks)",
    "gray-box (other masks)",
    "adaptive",
    "white-box (shared weights)",
    "white-box",
    "unknown",
]

# What stands behind the number of a transfer cell, and what it means. The white-box ones are no transfer.
MARKS: dict[ThreatModel, tuple[str, str]] = {
    "black-box": ("", ""),
    "gray-box (same architecture)": ("g", "gray-box, same architecture with other weights"),
    "gray-box (same masks)": ("s", "gray-box, same masks with other weights"),
    "gray-box (other masks)": ("m", "gray-box, other masks"),
    "adaptive": ("a", "adaptive, defective source"),
    "unknown": ("u", "unknown, generated before on a model that is not at hand, or one of the two is sparsified"),
}


def threat_model(source: nn.Module, target: nn.Module) -> ThreatModel:
    """What the source reveals about the target.

    ``"white-box"``: it is the target, or has all of its weights and masks, if need be in another precision. ``"white-box (shared
    weights)"``: it, or a member of it, has the weights of the target, or of a member of that, under whatever masks; that is no transfer
    either. ``"unknown"``: one of the two is sparsified, so that its weights and masks cannot be compared. Gray-box (Tables 9 and 10):
    both have the same name in the grammar, plain (``"gray-box (same architecture)"``) or defective with equal masks (``"gray-box (same
    masks)"``) or different ones (``"gray-box (other masks)"``). ``"adaptive"``: a defective source, or an ensemble with one, against a
    defective target. Else ``"black-box"``.

    Example:
        >>> from defective import build
        >>> first, second = (build("vgg19/0.5-bottom", seed=seed, width_mult=0.0625) for seed in (0, 1))
        >>> threat_model(first, second), threat_model(build("vgg19", width_mult=0.0625), second)
        ('gray-box (other masks)', 'black-box')
    """
    source, target = _inner(source), _inner(target)
    if source is target or _equal(_state(source), _state(target)):
        return "white-box"
    if any(_equal(_weights(one), _weights(other)) for one in _members(source) for other in _members(target)):
        return "white-box (shared weights)"
    if any(isinstance(module, SparseNet) for module in (*source.modules(), *target.modules())):
        return "unknown"
    of_source, of_target = _masks(source), _masks(target)
    alike = str(spec_of(source)) == str(spec_of(target)) and architecture_of(source) == architecture_of(target)
    if spec_of(source) and alike:
        if not of_target:
            return "gray-box (same architecture)"
        same = of_source.keys() == of_target.keys() and _equal([*of_source.values()], [*of_target.values()])
        return "gray-box (same masks)" if same else "gray-box (other masks)"
    return "adaptive" if of_source and of_target else "black-box"


def mask_average(net: nn.Module, *, draws: int = 8, seed: int = 0) -> Ensemble:
    """A source whose logits are averaged over fresh draws of its masks, for an attacker who knows the method but not the masks.

    Weights depend on the masks they were trained with: under fresh ones a model is correct far less often. The draws share the model's
    weights; an ensemble of models trained with different masks (:class:`defective.Ensemble`) keeps their accuracy.

    Raises:
        InputError: If the model is not defective, or ``draws`` is below 1.
    """
    if not defects(net):
        raise InputError("a plain model has no masks to average over")
    if draws < 1:
        raise InputError(f"draws {draws} must be at least 1")
    shared = {id(parameter): parameter for parameter in net.parameters()}
    members = [copy.deepcopy(net, dict(shared)) for _ in range(draws)]
    for draw, member in enumerate(members):
        layers = mask_layers(member)
        for defect in defects(member):
            generator = named_generator(seed, f"draw/{draw}/{defect.site}")
            mask = sample_mask(defect.shape, defect.live / defect.total, pattern=defect.pattern, generator=generator)
            layers[defect.site].defect_mask.copy_(mask)
    return Ensemble(members)


def _inner(net: nn.Module) -> nn.Module:
    inner = unwrap_model(net)
    return _inner(inner.model) if isinstance(inner, LogitsAdapter) else inner


def _members(net: nn.Module) -> list[nn.Module]:
    """The model and all members of ensembles in it."""
    ensembles = [module for module in net.modules() if isinstance(module, Ensemble)]
    return [net, *(_inner(member) for ensemble in ensembles for member in ensemble.members)]


def _equal(first: list[Tensor], second: list[Tensor]) -> bool:
    """Whether both hold the same tensors, and any at all, under whatever names: a wrapper of the user's adds to those."""
    same = (one.shape == other.shape and _same(one.cpu(), other.cpu()) for one, other in zip(first, second, strict=False))
    return bool(first) and len(first) == len(second) and all(same)


def _same(one: Tensor, other: Tensor) -> bool:
    if one.is_floating_point() and other.is_floating_point():
        # A copy in half precision has rounded weights.
        narrower = min(one.dtype, other.dtype, key=lambda dtype: dtype.itemsize)
        one, other = one.to(narrower), other.to(narrower)
    return torch.equal(one, other)


def _state(net: nn.Module) -> list[Tensor]:
    """Parameters and buffers that are saved, in the order of the state dict."""
    return [tensor for tensor in net.state_dict(keep_vars=True).values() if isinstance(tensor, Tensor)]


def _weights(net: nn.Module) -> list[Tensor]:
    """Parameters, which masks do not change."""
    return [tensor for tensor in _state(net) if isinstance(tensor, nn.Parameter)]


def _masks(net: nn.Module) -> dict[str, Tensor]:
    return {site: layer.defect_mask for site, layer in mask_layers(net).items()}
