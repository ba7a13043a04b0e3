"""Momentum attacks that transfer better between models: settings of the loop of :mod:`defective.attacks.gradient`."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defective.attacks.budget import check_counts, check_inputs, check_range, drawn, image_generators
from defective.attacks.gradient import Direction, Gradient, pgd
from defective.errors import InputError


def difgsm(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    decay: float = 1.0,
    resize_rate: float = 0.9,
    diversity_prob: float = 0.5,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""MI-FGSM with diverse inputs: the gradient is taken at images that are randomly shrunk and padded with zeros.

    .. math:: g_{k+1} = \mu g_k + \frac{\nabla_x J(T(x^k), y)}{\lVert \nabla_x J(T(x^k), y) \rVert_1}

    Args:
        eps, step_size, steps, decay: As in :func:`defective.attacks.mifgsm`.
        resize_rate: Smallest side of a shrunk image as a share of the whole, in [0, 1]; sides are whole pixels.
        diversity_prob: Chance in [0, 1] that an image is shrunk; its size and place are its own at each step.
        generator: On the CPU; torch's global one if not given. It seeds a generator for each image, so that the result does not
            depend on the batch size.

    Source: Xie et al. 2019, with the image as large as before and bilinear resizing.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> x, y = torch.rand(3, 1, 4, 4), torch.zeros(3, dtype=torch.long)
        >>> difgsm(model, x, y, eps=8 / 255, step_size=2 / 255, steps=5, resize_rate=0.5).shape
        torch.Size([3, 1, 4, 4])
    """
    check_range(0, 1, resize_rate=resize_rate, diversity_prob=diversity_prob)
    check_inputs(x, y)
    generators = image_generators(x, generator)
    transform = partial(_diverse, smallest=resize_rate, prob=diversity_prob, generators=generators)

    def direction(gradient: Gradient, x_adv: Tensor, momentum: Tensor) -> Tensor:
        return gradient(x_adv, transform)

    return pgd(model, x, y, eps=eps, step_size=step_size, steps=steps, decay=decay, direction=direction)


def tifgsm(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    decay: float = 1.0,
    kernel_size: int = 7,
) -> Tensor:
    r"""MI-FGSM with translation invariance: each gradient is smoothed, which approximates its mean over shifted images.

    .. math:: g_{k+1} = \mu g_k + \frac{W * \nabla_x J(x^k, y)}{\lVert W * \nabla_x J(x^k, y) \rVert_1}

    Args:
        eps, step_size, steps, decay: As in :func:`defective.attacks.mifgsm`.
        kernel_size: Side of the Gaussian kernel ``W`` in pixels, odd; its outermost pixels lie at 3 standard deviations.

    Source: Dong et al. 2019.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> x, y = torch.rand(3, 1, 4, 4), torch.zeros(3, dtype=torch.long)
        >>> tifgsm(model, x, y, eps=8 / 255, step_size=2 / 255, steps=5, kernel_size=3).shape
        torch.Size([3, 1, 4, 4])
    """
    check_counts(kernel_size=kernel_size)
    if kernel_size % 2 == 0:
        raise InputError(f"kernel_size {kernel_size} must be odd and at least 1")

    def direction(gradient: Gradient, x_adv: Tensor, momentum: Tensor) -> Tensor:
        return _smooth(gradient(x_adv), kernel_size)

    return pgd(model, x, y, eps=eps, step_size=step_size, steps=steps, decay=decay, direction=direction)


def sifgsm(
    model: nn.Module, x: Tensor, y: Tensor, *, eps: float, step_size: float, steps: int, decay: float = 1.0, scales: int = 5
) -> Tensor:
    r"""MI-FGSM with scale invariance: the gradient is averaged over copies of the image that are successively halved.

    .. math:: \bar g = \frac{1}{m} \sum_{i=0}^{m-1} \nabla_x J(x^k / 2^i, y), \qquad
        g_{k+1} = \mu g_k + \frac{\bar g}{\lVert \bar g \rVert_1}

    Args:
        eps, step_size, steps, decay: As in :func:`defective.attacks.mifgsm`.
        scales: Number ``m`` of copies, at least 1.

    Source: Lin et al. 2020, there together with :func:`nifgsm`.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> x, y = torch.rand(3, 1, 4, 4), torch.zeros(3, dtype=torch.long)
        >>> sifgsm(model, x, y, eps=8 / 255, step_size=2 / 255, steps=5).shape
        torch.Size([3, 1, 4, 4])
    """
    check_counts(scales=scales)

    def direction(gradient: Gradient, x_adv: Tensor, momentum: Tensor) -> Tensor:
        return torch.stack([gradient(x_adv, partial(torch.mul, other=0.5**i)) for i in range(scales)]).mean(0)

    return pgd(model, x, y, eps=eps, step_size=step_size, steps=steps, decay=decay, direction=direction)


