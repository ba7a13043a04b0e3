"""Additive Gaussian noise."""

import torch
from torch import Tensor

from defective.attacks.budget import check_inputs, draw_per_image


def gaussian_noise(x: Tensor, *, sigma: float, generator: torch.Generator | None = None) -> Tensor:
    r"""Add noise drawn per pixel from a normal distribution and clipped to two standard deviations.

    .. math:: x' = \mathrm{clip}_{[0,1]}\big(x + \mathrm{clip}_{[-2\sigma, 2\sigma]}(n)\big), \qquad n \sim N(0, \sigma^2)

    Args:
        x: Float images ``(N, C, H, W)`` in [0, 1].
        sigma: Standard deviation in [0, 1] units; the paper's 1 to 32 are ``1 / 255`` to ``32 / 255``.
        generator: Source of the noise, on the CPU; torch's global one if not given.

    Raises:
        InputError: If the images or ``sigma`` lie outside [0, 1].

    Source: paper Appendix A.5.

    Example:
        >>> x = torch.full((1, 1, 8, 8), 0.5)
        >>> noisy = gaussian_noise(x, sigma=0.1, generator=torch.Generator().manual_seed(0))
        >>> bool((noisy - x).abs().max() <= 0.2 + 1e-6)
        True
    """
    check_inputs(x, sigma=sigma)
    x = x.detach()
    noise = sigma * draw_per_image(torch.randn, x, generator)
    return (x + noise.clamp(-2 * sigma, 2 * sigma)).clamp(0, 1)
