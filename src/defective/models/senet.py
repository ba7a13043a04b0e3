"""SENet-18, the pre-activation form with squeeze-and-excitation (paper Figure 11).

Blocks: 0 is the stem, 1-4 are the stages of two SE-blocks each. ``bottom`` is 0-2, ``top`` is 3-4.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from defective.models.resnet import ResNet


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate computed from the global averages of all channels (Hu et al. 2017)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(1, channels // 16)
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, z: Tensor) -> Tensor:
        gate = self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(z, 1))))
        return z * gate.sigmoid()  # type: ignore[no-any-return]


class SEBlock(nn.Module):
    """norm-ReLU-conv twice, squeeze-and-excitation, sum; a projection takes the activated input, an identity the raw one."""

    expansion = 1

    def __init__(self, in_chans: int, width: int, stride: int, *, project: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_chans)
        self.act1 = nn.ReLU()
        self.conv1 = nn.Conv2d(in_chans, width, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.act2 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.se = SqueezeExcite(width)
        changed = project or stride != 1 or in_chans != width
        self.shortcut = nn.Conv2d(in_chans, width, 1, stride, bias=False) if changed else None

    def forward(self, x: Tensor) -> Tensor:
        activated = self.act1(self.norm1(x))
        z = self.conv2(self.act2(self.norm2(self.conv1(activated))))
        return self.se(z) + (x if self.shortcut is None else self.shortcut(activated))  # type: ignore[no-any-return]


class SENet(ResNet):
    """Images ``(N, in_chans, S, S)`` in [0, 1] to logits ``(N, num_classes)``; ``widths``: stem, then the four stages."""

    def __init__(self, widths: Sequence[int], *, num_classes: int, in_chans: int, image_size: int) -> None:
        super().__init__(SEBlock, (2, 2, 2, 2), widths, num_classes=num_classes, in_chans=in_chans, image_size=image_size)
        pre_activations = {n: tuple(f"stages.{n}.{i}.norm{k}" for i in (0, 1) for k in (1, 2)) for n in (1, 2, 3, 4)}
        activations = {n: tuple(f"stages.{n}.{i}{site}" for i in (0, 1) for site in (".act2", "")) for n in (1, 2, 3, 4)}
        # Appendix C.4 names the first three SE-blocks, so of stage 2 only the first block belongs to the bottom.
        activations[2] = activations[2][:2]
        self.mask_sites = {"authors": {0: (), **pre_activations}, "text": {0: (), **activations}}