def nifgsm(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, step_size: float, steps: int, decay: float = 1.0) -> Tensor:
    r"""MI-FGSM with Nesterov's look-ahead: the gradient is taken at the point to which the momentum leads.

    .. math:: g_{k+1} = \mu g_k + \frac{\nabla_x J(\hat x, y)}{\lVert \nabla_x J(\hat x, y) \rVert_1}, \qquad
        \hat x = x^k + s \mu D g_k

    Args:
        eps, step_size, steps, decay: As in :func:`defective.attacks.mifgsm`.

    Source: Lin et al. 2020. Their code divides by the mean of the absolute values, not by their sum as printed; hence the number
    ``D`` of values in an image, without which the look-ahead would be a thousandth of a step.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> x, y = torch.rand(3, 1, 4, 4), torch.zeros(3, dtype=torch.long)
        >>> nifgsm(model, x, y, eps=8 / 255, step_size=2 / 255, steps=5).shape
        torch.Size([3, 1, 4, 4])
    """

    def direction(gradient: Gradient, x_adv: Tensor, momentum: Tensor) -> Tensor:
        return gradient(x_adv + step_size * decay * momentum[0].numel() * momentum)

    return pgd(model, x, y, eps=eps, step_size=step_size, steps=steps, decay=decay, direction=direction)


def vmifgsm(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    decay: float = 1.0,
    neighbors: int = 20,
    beta: float = 1.5,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""MI-FGSM with variance tuning: each gradient is corrected by how the last one differed from its neighbours'.

    .. math:: v_{k+1} = \frac{1}{n} \sum_{i=1}^{n} \nabla_x J(x^k + r_i, y) - \nabla_x J(x^k, y), \qquad
        g_{k+1} = \mu g_k + \frac{\nabla_x J(x^k, y) + v_k}{\lVert \nabla_x J(x^k, y) + v_k \rVert_1}

    Args:
        eps, step_size, steps, decay: As in :func:`defective.attacks.mifgsm`.
        neighbors: Number ``n`` of points around each iterate, at least 1; a step costs ``n + 1`` gradients.
        beta: Half side of the cube the points ``r_i`` are drawn from, in units of ``eps``, at least 0.
        generator: As in :func:`difgsm`.

    Source: Wang and He 2021.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> x, y = torch.rand(3, 1, 4, 4), torch.zeros(3, dtype=torch.long)
        >>> vmifgsm(model, x, y, eps=8 / 255, step_size=2 / 255, steps=5, neighbors=3).shape
        torch.Size([3, 1, 4, 4])
    """
    check_counts(neighbors=neighbors)
    check_range(0, beta=beta)
    check_inputs(x, y, eps=eps)
    direction = _tuned(neighbors, beta * eps, image_generators(x, generator))
    return pgd(model, x, y, eps=eps, step_size=step_size, steps=steps, decay=decay, direction=direction)


def _tuned(neighbors: int, radius: float, generators: list[torch.Generator]) -> Direction:
    last: tuple[Tensor, Tensor] | None = None

    def direction(gradient: Gradient, x_adv: Tensor, momentum: Tensor) -> Tensor:
        nonlocal last
        here, before = gradient(x_adv), last
        last = x_adv, here
        if before is None:
            return here
        # The variance of the last iterate, computed only if there is a further step.
        x_last, last_gradient = before
        around = torch.zeros_like(here)
        for _ in range(neighbors):
            draws = drawn(torch.rand, here.shape[1:], generators).to(here)
            around += gradient(x_last + radius * (2 * draws - 1))
        tuned: Tensor = here + around / neighbors - last_gradient
        return tuned

    return direction


def _smooth(gradient: Tensor, kernel_size: int) -> Tensor:
    """Convolution with the Gaussian kernel, one axis after the other. Sums, not a convolution, which autocast would round."""
    weights = torch.linspace(-3, 3, kernel_size, dtype=torch.float64, device="cpu").square().div(-2).exp()
    weights = (weights / weights.sum()).to(gradient)
    half = kernel_size // 2
    rows = F.pad(gradient, (0, 0, half, half)).unfold(2, kernel_size, 1)
    columns = F.pad((rows * weights).sum(-1), (half, half)).unfold(3, kernel_size, 1)
    smooth: Tensor = (columns * weights).sum(-1)
    return smooth


def _diverse(images: Tensor, smallest: float, prob: float, generators: list[torch.Generator]) -> Tensor:
    """Shrink each image with its own chance, to its own size, at its own place; the rest is 0."""
    draws = drawn(torch.rand, (4,), generators, torch.float64)
    rows = (draws[:, 0] < prob).nonzero().squeeze(1)
    if not len(rows):
        return images
    down, across = (_source(images.shape[axis], smallest, draws[rows, 1], draws[rows, axis]) for axis in (2, 3))
    grid = torch.stack(torch.broadcast_tensors(across[:, None, :], down[:, :, None]), 3).to(images)
    rows = rows.to(images.device)
    shrunk = F.grid_sample(images[rows], grid, padding_mode="border", align_corners=False)
    return images.index_copy(0, rows, shrunk * (grid.abs() <= 1).all(3)[:, None])


def _source(side: int, smallest: float, size: Tensor, place: Tensor) -> Tensor:
    """For each pixel of a side where it comes from, in [-1, 1] inside the shrunk image; ``size`` and ``place`` are draws."""
    least = max(1, math.ceil(smallest * side))
    pixels = least + (size * (side - least + 1)).floor()
    first = (place * (side - pixels + 1)).floor()
    return 2 * (torch.arange(side, dtype=torch.float64, device="cpu") + 0.5 - first[:, None]) / pixels[:, None] - 1
