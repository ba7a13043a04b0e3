"""Attacks as plain functions ``f(model, x, y, *, ...) -> x_adv``.

In all of them ``model`` maps images in [0, 1] to logits ``(N, K)``; ``x`` are float images ``(N, C, H, W)`` in [0, 1]; ``y`` are
true labels ``(N,)``. The result has the shape, device and dtype of ``x`` and lies in [0, 1] and within the budget. The model runs in
eval mode; its modes, gradients and ``requires_grad`` are unchanged afterwards. But for AutoAttack, results do not depend on the batch.
A bad range, shape or length raises :class:`defective.InputError`.
"""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from defective.attacks.auto import autoattack, package
from defective.attacks.boundary import SCHEDULE_OF, boundary, boundary_details, boundary_score
from defective.attacks.budget import project, quantize
from defective.attacks.carlini_wagner import cw
from defective.attacks.decision_based import DecisionBasedResult
from defective.attacks.gradient import fgsm, mifgsm, pgd
from defective.attacks.hopskipjump import hopskipjump, hopskipjump_details
from defective.attacks.logit_space import lspga
from defective.attacks.noise import gaussian_noise
from defective.attacks.transferable import difgsm, nifgsm, sifgsm, tifgsm, vmifgsm
from defective.errors import InputError
from defective.specs import GRADIENT_ATTACKS, AttackSpec
from defective.text import short

__all__ = [
    "Attack",
    "DecisionBasedResult",
    "autoattack",
    "boundary",
    "boundary_details",
    "boundary_score",
    "cw",
    "difgsm",
    "fgsm",
    "from_spec",
    "gaussian_noise",
    "hopskipjump",
    "hopskipjump_details",
    "lspga",
    "mifgsm",
    "nifgsm",
    "pgd",
    "project",
    "quantize",
    "sifgsm",
    "tifgsm",
    "vmifgsm",
]

Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]


def _noise(model: nn.Module, x: Tensor, y: Tensor, *, sigma: float, generator: torch.Generator) -> Tensor:
    return gaussian_noise(x, sigma=sigma, generator=generator)


ATTACKS: dict[str, Callable[..., Tensor]] = {
    "fgsm": fgsm,
    "pgd": pgd,
    "mifgsm": mifgsm,
    "difgsm": difgsm,
    "tifgsm": tifgsm,
    "sifgsm": sifgsm,
    "nifgsm": nifgsm,
    "vmifgsm": vmifgsm,
    "lspga": lspga,
    "cw": cw,
    "boundary": boundary,
    "hopskipjump": hopskipjump,
    "hopskipjump-linf": partial(hopskipjump, norm="linf"),
    "noise": _noise,
    "autoattack": autoattack,
}


def from_spec(spec: AttackSpec, *, seed: int = 0, surrogate: nn.Module | None = None) -> Attack:
    """The attack a spec describes, as a function of model, images and labels. A random attack draws new numbers at each call.

    A ``surrogate`` is a faster copy of the model. Attacks that verify what they find on the model search on it; other gradient attacks
    run on it alone.

    Raises:
        InputError: If it is AutoAttack, which is not installed.

    Example:
        >>> attack = from_spec(AttackSpec.parse("fgsm:eps=8/255"))
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> attack(model, torch.rand(3, 1, 2, 2), torch.zeros(3, dtype=torch.long)).shape
        torch.Size([3, 1, 2, 2])
    """
    if not isinstance(spec, AttackSpec):
        raise InputError(f"the attack is {short(spec)}, not a spec: pass AttackSpec.parse('pgd:eps=8/255')")
    attack = partial(ATTACKS[spec.name], **arguments(spec))
    if spec.name == "autoattack":
        package()
        return partial(attack, seed=seed)
    taken = signature(attack).parameters
    if "generator" in taken:
        attack = partial(attack, generator=torch.Generator().manual_seed(seed))
    if surrogate is not None and "surrogate" in taken:
        return partial(attack, surrogate=surrogate)
    if surrogate is not None and spec.name in GRADIENT_ATTACKS:
        return lambda model, x, y: attack(surrogate, x, y)
    return attack


def arguments(spec: AttackSpec) -> dict[str, Any]:
    """The numbers of a spec as arguments of the function that it names."""
    # A spec read from JSON may hold a count as 20.0.
    found: dict[str, Any] = {key: int(value) if value == int(value) else value for key, value in spec.parameters.items()}
    return found | {"schedule": SCHEDULE_OF[found.pop("directions")]} if spec.name == "boundary" else found
