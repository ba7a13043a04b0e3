"""The first layer of every net of the zoo."""

from torch import nn


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
