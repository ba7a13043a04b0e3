"""The L2 attack of Carlini and Wagner: the closest image that is misclassified by a given margin."""

import math
from functools import partial

import torch
from torch import Tensor, nn

from defective.attacks.budget import check_classes, check_counts, check_inputs, check_range
from defective.attacks.surrogate import extended
from defective.inference import NotFiniteError, check_gradient, evaluating, forward, image_gradient

# Where tanh is cut off. Closer to 1, a pixel at exactly 0 or 1 would need hundreds of Adam steps before it moves.
EDGE = 1 - 1e-3
LARGEST_CONST = 1e10
# Steps in which the momentum of Adam carries an image past the hinge and back; within fewer steps, a loss may fall again.
SWING = 20


@torch.inference_mode(False)
def cw(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    confidence: float = 0.0,
    steps: int = 1000,
    search_steps: int = 9,
    lr: float = 0.01,
    initial_const: float = 1e-3,
    surrogate: nn.Module | None = None,
) -> Tensor:
    r"""Carlini and Wagner's L2 attack, untargeted: Adam over a tanh change of variable, binary search on the constant ``c``.

    .. math:: \min_w \; \lVert x' - x \rVert_2^2 + c \max\big(Z_y(x') - \max_{i \ne y} Z_i(x') + \kappa, 0\big), \qquad
        x' = \tfrac{1}{2} (\tanh w + 1)

    Every image has its own ``c``: it is multiplied by ten until the attack succeeds, then bisected between the largest that failed and
    the smallest that succeeded. An image leaves the batch when its loss stops falling.

    Args:
        confidence: Margin ``kappa`` in logits, at least 0, by which a wrong class leads the true one in every image returned.
        steps: Most steps of Adam for one value of ``c``; the loss is checked each tenth of them, and no sooner than after 20.
        search_steps: Values of ``c`` tried.
        lr: Learning rate of Adam on ``w``.
        initial_const: First ``c``; distances are in [0, 1] pixel units.
        surrogate: A faster copy of the model to search on, such as ``sparsify(model, x[:1], precision="bf16")``. Its result is extended
            along its own direction until ``model`` gives it the margin. Where twice the distance is not enough, or nothing was found,
            the search is repeated on ``model``.

    Returns:
        For each image the closest one found that has the margin; the image itself where none was found.

    Raises:
        InputError: If a number is out of range, a label is not a class of the model, the logits or their gradient are nan, or there is
            no gradient.

    Source: paper Appendix E, whose formula has the targeted sign; Carlini and Wagner 2016.

    Example:
        >>> model = nn.Flatten()
        >>> x, y = torch.tensor([[[[0.4, 0.6]]]]), torch.tensor([1])
        >>> bool(model(cw(model, x, y, steps=200)).argmax(1) == y)
        False
    """
    check_range(0, confidence=confidence)
    check_counts(steps=steps, search_steps=search_steps)
    check_range(0, exclusive=True, lr=lr)
    check_range(0, LARGEST_CONST, exclusive=True, initial_const=initial_const)
    check_inputs(x, y)
    check_classes(model, x, y)
    if surrogate is not None:
        check_classes(surrogate, x, y)
    x, y = x.detach().clamp(0, 1), y.to(x.device, torch.long, copy=True)
    search = partial(_search, confidence=confidence, steps=steps, search_steps=search_steps, lr=lr, initial_const=initial_const)
    nearest = x.clone()
    with evaluating(model), torch.no_grad():
        # An image that has its margin from the start is its own closest.
        shortfall = _shortfall(model, x, y, confidence)
        if shortfall.isnan().any():
            raise NotFiniteError(shortfall[:, None])
        rows = (shortfall > 0).nonzero().squeeze(1)
        if surrogate is not None and len(rows):
            with evaluating(surrogate):
                found = search(surrogate, x[rows], y[rows])
            labels = y[rows]
            found, held = extended(x[rows], found, lambda some, images: _shortfall(model, images, labels[some], confidence) == 0)
            nearest[rows[held]] = found[held]
            rows = rows[~held]
        if len(rows):
            nearest[rows] = search(model, x[rows], y[rows])
    return nearest


