"""Training augmentation as one batched gather."""

from collections.abc import Iterable

import torch
from torch import Tensor


def draw_windows(batches: Iterable[int], *, padding: int = 4, generator: torch.Generator) -> Tensor:
    """Random windows for batches of so many images, one batch after the other; half of the images are mirrored.

    Args:
        batches: Images of each batch. Windows depend on the sizes of the batches before them.
        padding: Pixels that :func:`crop_flip` adds on each side; 0 only mirrors.
        generator: Source of the draws, on the CPU.

    Returns:
        Int64 ``(N, 3)``: the first row and column of each image's window, and 1 if it is mirrored.
    """
    here = {"generator": generator, "device": "cpu"}
    drawn = [(torch.randint(0, 2 * padding + 1, (2, n), **here), torch.rand(1, n, **here)) for n in batches]  # type: ignore[call-overload]
    return torch.cat([torch.cat([corners, numbers < 0.5]) for corners, numbers in drawn], 1).t()


def crop_flip(x: Tensor, windows: Tensor, *, padding: int = 4) -> Tensor:
    """Pad with black, cut each image's window of the old size out of it, and mirror some.

    Args:
        x: Images ``(N, C, H, W)``, uint8 or float, on the windows' device.
        windows, padding: One window for each image, as :func:`draw_windows` draws them.

    Returns:
        Images ``(N, C, H, W)`` in channels-last memory.

    Source: paper Appendix D (padding 4; MNIST: mirror only).

    Example:
        >>> x = torch.arange(4.0).view(1, 1, 2, 2)
        >>> windows = draw_windows([1], padding=0, generator=torch.Generator().manual_seed(1))
        >>> crop_flip(x, windows, padding=0).flatten().tolist()
        [1.0, 0.0, 3.0, 2.0]
    """
    n, _, height, width = x.shape
    top, left, mirrored = windows.t().unsqueeze(2)
    columns = torch.arange(width, device=x.device).expand(n, width)
    columns = torch.where(mirrored.bool(), columns.flip(1), columns) + left
    rows = torch.arange(height, device=x.device) + top
    padded = torch.nn.functional.pad(x, (padding,) * 4)
    image = torch.arange(n, device=x.device).view(n, 1, 1)
    cut = padded.permute(0, 2, 3, 1)[image, rows.unsqueeze(2), columns.unsqueeze(1)]
    return cut.permute(0, 3, 1, 2)
