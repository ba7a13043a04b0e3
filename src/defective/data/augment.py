"""Training augmentation as one batched gather."""

import torch
from torch import Tensor


def crop_flip(x: Tensor, *, padding: int = 4, generator: torch.Generator) -> Tensor:
    """Pad with black, cut a random window of the old size out of each image, and mirror half of the images.

    Args:
        x: Images ``(N, C, H, W)``, uint8 or float.
        padding: Pixels added on each side; 0 only mirrors.
        generator: Source of the draws, on the CPU.

    Returns:
        Images ``(N, C, H, W)`` in channels-last memory.

    Source: paper Appendix D (padding 4; MNIST: mirror only).

    Example:
        >>> x = torch.arange(4.0).view(1, 1, 2, 2)
        >>> crop_flip(x, padding=0, generator=torch.Generator().manual_seed(1)).flatten().tolist()
        [1.0, 0.0, 3.0, 2.0]
    """
    n, _, height, width = x.shape
    shift = torch.randint(0, 2 * padding + 1, (2, n, 1), generator=generator)
    mirrored = torch.rand(n, 1, generator=generator) < 0.5
    columns = torch.arange(width).expand(n, width)
    columns = torch.where(mirrored, columns.flip(1), columns) + shift[1]
    rows = torch.arange(height) + shift[0]
    padded = torch.nn.functional.pad(x, (padding,) * 4)
    image = torch.arange(n, device=x.device).view(n, 1, 1)
    cut = padded.permute(0, 2, 3, 1)[image, rows.to(x.device).unsqueeze(2), columns.to(x.device).unsqueeze(1)]
    return cut.permute(0, 3, 1, 2)
