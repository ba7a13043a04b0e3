"""Gradient-sign attacks: settings of one loop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defective.attacks.budget import (
    cast_into_ball,
    check_attackable,
    check_counts,
    check_inputs,
    check_range,
    draw_per_image,
    project,
    upcast,
)
from defective.errors import InputError
from defective.inference import NotFiniteError, check_gradient, evaluating, forward, image_gradient
from defective.text import short

Transform = Callable[[Tensor], Tensor]  # a point -> the images that the model gets
Gradient = Callable[..., Tensor]  # (point, transform=identity) -> gradient of each image's loss with respect to its point
Direction = Callable[[Gradient, Tensor, Tensor], Tensor]  # (gradient, x_adv, momentum) -> what the next step follows


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
    return pgd(model, x, y, eps=eps, step_size=eps, steps=1)


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
    decay: float | None = None,
    direction: Direction | None = None,
) -> Tensor:
    r"""Projected gradient descent (the paper's basic iterative method): signed steps, each projected back into the ball.

    .. math:: x^{k+1} = \Pi_\epsilon\big(x^k + s \, \mathrm{sign} \nabla_x J(x^k, y)\big)

    Args:
        eps: Radius of the L-infinity ball in [0, 1] units.
        step_size: Length ``s`` of one step, same units.
        steps: Number of steps; the last iterate is returned.
        random_start: Start at a uniform point of the ball instead of at ``x`` (Madry et al. 2017), drawn image after image.
        generator: Source of the random start, on the CPU; torch's global one if not given.
        decay: Weight of the past, as in :func:`defective.attacks.mifgsm`; without it there is no momentum.
        direction: What to follow instead of the gradient at ``x_adv``, given the gradient as a function, the images so far and the
            momentum so far: the other attacks of this family are directions.

    Raises:
        InputError: If a number is out of range, a label is not a class of the model, the logits or their gradient are nan, or there is
            no gradient.

    Source: paper Appendix E; Kurakin et al. 2016.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
        >>> x, y = torch.full((1, 1, 2, 2), 0.5), torch.tensor([0])
        >>> torch.equal(pgd(model, x, y, eps=0.1, step_size=0.1, steps=1), fgsm(model, x, y, eps=0.1))
        True
    """

    check_inputs(x, y, eps=eps, step_size=step_size)
    check_counts(steps=steps)
    check_range(0, decay=0 if decay is None else decay)
    if random_start not in (False, True):
        raise InputError(f"random_start {short(random_start)} is neither True nor False")
    with differentiating(model):
        clean, gradient = upcast(x), cross_entropy_gradient(model, y.to(x.device))
        x_adv, momentum = clean, torch.zeros_like(clean)
        if random_start:
            x_adv = project(clean + eps * (2 * draw_per_image(torch.rand, clean, generator) - 1), clean, eps)
        for _ in range(steps):
            update = gradient(x_adv) if direction is None else direction(gradient, x_adv, momentum)
            if decay is not None:
                norm = update.abs().sum((1, 2, 3), keepdim=True).clamp_min(torch.finfo(clean.dtype).tiny)
                update = momentum = decay * momentum + update / norm
            x_adv = project(x_adv + step_size * update.sign(), clean, eps)
        # An image whose gradient becomes nan on the way stays there.
        check_gradient(update)
        return cast_into_ball(x_adv, x.detach(), eps)


def mifgsm(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, step_size: float, steps: int, decay: float = 1.0) -> Tensor:
    r"""Momentum iterative FGSM: the sign of a running sum of gradients, each divided by its L1 norm.

    .. math:: g_{k+1} = \mu g_k + \frac{\nabla_x J(x^k, y)}{\lVert \nabla_x J(x^k, y) \rVert_1}, \qquad
        x^{k+1} = \Pi_\epsilon\big(x^k + s \, \mathrm{sign}(g_{k+1})\big)

    Args:
        eps, step_size, steps: As in :func:`defective.attacks.pgd`.
        decay: Weight ``mu`` of the past, at least 0.

    Source: paper Appendix E; Dong et al. 2017. The norm is each image's own.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
        >>> x, y = torch.full((1, 1, 2, 2), 0.5), torch.tensor([0])
        >>> torch.equal(mifgsm(model, x, y, eps=0.1, step_size=0.1, steps=1), fgsm(model, x, y, eps=0.1))
        True
    """
    return pgd(model, x, y, eps=eps, step_size=step_size, steps=steps, decay=decay)


@contextmanager
def differentiating(model: nn.Module) -> Iterator[None]:
    """The model in eval mode and gradients on, also inside ``no_grad`` and ``inference_mode``."""
    with evaluating(model), torch.inference_mode(False), torch.enable_grad():
        yield


def cross_entropy_gradient(model: nn.Module, y: Tensor) -> Gradient:
    """The gradient of each image's cross-entropy as a function of a point, and of the transform to the images that the model gets."""
    y, checked = y.long().clone(), False

    def gradient(point: Tensor, transform: Transform = lambda point: point) -> Tensor:
        nonlocal checked
        point = point.detach().requires_grad_()
        z = forward(model, transform(point))
        # At the first point alone, as each check waits for an accelerator.
        if not checked:
            check_attackable(y, z.shape[1])
        # The sum, not the mean: an image's gradient must not depend on how many share its batch.
        loss = F.cross_entropy(z, y, reduction="sum")
        # An infinite loss may have a gradient.
        if not checked and loss.isnan():
            raise NotFiniteError(z)
        found = _float16_gradient(z.float(), y, point) if z.dtype == torch.float16 else image_gradient(loss, point)
        if not checked:
            check_gradient(found)
        checked = True
        return found

    return gradient


def _float16_gradient(z: Tensor, y: Tensor, point: Tensor) -> Tensor:
    """The gradient of the cross-entropy of logits that come from float16, in which that of a confident model is 0.

    Cross-entropy is the softplus of the lead of all other classes together, whose gradient is that of the logits themselves.
    """
    lead = z.scatter(1, y[:, None], -torch.inf).logsumexp(1) - z.gather(1, y[:, None]).squeeze(1)
    found = image_gradient(lead.sum(), point)
    return found * lead.detach().sigmoid().view(-1, *[1] * (found.dim() - 1))
