"""Adversarial images found on a faster surrogate, extended until the model itself misclassifies them."""

from collections.abc import Callable

import torch
from torch import Tensor

# First share of its distance by which an image is extended; doubled ten times, it is the whole distance.
SHORTEST = 1 / 1024


def extended(x: Tensor, x_adv: Tensor, holds: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Images ``x_adv`` extended along their direction from ``x`` until they hold, to twice the distance at most; and which do.

    ``holds`` tells it of rows and an image for each.
    """
    best, rows = x_adv.clone(), torch.arange(len(x), device=x.device)
    for excess in (0.0, *(SHORTEST * 2**k for k in range(11))):
        if not len(rows):
            break
        best[rows] = (x[rows] + (1 + excess) * (x_adv[rows] - x[rows])).clamp(0, 1)
        rows = rows[~holds(rows, best[rows])]
    return best, torch.ones(len(x), dtype=torch.bool, device=x.device).index_fill(0, rows, False)
