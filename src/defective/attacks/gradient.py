"""Gradient-sign attacks: rows of constants over one loop."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defective.attacks.budget import check_inputs, draw_per_image, project
from defective.errors import InputError
from defective.inference import evaluating


def fgsm(model: nn.Module, x: Tensor, y: Tensor, *, eps: float) -> Tensor:
    r"""Fast gradient sign method: one step of full length.

    .. math:: x_\mathrm{adv} = \mathrm{clip}_{[0,1]}\big(x + \epsilon \, \mathrm{sign} \nabla_x J(x, y)\big)

    Args:
        eps: Radius of the L-infinity ball in [0, 1] units, for example ``16 / 255``.

    Source: paper Appendix E; Goodfellow et al. 2015.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
        >>> x, y = torch.full((1, 1, 2, 2), 0.5), torch.tensor([0])
        >>> x_adv = fgsm(model, x, y, eps=8 / 255)
        >>> torch.allclose((x_adv - x).abs().amax(), torch.tensor(8 / 255))
        True
    """
    return _climb(model, x, y, eps=eps, step_size=eps, steps=1)


def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    random_start: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Projected gradient descent (the paper's basic iterative method): signed steps, each projected back into the ball.

    .. math:: x^{k+1} = \Pi_\epsilon\big(x^k + s \, \mathrm{sign} \nabla_x J(x^k, y)\big)

    Args:
        eps: Radius of the L-infinity ball in [0, 1] units.
        step_size: Length ``s`` of one step, same units.
        steps: Number of steps; the last iterate is returned.
        random_start: Start at a uniform point of the ball instead of at ``x`` (Madry et al. 2017), drawn image after image.
        generator: Source of the random start, on the CPU; torch's global one if not given.

    Source: paper Appendix E; Kurakin et al. 2016.
    """
    start = None
    if random_start:
        check_inputs(x, y, eps=eps)
        start = project(x + eps * (2 * draw_per_image(torch.rand, x, generator) - 1), x, eps)
    return _climb(model, x, y, eps=eps, step_size=step_size, steps=steps, start=start)


def mifgsm(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, step_size: float, steps: int, decay: float = 1.0) -> Tensor:
    r"""Momentum iterative FGSM: the sign of a running sum of gradients, each divided by its L1 norm.

    .. math:: g_{k+1} = \mu g_k + \frac{\nabla_x J(x^k, y)}{\lVert \nabla_x J(x^k, y) \rVert_1}, \qquad
        x^{k+1} = \Pi_\epsilon\big(x^k + s \, \mathrm{sign}(g_{k+1})\big)

    Args:
        eps: Radius of the L-infinity ball in [0, 1] units.
        step_size: Length ``s`` of one step, same units.
        steps: Number of steps; the last iterate is returned.
        decay: Weight ``mu`` of the past, at least 0.

    Source: paper Appendix E; Dong et al. 2017. The norm is each image's own.
    """
    if decay < 0:
        raise InputError(f"decay {decay} is negative")
    return _climb(model, x, y, eps=eps, step_size=step_size, steps=steps, decay=decay)


def _climb(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    decay: float | None = None,
    start: Tensor | None = None,
) -> Tensor:
    check_inputs(x, y, eps=eps, step_size=step_size)
    if steps < 1:
        raise InputError(f"steps {steps} must be at least 1")
    x, y = x.detach(), y.to(x.device).long()
    x_adv = x.clone() if start is None else start
    momentum = torch.zeros_like(x)
    with evaluating(model), torch.enable_grad():
        for _ in range(steps):
            x_adv.requires_grad_()
            # The sum, not the mean: an image's gradient must not depend on how many share its batch.
            loss = F.cross_entropy(model(x_adv), y, reduction="sum")
            if not loss.requires_grad:
                raise InputError(
                    "the model's logits have no gradient (no_grad, detach, numpy, inference_mode?): boundary and noise do without"
                )
            (direction,) = torch.autograd.grad(loss, x_adv)
            if decay is not None:
                norm = direction.abs().sum((1, 2, 3), keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)
                momentum = decay * momentum + direction / norm
                direction = momentum
            x_adv = project(x_adv.detach() + step_size * direction.sign(), x, eps)
    return x_adv
