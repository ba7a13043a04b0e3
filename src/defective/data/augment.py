"""Training augmentation as one batched gather."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """What is cut out of some padded images: the window's first row and column ``(2, N)``, and whether it is mirrored ``(N,)``."""

    corner: Tensor
    mirrored: Tensor
    padding: int

    def __getitem__(self, some: slice) -> "Windows":
        return Windows(self.corner[:, some], self.mirrored[some], self.padding)

    def to(self, device: torch.device) -> "Windows":
        """The same windows on ``device``, so that training steps need no transfer."""
        return Windows(self.corner.to(device), self.mirrored.to(device), self.padding)


def draw_windows(batches: Iterable[int], *, padding: int = 4, generator: torch.Generator) -> Windows:
    """Random windows for batches of so many images, one batch after the other; half of the images are mirrored.

    Args:
        batches: Images of each batch. Windows depend on the sizes of the batches before them.
        padding: Pixels that :func:`crop_flip` adds on each side; 0 only mirrors.
        generator: Source of the draws, on the CPU.
    """
    here = {"generator": generator, "device": "cpu"}
    drawn = [(torch.randint(0, 2 * padding + 1, (2, n), **here), torch.rand(n, **here)) for n in batches]  # type: ignore[call-overload]
    corners, numbers = zip(*drawn, strict=True)
    return Windows(torch.cat(corners, 1), torch.cat(numbers) < 0.5, padding)


def crop_flip(x: Tensor, windows: Windows) -> Tensor:
    """Pad with black, cut each image's window of the old size out of it, and mirror some.

    Args:
        x: Images ``(N, C, H, W)``, uint8 or float, on the windows' device.
        windows: One for each image.

    Returns:
        Images ``(N, C, H, W)`` in channels-last memory.

    Source: paper Appendix D (padding 4; MNIST: mirror only).

    Example:
        >>> x = torch.arange(4.0).view(1, 1, 2, 2)
        >>> windows = draw_windows([1], padding=0, generator=torch.Generator().manual_seed(1))
        >>> crop_flip(x, windows).flatten().tolist()
        [1.0, 0.0, 3.0, 2.0]
    """
    n, _, height, width = x.shape
    top, left = windows.corner.unsqueeze(2)
    columns = torch.arange(width, device=x.device).expand(n, width)
    columns = torch.where(windows.mirrored.unsqueeze(1), columns.flip(1), columns) + left
    rows = torch.arange(height, device=x.device) + top
    padded = torch.nn.functional.pad(x, (windows.padding,) * 4)
    image = torch.arange(n, device=x.device).view(n, 1, 1)
    cut = padded.permute(0, 2, 3, 1)[image, rows.unsqueeze(2), columns.unsqueeze(1)]
    return cut.permute(0, 3, 1, 2)
