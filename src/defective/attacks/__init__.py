"""Attacks as plain functions ``f(model, x, y, *, ...) -> x_adv``.

What all share: ``model`` maps images in [0, 1] to logits ``(N, K)``; ``x`` are float images ``(N, C, H, W)`` in [0, 1]; ``y`` are
true labels ``(N,)``. The result has the shape, device and dtype of ``x``, lies in [0, 1] and within the budget. The model is put in
eval mode meanwhile and left as it was found: modes, gradients and ``requires_grad`` unchanged. Every image is attacked as if it were
alone. A bad range, shape or length raises :class:`defective.InputError`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from defective.attacks.boundary import BoundaryResult, boundary, boundary_details, boundary_score
from defective.attacks.budget import project, quantize
from defective.attacks.carlini_wagner import cw
from defective.attacks.gradient import fgsm, mifgsm, pgd
from defective.attacks.noise import gaussian_noise
from defective.errors import InputError
from defective.specs import AttackSpec

__all__ = [
    "Attack",
    "BoundaryResult",
    "boundary",
    "boundary_details",
    "boundary_score",
    "cw",
    "fgsm",
    "from_spec",
    "gaussian_noise",
    "mifgsm",
    "pgd",
    "project",
    "quantize",
]

Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]


def from_spec(spec: AttackSpec, *, seed: int = 0) -> Attack:
    """The attack a spec describes, as a function of model, images and labels.

    Example:
        >>> attack = from_spec(AttackSpec.parse("fgsm:eps=8/255"))
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> attack(model, torch.rand(3, 1, 2, 2), torch.zeros(3, dtype=torch.long)).shape
        torch.Size([3, 1, 2, 2])
    """
    numbers = spec.parameters
    gradient: dict[str, Callable[..., Tensor]] = {"fgsm": fgsm, "mifgsm": mifgsm, "cw": cw}
    if spec.name in gradient:
        return lambda model, x, y: gradient[spec.name](model, x, y, **numbers)
    generator = torch.Generator().manual_seed(seed)
    if spec.name == "pgd":
        return lambda model, x, y: pgd(model, x, y, **numbers, generator=generator)  # type: ignore[arg-type]
    if spec.name == "boundary":
        return lambda model, x, y: boundary(model, x, y, steps=int(numbers["steps"]), generator=generator)
    if spec.name == "noise":
        return lambda model, x, y: gaussian_noise(x, sigma=numbers["sigma"], generator=generator)
    raise InputError(f"no attack {spec.name!r}")
