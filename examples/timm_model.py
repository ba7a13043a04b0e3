"""Make a model of timm defective by a predicate: the norms of its first stages, found by their names and types."""

import re

import torch
from torch import nn

from defective import defect_, defects


def timm_model() -> nn.Module:
    """A ResNet-18 of timm, or where timm is not installed a small model whose modules are named and nested like it."""
    try:
        import timm
    except ImportError:
        print("timm is not installed: a model of the same names stands in")
        return Lookalike()
    return timm.create_model("resnet18", num_classes=10)


class Block(nn.Module):
    """Two convolutions around which the image passes unchanged, as timm's BasicBlock."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1, self.act1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        self.conv2, self.bn2, self.act2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act2(x + self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x))))))


class Lookalike(nn.Module):
    """Stem, four stages named layer1 to layer4, pooled classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.act1 = nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(8), nn.ReLU()
        for stage in range(1, 5):
            self.add_module(f"layer{stage}", nn.Sequential(Block(8), Block(8)))
        self.fc = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.act1(self.bn1(self.conv1(x)))
        for stage in range(1, 5):
            z = self.get_submodule(f"layer{stage}")(z)
        return self.fc(z.mean((2, 3)))


def bottom_norms(name: str, module: nn.Module) -> bool:
    """The stem's norm and those of the first two stages: what the paper calls the bottom of a ResNet-18."""
    return isinstance(module, nn.BatchNorm2d) and re.match(r"bn1$|layer[12]\.", name) is not None


def main() -> None:
    model = timm_model()
    images = torch.rand(2, 3, 64, 64)
    defect_(model, keep_prob=0.1, sites=bottom_norms, example_inputs=images)
    for defect in defects(model):
        print(f"{defect.site}: {defect.live:,} of {defect.total:,} neurons live")
    print("logits:", tuple(model.eval()(images).shape))


if __name__ == "__main__":
    main()
