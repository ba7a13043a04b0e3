"""Images cut into tiles and put together in random order: local texture stays, shape goes."""

import math

import torch
from torch import Tensor

from defective.errors import InputError
from defective.inference import check_images


def shuffle_patches(x: Tensor, k: int, *, generator: torch.Generator) -> Tensor:
    r"""Cut each image into ``k`` x ``k`` equal tiles and put them together in random order.

    .. math:: \mathrm{tile}'_i = \mathrm{tile}_{\pi(i)}, \quad \pi \text{ uniform among all } (k^2)! \text{ orders}

    Each image has an order of its own, the same for all its channels; it may leave tiles, or all of them, where they were.

    Args:
        x: Images ``(N, C, H, W)``, uint8 or floats in [0, 1], on any device.
        k: Tiles along each side; it divides ``H`` and ``W``. 1 leaves the images as they are. The paper takes 2, 4 and 8.
        generator: Source of the orders, on the CPU. They are drawn image after image, so that splitting images into batches changes
            nothing.

    Returns:
        New images of the shape, dtype and device of ``x``.

    Raises:
        InputError: If ``k`` does not divide the images, or ``x`` holds no images.

    Source: paper Section 3.2, Figure 3, Table 1.

    Example:
        >>> x = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4)
        >>> shuffle_patches(x, 2, generator=torch.Generator().manual_seed(3))[0, 0]
        tensor([[ 8,  9, 10, 11],
                [12, 13, 14, 15],
                [ 2,  3,  0,  1],
                [ 6,  7,  4,  5]], dtype=torch.uint8)
    """
    check_images(x)
    n, channels, height, width = x.shape
    if k < 1 or height % k or width % k:
        side = math.gcd(height, width)
        fitting = ", ".join(str(number) for number in range(1, side + 1) if side % number == 0)
        raise InputError(f"k = {k} does not cut images of {height}x{width} pixels into equal tiles: use one of {fitting}")
    order = torch.stack([torch.randperm(k * k, generator=generator, device="cpu") for _ in range(n)]).to(x.device)
    tiles = x.reshape(n, channels, k, height // k, k, width // k).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    moved = tiles[torch.arange(n, device=x.device).unsqueeze(1), order]
    return moved.view(n, k, k, channels, height // k, width // k).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)
