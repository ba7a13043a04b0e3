"""DropBlock: dropout of square blocks of a feature map."""

from numbers import Real
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from defective.errors import InputError
from defective.text import short


def drop_block(x: Tensor, keep_prob: float, *, block_size: int = 3, generator: torch.Generator | None = None) -> Tensor:
    r"""Set random square blocks of each feature map to zero and scale the rest up.

    .. math:: y = x * M \cdot \frac{\mathrm{count}(M)}{\mathrm{count\_ones}(M)}

    ``M`` is 0 in the blocks around the seeds. Each position where a whole block fits is a seed with probability :func:`seed_rate`, drawn
    for each image and channel on its own. One factor scales the whole batch, so a constant keeps its sum. Where the map is smaller
    than the block, the block is cut to the map.

    Args:
        x: Activations ``(N, C, H, W)``.
        keep_prob: Share of activations in (0, 1] to keep, approximately: blocks overlap and avoid the edges.
        block_size: Side of a block, at least 1; 1 is dropout.
        generator: Source of the draw; torch's global one of the device of ``x`` if not given.

    Raises:
        InputError: If ``x`` has another shape or a number is out of range.

    Source: Ghiasi et al. 2018, Algorithm 1, masks independent across channels.

    Example:
        >>> y = drop_block(torch.ones(4, 2, 8, 8), 0.9, generator=torch.Generator().manual_seed(0))
        >>> bool((y == 0).any()), round(float(y.sum()), 2)
        (True, 512.0)
    """
    if x.dim() != 4:
        raise InputError(f"drop_block takes (N, C, H, W), not {tuple(x.shape)}")
    n, channels, height, width = x.shape
    gamma = seed_rate(height, width, keep_prob, block_size=block_size)
    block = (min(int(block_size), height), min(int(block_size), width))
    places = (n, channels, height - block[0] + 1, width - block[1] + 1)
    # In float32 also for half activations: bfloat16 draws know only 256 values and would miss the rate.
    # torch.compile for any batch size knows torch.rand only without that argument.
    source: dict[str, Any] = {} if generator is None else {"generator": generator}
    draws = torch.rand(places, device=generator.device if generator else x.device, dtype=torch.float32, **source)
    seeds = (draws < gamma).to(x.device, torch.float32)
    edge = (block[1] - 1, block[1] - 1, block[0] - 1, block[0] - 1)
    kept = F.max_pool2d(F.pad(seeds, edge), block, stride=1) == 0
    scale = kept.numel() / kept.sum().clamp_min(1).to(torch.promote_types(x.dtype, torch.float32))
    return torch.where(kept, x * scale, 0)


def seed_rate(height: int, width: int, keep_prob: float, *, block_size: int = 3) -> float:
    r"""Probability that a position is the seed of a block.

    .. math:: \gamma = \frac{1 - p}{b^2} \cdot \frac{H W}{(H - b + 1)(W - b + 1)}

    Args:
        height, width: Size of the feature map, in cells.
        keep_prob: Share ``p`` in (0, 1] of activations to keep.
        block_size: Side ``b`` of a block, at least 1; cut to the map where that is smaller.

    Raises:
        InputError: If a number is out of range.

    Source: Ghiasi et al. 2018, Equation 1. The paper's released code divides whole numbers under Python 2, so its rate at 8 x 8 is
    0.0111.

    Example:
        >>> round(seed_rate(8, 8, 0.9), 4), round(seed_rate(4, 4, 0.9), 4)
        (0.0198, 0.0444)
    """
    check_keep_prob(keep_prob)
    if block_size not in range(1, 10**9):
        raise InputError(f"block_size {short(block_size)} must be a whole number, at least 1")
    rows, columns = min(block_size, height), min(block_size, width)
    return (1 - float(keep_prob)) / (rows * columns) * (height * width) / ((height - rows + 1) * (width - columns + 1))


def check_keep_prob(keep_prob: float) -> None:
    """Refuse what is not a number in (0, 1]."""
    if not isinstance(keep_prob, Real) or not 0 < keep_prob <= 1:
        raise InputError(f"keep_prob {short(keep_prob)} is not a number in (0, 1]")