def _search(
    model: nn.Module, x: Tensor, y: Tensor, *, confidence: float, steps: int, search_steps: int, lr: float, initial_const: float
) -> Tensor:
    """The closest images with the margin over all constants; images themselves where there is none."""
    # Half-precision images move in float32: Adam's steps are below their rounding.
    nearest, squared = x.clone(), x.new_full((len(x),), math.inf, dtype=torch.promote_types(x.dtype, torch.float32))
    const, lower, upper = (torch.full_like(squared, value) for value in (initial_const, 0, math.inf))
    searching = torch.ones_like(y, dtype=torch.bool)
    for search_step in range(search_steps):
        if not searching.any():
            break
        if search_step == search_steps - 1 >= 9:
            # Like the original's last step, but only where nothing worked yet: repeating a search that did would change nothing.
            const = const.where(upper.isfinite(), LARGEST_CONST)
        rows = searching.nonzero().squeeze(1)
        candidate, distance = _descend(model, x[rows], y[rows], const[rows], confidence=confidence, steps=steps, lr=lr)
        closer = distance < squared[rows]
        nearest[rows[closer]], squared[rows[closer]] = candidate[closer], distance[closer]
        found = distance.isfinite()
        upper[rows[found]], lower[rows[~found]] = const[rows[found]], const[rows[~found]]
        searching &= (lower < LARGEST_CONST) | upper.isfinite()
        const = torch.where(upper.isfinite(), (lower + upper) / 2, (const * 10).clamp_max(LARGEST_CONST))
    return nearest


@torch.enable_grad()
def _descend(
    model: nn.Module, x: Tensor, y: Tensor, const: Tensor, *, confidence: float, steps: int, lr: float
) -> tuple[Tensor, Tensor]:
    """The closest successful images on Adam's path, one constant for each, and their squared distances, inf where none was."""
    nearest, squared = x.clone(), torch.full_like(const, math.inf)
    rows = torch.arange(len(x), device=x.device)
    w = (2 * x.to(const.dtype) - 1).clamp(-EDGE, EDGE).atanh()
    mean, variance = torch.zeros_like(w), torch.zeros_like(w)
    lowest = before = torch.full_like(const, math.inf)
    check_every = max(math.ceil(steps / 10), SWING)
    for step in range(steps):
        w.requires_grad_()
        images = ((w.tanh() + 1) / 2).to(x.dtype)
        short = _shortfall(model, images, y, confidence)
        distance = (images.to(w.dtype) - x.to(w.dtype)).square().flatten(1).sum(1)
        loss = distance + const * short.to(w.dtype)
        if step == 0:
            # The distance has a gradient even where the logits have none.
            image_gradient(short.sum(), w, retain_graph=True)
        gradient = image_gradient(loss.sum(), w)
        w, images, distance, loss = w.detach(), images.detach(), distance.detach(), loss.detach()
        better = (short.detach() == 0) & (distance < squared[rows])
        # Not by the rows that are better, which would have to be counted, and a GPU waited for, at each step.
        nearest[rows] = torch.where(better[:, None, None, None], images, nearest[rows])
        squared[rows] = torch.where(better, distance, squared[rows])
        mean, variance = mean.lerp(gradient, 0.1), variance.lerp(gradient.square(), 0.001)
        spread = (variance / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
        w = w - lr / (1 - 0.9 ** (step + 1)) * mean / spread
        # The lowest loss so far, not the present one: Adam swings about the hinge, and a swing is no sign of being done.
        lowest = torch.minimum(lowest, loss)
        if step % check_every == 0 or step == steps - 1:
            # Adam does not recover from nan. Large constants may overflow half precision, which is not the model's fault.
            check_gradient(gradient[squared[rows].isinf() & (const <= 1)])
            falling = lowest < 0.999 * before
            if not falling.any():
                break
            state = (rows, x, y, const, w, mean, variance, lowest)
            rows, x, y, const, w, mean, variance, lowest = (part[falling] for part in state)
            before = lowest
    return nearest, squared


def _shortfall(model: nn.Module, images: Tensor, y: Tensor, confidence: float) -> Tensor:
    """How much each image's margin falls short of ``confidence``; 0 once it does not."""
    z: Tensor = forward(model, images)
    # A model's rounding differs with the batch it sees; the margin must hold in any.
    slack = 8 * torch.finfo(z.dtype).eps * z.detach().abs().amax(1)
    return (margin(z, y) + confidence + slack).clamp_min(0)


def margin(z: Tensor, y: Tensor) -> Tensor:
    """By how much the logit of the label leads the largest other one ``(N,)``."""
    return z.gather(1, y[:, None]).squeeze(1) - z.scatter(1, y[:, None], -math.inf).amax(1)
