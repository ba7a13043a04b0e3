"""Classifiers whose best attack is known in closed form."""

import torch
from torch import Tensor, nn

from defective.data import ImageSet
from defective.inference import logits


def linear_net(classes: int = 3, shape: tuple[int, int, int] = (2, 4, 4), seed: int = 0) -> nn.Module:
    """Logits linear in the image: every gradient-sign attack on two classes reaches the corner of the ball."""
    generator = torch.Generator().manual_seed(seed)
    features = shape[0] * shape[1] * shape[2]
    net = nn.Sequential(nn.Flatten(), nn.Linear(features, classes)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.randn(classes, features, generator=generator, dtype=torch.float64))
        net[1].bias.zero_()
    return net


def best_linear_attack(net: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """The image in the ball and in [0, 1] with the largest loss of a two-class linear net: each pixel goes to its bound."""
    weight = net[1].weight
    direction = torch.stack([(weight[1 - label] - weight[label]).sign() for label in y]).view_as(x)
    return (x + eps * direction).clamp(0, 1)


def plane(seed: int = 0, shape: tuple[int, int, int] = (2, 4, 4)) -> nn.Module:
    """A two-class linear net in float32 whose boundary goes through grey: it takes half of all images for either class."""
    net = linear_net(2, shape, seed).float()
    with torch.no_grad():
        net[1].bias.copy_(-net[1].weight.sum(1) * 128 / 255)
    return net


def level_set(net: nn.Module, count: int = 60, *, shape: tuple[int, int, int] = (2, 4, 4), seed: int = 0) -> ImageSet:
    """8-bit images of two classes, well inside the box, labelled by what the net says of them: it is right on every one."""
    x = torch.randint(90, 166, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return ImageSet("levels", "test", x, logits(net, x).argmax(1), ("a", "b"))
