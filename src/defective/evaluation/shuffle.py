"""Accuracy on images whose patches changed places: a net that needs shapes loses more than one that needs textures."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from defective.data.patches import shuffle_patches
from defective.evaluation.accuracy import accuracy
from defective.statistics import Rate

# Paper Table 1 and Figure 3.
GRIDS = (1, 2, 4, 8)


def shuffle_curve(model: nn.Module, x: Tensor, y: Tensor, *, grids: Sequence[int] = GRIDS, seed: int = 0) -> dict[int, Rate]:
    """Accuracy on images cut into ``k x k`` patches that changed places at random, for each ``k``.

    Args:
        model: Classifier from images in [0, 1] to logits.
        x: Images ``(N, C, H, W)``, uint8 or floats in [0, 1]. The paper takes images that every compared net gets right with at
            least 99 % confidence.
        y: Labels ``(N,)``.
        grids: Patches along each side; they must divide the image size.
        seed: Seed of the permutations: the same images for every model.

    Returns:
        Grid to accuracy.

    Raises:
        InputError: If a grid does not divide the image size.

    Source: paper Section 3.2, Table 1.
    """
    return {k: accuracy(model, shuffled(x, k, seed=seed), y) for k in grids}


def shuffled(x: Tensor, grid: int, *, seed: int = 0) -> Tensor:
    """Images of ``grid x grid`` patches that changed places, the same for the same seed."""
    return shuffle_patches(x, grid, generator=torch.Generator().manual_seed(seed))
