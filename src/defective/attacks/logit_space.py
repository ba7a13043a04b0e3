"""The attack on models with a thermometer encoding: gradient ascent on the logits of a distribution over levels."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from defective.attacks.budget import cast_into_ball, check_counts, check_inputs, check_range, draw_per_image, project, upcast
from defective.attacks.gradient import cross_entropy_gradient, differentiating
from defective.errors import InputError
from defective.machine import check_model

# A point this far inside its level is still in it after rounding to 8 bits; a little over half a step, lest the rounding be a tie.
INSIDE = 0.501 / 255


def lspga(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    logit_step: float = 1.0,
    steps: int = 7,
    anneal: float = 1.2,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Logit-space projected gradient ascent on a model behind a thermometer encoding.

    .. math:: p^k = \mathrm{softmax}\big(\delta^k u^k\big), \qquad
        u^{k+1} = u^k + \xi \, \mathrm{sign} \nabla_{u} J\big(\tau(p^k), y\big)

    with the encoding ``tau`` of the tails of ``p`` and one logit ``u`` for every level that a pixel can have inside the ball. At the end
    each pixel takes its most likely level.

    Args:
        eps: Radius of the L-infinity ball in [0, 1] units.
        logit_step: Length ``xi`` of one step of the logits, which start standard normal.
        steps: Number of steps.
        anneal: What the inverse temperature ``delta``, 1 at first, is multiplied by at each step.
        generator: Source of the first logits, on the CPU, drawn image by image; torch's global one if not given.

    Returns:
        For each pixel a point of the ball that has the chosen level: the nearest to ``x`` that keeps it when rounded to 8 bits,
        where the ball holds one.

    Raises:
        InputError: If the model has no encoder, a number is out of range, or a label is not a class of the model. An encoder is a
            module with ``levels``, ``level_of(x)`` (the level of each pixel) and ``relaxed(lowest, tails)`` (the encoding of levels
            known with probabilities, see :class:`defective.baselines.Thermometer`).

    Source: Buckman et al. 2018.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> lspga(model, torch.rand(1, 1, 2, 2), torch.tensor([0]), eps=8 / 255)
        Traceback (most recent call last):
        defective.errors.InputError: lspga is for thermometer models (such as resnet18/therm16), this one has no encoder: use pgd
    """
    check_inputs(x, y, eps=eps)
    check_counts(steps=steps)
    check_range(0, exclusive=True, logit_step=logit_step, anneal=anneal)
    check_model(model)
    found = _encoders(model)
    with differentiating(model), _replaced(found) as levels:
        clean, gradient = upcast(x), cross_entropy_gradient(model, y.to(x.device))
        lowest, allowed = _allowed(found[0], clean, eps)
        u = draw_per_image(torch.randn, clean[:, :, None].expand_as(allowed), generator)

        def encoded(u: Tensor, sharpness: float) -> Tensor:
            p = (sharpness * u).masked_fill(~allowed, -torch.inf).softmax(2)
            levels[:] = [lowest, p.flip(2).cumsum(2).flip(2)[:, :, 1:]]
            return clean

        for step in range(steps):
            u = u + logit_step * gradient(u, partial(encoded, sharpness=anneal**step)).sign()
        level = lowest + u.masked_fill(~allowed, -torch.inf).argmax(2)
        x_adv = _nearest(clean, level, found[0].levels, eps)
        return cast_into_ball(x_adv, x.detach(), eps)


def encoders(model: nn.Module) -> list[Any]:
    """The thermometers of a model: modules with ``levels``, ``level_of`` and ``relaxed``."""
    return [module for module in model.modules() if all(hasattr(module, name) for name in ("levels", "level_of", "relaxed"))]


def _encoders(model: nn.Module) -> list[Any]:
    found = encoders(model)
    if not found:
        raise InputError("lspga is for thermometer models (such as resnet18/therm16), this one has no encoder: use pgd")
    levels = sorted({module.levels for module in found})
    if len(levels) > 1:
        raise InputError(f"the model's encoders have {levels} levels: lspga needs the same for all")
    return found


@contextmanager
def _replaced(found: list[Any]) -> Iterator[list[Tensor]]:
    """Inside the block each encoder encodes the lowest levels and the tails in the list instead of its input."""
    levels: list[Tensor] = []

    def relaxed(encoder: Any, x: Tensor) -> Tensor:
        encoding: Tensor = encoder.relaxed(*levels)
        return encoding.to(x.dtype)

    # A forward of the module's own, which a user may have put there, comes back afterwards.
    before = [vars(encoder).get("forward") for encoder in found]
    try:
        for encoder in found:
            vars(encoder)["forward"] = partial(relaxed, encoder)
        yield levels
    finally:
        for encoder, forward in zip(found, before, strict=True):
            del vars(encoder)["forward"]
            if forward is not None:
                vars(encoder)["forward"] = forward


def _allowed(encoder: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The lowest level that points of the ball have, ``(N, C, H, W)``, and which of the next ones they have, bool ``(N, C, K, H, W)``."""
    lowest, highest = (encoder.level_of((x + side).clamp(0, 1)) for side in (-eps, eps))
    # As many as any pixel can have, whatever the batch holds: an image's random numbers must not depend on the others.
    most = min(encoder.levels, math.floor(2 * eps * encoder.levels) + 2)
    above = torch.arange(most, device=x.device)[:, None, None]
    return lowest, above <= (highest - lowest)[:, :, None]


def _nearest(x: Tensor, level: Tensor, levels: int, eps: float) -> Tensor:
    """The point of the ball nearest to ``x`` that lies well inside the level; black and white are inside theirs."""
    inside, level = min(INSIDE, 0.5 / levels), level.to(x)
    low, high = level / levels + inside * (level > 0).to(x), (level + 1) / levels - inside * (level < levels - 1).to(x)
    return project(x.clamp(low, high), x, eps)
