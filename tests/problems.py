"""Classifiers whose best attack is known in closed form."""

import io

import torch
from torch import Tensor, nn

from defective.data import ImageSet
from defective.inference import logits


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pickled(model: nn.Module) -> nn.Module:
    """The model, written and read again."""
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    found: nn.Module = torch.load(buffer, weights_only=False)
    return found


def linear_net(classes: int = 3, shape: tuple[int, int, int] = (2, 4, 4), seed: int = 0) -> nn.Module:
    """Logits linear in the image: every gradient-sign attack on two classes reaches the corner of the ball."""
    generator = torch.Generator().manual_seed(seed)
    features = shape[0] * shape[1] * shape[2]
    model = nn.Sequential(nn.Flatten(), nn.Linear(features, classes)).double()
    with torch.no_grad():
        model[1].weight.copy_(torch.randn(classes, features, generator=generator, dtype=torch.float64))
        model[1].bias.zero_()
    return model


def best_linear_attack(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """The image in the ball and in [0, 1] with the largest loss of a two-class linear model: each pixel goes to its bound."""
    weight = model[1].weight
    direction = torch.stack([(weight[1 - label] - weight[label]).sign() for label in y]).view_as(x)
    return (x + eps * direction).clamp(0, 1)


def linear_case() -> tuple[nn.Module, Tensor, Tensor]:
    """A two-class linear model, images well inside the box, and the classes that it holds them for."""
    model = linear_net(classes=2)
    x = 0.4 + 0.2 * torch.rand(6, 2, 4, 4, generator=seeded(), dtype=torch.float64)
    return model, x, model(x).argmax(1)


def distances(x: Tensor, x_adv: Tensor, norm: float = 2) -> Tensor:
    """How far each image was moved."""
    return (x_adv - x).flatten(1).norm(norm, dim=1)


def plane(seed: int = 0, shape: tuple[int, int, int] = (2, 4, 4)) -> nn.Module:
    """A two-class linear model in float32 whose boundary goes through grey: it takes half of all images for either class."""
    model = linear_net(2, shape, seed).float()
    with torch.no_grad():
        model[1].bias.copy_(-model[1].weight.sum(1) * 128 / 255)
    return model


def level_set(model: nn.Module, count: int = 60, *, shape: tuple[int, int, int] = (2, 4, 4), seed: int = 0) -> ImageSet:
    """8-bit images of two classes, well inside the box, labelled by what the model says of them: it is right on every one."""
    x = torch.randint(90, 166, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return ImageSet("levels", "test", x, logits(model, x).argmax(1), ("a", "b"))


class Brightness(nn.Module):
    """Class 1 where the mean pixel is above 0.7, else class 0; noise, whose mean is a half, is always class 0."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.flatten(1).mean(1)
        return torch.stack([0.7 - mean, mean - 0.7], 1)


def trained_on_patterns() -> tuple[nn.Module, Tensor, Tensor]:
    """A small model trained for a moment to tell four coloured patterns apart, and the last images and labels it saw."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(), nn.Flatten())
        model.append(nn.Linear(72, 4))
        colours = torch.rand(4, 3, 2, 2).repeat_interleave(4, 2).repeat_interleave(4, 3)
        optimizer = torch.optim.Adam(model.parameters(), 5e-3)
        for _ in range(80):
            y = torch.randint(4, (64,))
            x = (0.3 + 0.4 * colours[y] + 0.15 * torch.randn(64, 3, 8, 8)).clamp(0, 1)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model.eval(), x, y
