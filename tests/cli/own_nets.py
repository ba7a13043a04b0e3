"""Factories and attacks a person might name on the command line, good and bad."""

import sys

import torch
from torch import Tensor, nn

value = 5


class Bright(nn.Module):
    """Classes by mean brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, x: Tensor) -> Tensor:
        brightness = self.scale * (x.mean((1, 2, 3)) - 0.43)
        return torch.stack([-brightness, brightness], 1)


class Returns(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> object:
        return self.function(x)


def number():
    return 3


def raises():
    raise KeyError("no weights\nhere")


def leaves():
    raise SystemExit("bye")


def asks(path):
    return Bright()


def returning(function):
    """A factory of models that return this for images."""

    def make():
        return Returns(function)

    return make


prints = returning(lambda x: (print("layer", tuple(x.shape)), Bright()(x))[1])
exits = returning(lambda x: sys.exit(3))
flat = returning(lambda x: x.mean((1, 2, 3)))
fails_inside = returning(lambda x: {}["weights"])
always_wrong = returning(lambda x: -Bright()(x))
detached = returning(lambda x: Bright()(x).detach())
# Another one that goes by brightness, with a level of its own.
cautious = returning(lambda x: Bright()((x - 0.02).clamp(0, 1)))
# Its logits have no slope.
blunt = returning(lambda x: Bright()(x).round())


def step(model, x, y):
    """FGSM of radius 16/255, written anew."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(torch.nn.functional.cross_entropy(model(x), y, reduction="sum"), x)
    return (x.detach() + 16 / 255 * slope.sign()).clamp(0, 1)


step.eps = 16 / 255


def stumbles(model, x, y):
    raise KeyError("no plan\nhere")


def walks_out(model, x, y):
    raise SystemExit("bye")


def cnn(num_classes=2, width=4):
    """A small network whose second module is a norm."""
    layers = [nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4 * width, num_classes))


def frozen():
    return cnn().requires_grad_(False)


class FailsInTraining(Bright):
    def forward(self, x: Tensor) -> Tensor:
        return {}["weights"] if self.training else super().forward(x)


class Stays(Bright):
    def to(self, *args, **kwargs):
        raise RuntimeError("stays here")


def nowhere():
    return Bright().to("meta")


# A class is a factory too.
bright, stumbles_in_training, stays = Bright, FailsInTraining, Stays
model = Bright()
