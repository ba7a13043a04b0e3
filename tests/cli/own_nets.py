"""Factories a person might name on the command line, good and bad."""

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


def bright():
    return Bright()


def number():
    return 3


def raises():
    raise KeyError("no weights\nhere")


def leaves():
    raise SystemExit("bye")


def asks(path):
    return Bright()


def flat():
    return Returns(lambda x: x.mean((1, 2, 3)))


def several():
    return Returns(lambda x: (x, x))


def nan():
    return Returns(lambda x: torch.full((len(x), 2), float("nan")))


def fails_inside():
    return Returns(lambda x: {}["weights"])


def always_wrong():
    net = Bright()
    return Returns(lambda x: -net(x))


def detached():
    net = Bright()
    return Returns(lambda x: net(x).detach())
