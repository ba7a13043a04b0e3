"""VGG-19 with one linear layer, as Appendix C.5 changes it (paper Figure 12).

Blocks 0-4 are the groups of convolutions between max-pools. ``bottom`` is 0-1 (the first four convolutions), ``top`` is 3-4.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from defective.models.normalize import Normalize

DEPTHS = (2, 2, 4, 4, 4)


class VGG(nn.Module):
    """Images ``(N, in_chans, S, S)`` in [0, 1] to logits ``(N, num_classes)``; ``widths`` are the channels of the five blocks."""

    def __init__(self, widths: Sequence[int], *, num_classes: int, in_chans: int, image_size: int) -> None:
        super().__init__()
        self.normalize = Normalize.for_images(in_chans, image_size)
        self.blocks = nn.ModuleList()
        channels, size = in_chans, image_size
        for depth, width in zip(DEPTHS, widths, strict=True):
            block = nn.Sequential()
            for index in range(1, depth + 1):
                block.add_module(f"conv{index}", nn.Conv2d(channels, width, 3, 1, 1))
                block.add_module(f"norm{index}", nn.BatchNorm2d(width))
                block.add_module(f"act{index}", nn.ReLU())
                channels = width
            # 28 x 28 images are down to one pixel before the last pool, which the released MNIST model leaves out.
            if size > 1:
                block.add_module("pool", nn.MaxPool2d(2))
                size //= 2
            self.blocks.append(block)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, num_classes)
        self.mask_sites = {
            placement: {
                number: tuple(f"blocks.{number}.{kind}{index}" for index in range(1, depth + 1))
                for number, depth in enumerate(DEPTHS)
            }
            for placement, kind in (("authors", "norm"), ("text", "act"))
        }

    def forward(self, x: Tensor) -> Tensor:
        z = self.normalize(x)
        for block in self.blocks:
            z = block(z)
        return self.head(self.pool(z).flatten(1))  # type: ignore[no-any-return]
