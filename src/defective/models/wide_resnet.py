"""WideResNet-32-4 as the released code builds it: post-activation, not the pre-activation form (paper Figure 13).

Blocks: 0 is the stem of 16 channels, 1-3 are the stages of five basic blocks. ``bottom`` is 0-1, ``top`` is 2-3.
"""

import math
from collections.abc import Sequence

from torch import nn

from defective.models.resnet import BasicBlock, ResNet


class WideResNet(ResNet):
    """ResNet of three stages, its convolutions drawn from a normal distribution by fan-out."""

    def __init__(self, widths: Sequence[int], *, num_classes: int, in_chans: int, image_size: int) -> None:
        super().__init__(BasicBlock, (5, 5, 5), widths, num_classes=num_classes, in_chans=in_chans, image_size=image_size)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))
