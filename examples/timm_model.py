"""Make a model of timm defective by a predicate: the norms of its first stages, found by their names and types."""

import re

import timm
import torch
from torch import nn

from defective import defect_, defects


def bottom_norms(name: str, module: nn.Module) -> bool:
    """The stem's norm and those of the first two stages: what the paper calls the bottom of a ResNet-18."""
    return isinstance(module, nn.BatchNorm2d) and re.match(r"bn1$|layer[12]\.", name) is not None


def main() -> None:
    model = timm.create_model("resnet18", num_classes=10)  # pretrained=True downloads ImageNet's weights
    images = torch.rand(2, 3, 64, 64)
    defect_(model, keep_prob=0.1, sites=bottom_norms, example_inputs=images)
    for defect in defects(model):
        print(f"{defect.site}: {defect.live:,} of {defect.total:,} neurons live")
    print("logits:", tuple(model.eval()(images).shape))


if __name__ == "__main__":
    main()
