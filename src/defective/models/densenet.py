"""DenseNet-121 for small images, with the released code's exact layout (paper Figure 10).

Blocks: 0 is the stem, 1-4 are the dense blocks, each with the transition that follows it. ``bottom`` is 0-2, ``top`` is 3-4.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defective.models.normalize import Normalize

DEPTHS = (6, 12, 24, 16)


class DenseLayer(nn.Module):
    """norm-ReLU-1x1(4 growth)-norm-ReLU-3x3(growth); the new maps go in front of the old ones."""

    def __init__(self, in_chans: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_chans)
        self.act1 = nn.ReLU()
        self.conv1 = nn.Conv2d(in_chans, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.act2 = nn.ReLU()
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv1(self.act1(self.norm1(x)))
        z = self.conv2(self.act2(self.norm2(z)))
        return torch.cat([z, x], 1)


class Transition(nn.Module):
    """norm-ReLU-1x1 to half the channels, then 2x2 average pooling."""

    def __init__(self, in_chans: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_chans)
        self.act = nn.ReLU()
        self.conv = nn.Conv2d(in_chans, in_chans // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.conv(self.act(self.norm(x))))  # type: ignore[no-any-return]


class DenseNet(nn.Module):
    """Images ``(N, in_chans, S, S)`` in [0, 1] to logits ``(N, num_classes)``; ``widths``: stem, then each block's growth rate."""

    def __init__(self, widths: Sequence[int], *, num_classes: int, in_chans: int, image_size: int) -> None:
        super().__init__()
        self.normalize = Normalize.for_images(in_chans, image_size)
        large = image_size >= 128
        self.stem = nn.Sequential()
        self.stem.add_module("conv", nn.Conv2d(in_chans, widths[0], 3, 2 if large else 1, 1, bias=False))
        if large:
            self.stem.add_module("pool", nn.MaxPool2d(3, 2, 1))
        self.blocks = nn.ModuleDict()
        self.transitions = nn.ModuleDict()
        channels = widths[0]
        for number, (depth, growth) in enumerate(zip(DEPTHS, widths[1:], strict=True), start=1):
            self.blocks[str(number)] = nn.Sequential(*(DenseLayer(channels + i * growth, growth) for i in range(depth)))
            channels += depth * growth
            if number < len(DEPTHS):
                self.transitions[str(number)] = Transition(channels)
                channels //= 2
        self.norm = nn.BatchNorm2d(channels)
        self.head = nn.Linear(channels, num_classes)
        self.mask_sites = {
            # The released code masks what feeds each 1x1 convolution; C.3 of the text names the 3x3 convolutions.
            "authors": {0: ()} | {n: self._sites(n, "norm1", [f"transitions.{n}.norm"] * (n < 4)) for n in (1, 2, 3, 4)},
            "text": {0: ("stem.conv",)} | {n: self._sites(n, "conv2", []) for n in (1, 2, 3, 4)},
        }

    def forward(self, x: Tensor) -> Tensor:
        z = self.stem(self.normalize(x))
        for number, block in self.blocks.items():
            z = block(z)
            if number in self.transitions:
                z = self.transitions[number](z)
        z = F.relu(self.norm(z))
        return self.head(F.adaptive_avg_pool2d(z, 1).flatten(1))  # type: ignore[no-any-return]

    def _sites(self, number: int, site: str, more: list[str]) -> tuple[str, ...]:
        return tuple([f"blocks.{number}.{index}.{site}" for index in range(DEPTHS[number - 1])] + more)
