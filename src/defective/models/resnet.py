"""ResNet-18, ResNet-50 and WideResNet-32-4 for small images, with the released code's exact layout (paper Figures 8, 9 and 13).

Blocks: 0 is the stem, the others are the stages. ``bottom`` is 0-2 and ``top`` 3-4; of WideResNet 0-1 and 2-3.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from defective.models.normalize import Normalize


class Stem(nn.Sequential):
    """3x3 convolution, norm, ReLU. Images of 128 pixels and more are halved here and again by a 3x3 max-pool (ImageNet form)."""

    def __init__(self, in_chans: int, width: int, image_size: int) -> None:
        super().__init__()
        large = image_size >= 128
        self.conv = nn.Conv2d(in_chans, width, 3, 2 if large else 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.act = nn.ReLU()
        if large:
            self.pool = nn.MaxPool2d(3, 2, 1)


class Shortcut(nn.Sequential):
    """1x1 convolution and norm, where the block changes the shape."""

    def __init__(self, in_chans: int, out_chans: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_chans, out_chans, 1, stride, bias=False)
        self.norm = nn.BatchNorm2d(out_chans)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, post-activation, ReLU after the sum."""

    expansion = 1

    def __init__(self, in_chans: int, width: int, stride: int, *, project: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.act2 = nn.ReLU()
        project = project or stride != 1 or in_chans != width
        self.shortcut = Shortcut(in_chans, width, stride) if project else None

    def forward(self, x: Tensor) -> Tensor:
        z = self.act1(self.norm1(self.conv1(x)))
        z = self.norm2(self.conv2(z))
        return self.act2(z + (x if self.shortcut is None else self.shortcut(x)))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1, 3x3 (strided), 1x1 convolutions, post-activation, ReLU after the sum."""

    expansion = 4

    def __init__(self, in_chans: int, width: int, stride: int, *, project: bool = False) -> None:
        super().__init__()
        out_chans = width * self.expansion
        self.conv1 = nn.Conv2d(in_chans, width, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.act2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, out_chans, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(out_chans)
        self.act3 = nn.ReLU()
        project = project or stride != 1 or in_chans != out_chans
        self.shortcut = Shortcut(in_chans, out_chans, stride) if project else None

    def forward(self, x: Tensor) -> Tensor:
        z = self.act1(self.norm1(self.conv1(x)))
        z = self.act2(self.norm2(self.conv2(z)))
        z = self.norm3(self.conv3(z))
        return self.act3(z + (x if self.shortcut is None else self.shortcut(x)))  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """Images ``(N, in_chans, S, S)`` in [0, 1] to logits ``(N, num_classes)``.

    Args:
        block: The class of the blocks, as :class:`BasicBlock` or :class:`Bottleneck`.
        depths: Blocks in each stage.
        widths: Channels of the stem and of each stage.
        project_first: Put a projection shortcut into the first block of stage 1 although the shape does not ask for it, as the
            released DC and x2 models do.
    """

    def __init__(
        self,
        block: type[nn.Module],
        depths: Sequence[int],
        widths: Sequence[int],
        *,
        num_classes: int,
        in_chans: int,
        image_size: int,
        project_first: bool = False,
    ) -> None:
        super().__init__()
        self.normalize = Normalize.for_images(in_chans, image_size)
        self.stem = Stem(in_chans, widths[0], image_size)
        self.stages = nn.ModuleDict()
        channels = widths[0]
        for number, (depth, width) in enumerate(zip(depths, widths[1:], strict=True), start=1):
            stage = nn.Sequential()
            for index in range(depth):
                stride = 2 if number > 1 and index == 0 else 1
                project = project_first and number == 1 and index == 0
                stage.append(block(channels, width, stride, project=project))
                channels = width * block.expansion  # type: ignore[attr-defined]
            self.stages[str(number)] = stage
        self.head = nn.Linear(channels, num_classes)
        self.mask_sites = {
            "authors": {0: ("stem.norm",)} | {n: self._sites(n, _authors_sites) for n in range(1, len(depths) + 1)},
            "text": {0: ("stem.act",)} | {n: self._sites(n, _text_sites) for n in range(1, len(depths) + 1)},
        }

    def forward(self, x: Tensor) -> Tensor:
        z = self.stem(self.normalize(x))
        for stage in self.stages.values():
            z = stage(z)
        return self.head(F.adaptive_avg_pool2d(z, 1).flatten(1))  # type: ignore[no-any-return]

    def _sites(self, number: int, inside: Callable[[nn.Module, int], list[str]]) -> tuple[str, ...]:
        stage: Iterator[tuple[int, nn.Module]] = enumerate(self.stages[str(number)])  # type: ignore[arg-type]
        return tuple(f"stages.{number}.{index}.{site}" for index, block in stage for site in inside(block, number))


def _authors_sites(block: nn.Module, stage: int) -> list[str]:
    if isinstance(block, Bottleneck):
        return ["norm2"]
    # A shape-changing projection is masked too; stage 1's are not (the extra one of DC and x2, and WRN's 16 -> 64).
    return ["norm1", "norm2"] + ["shortcut.norm"] * (block.shortcut is not None and stage > 1)


def _text_sites(block: nn.Module, stage: int) -> list[str]:
    return ["act2"] if isinstance(block, Bottleneck) else ["act1", "act2"]


class WideResNet(ResNet):
    """WideResNet-32-4 as the released code builds it: post-activation, its convolutions drawn from a normal distribution by fan-out."""

    def __init__(self, widths: Sequence[int], *, num_classes: int, in_chans: int, image_size: int) -> None:
        super().__init__(BasicBlock, (5, 5, 5), widths, num_classes=num_classes, in_chans=in_chans, image_size=image_size)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))
