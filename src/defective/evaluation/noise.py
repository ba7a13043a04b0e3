"""Accuracy under Gaussian noise of rising strength."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from defective.attacks import gaussian_noise, quantize
from defective.evaluation.accuracy import accuracy
from defective.inference import as_images
from defective.statistics import Rate

# Paper Appendix A.5, in levels of 255.
SIGMAS = (1, 2, 4, 8, 12, 16, 20, 24, 28, 32)


def noise_curve(model: nn.Module, x: Tensor, y: Tensor, *, sigmas: Sequence[float] = SIGMAS, seed: int = 0) -> dict[float, Rate]:
    """Accuracy on images with added noise, rounded to 8 bits, for each noise level.

    Args:
        model: Classifier from images in [0, 1] to logits.
        x: Images ``(N, C, H, W)``, uint8 or floats in [0, 1]. The paper takes images that every compared net gets right.
        y: Labels ``(N,)``.
        sigmas: Standard deviations in levels of 255.
        seed: Seed of the noise: the same noise for every model.

    Returns:
        Noise level to accuracy.

    Source: paper Appendix A.5, Figure 5.
    """
    return {sigma: accuracy(model, noisy(x, sigma, seed=seed), y) for sigma in sigmas}


def noisy(x: Tensor, sigma: float, *, seed: int = 0) -> Tensor:
    """Images with noise of ``sigma`` levels of 255 added and rounded to 8 bits, the same for the same seed."""
    return quantize(gaussian_noise(as_images(x), sigma=sigma / 255, generator=torch.Generator().manual_seed(seed)))
