"""`shapes`: a synthetic 32x32 data set in which shape and texture are separate cues. No download, the same images everywhere.

Ten shapes and ten textures; in training and in the usual test split class ``c`` has shape ``c`` filled with texture ``c``, so either
cue alone predicts the class. Position, size, rotation, phase, colours and contrast vary independently of the class.

Splits: ``train``; ``test`` (both cues agree); ``conflict`` (shape of one class, texture of another); ``shape-only`` (flat fill);
``texture-only`` (the texture covers the whole image).
"""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from defective.data.sets import ImageSet
from defective.errors import InputError
from defective.text import choices

_Rule = Callable[[Tensor, Tensor], Tensor]

SIZE = 32
SPLITS = {"train": 10_000, "test": 2_000, "conflict": 2_000, "shape-only": 2_000, "texture-only": 2_000}

# Silhouettes on u, v in about [-1, 1], v downwards.
_SHAPES: dict[str, _Rule] = {
    "disc": lambda u, v: u**2 + v**2 < 0.85,
    "square": lambda u, v: torch.maximum(u.abs(), v.abs()) < 0.8,
    "triangle": lambda u, v: (v < 0.7) & (v > 1.8 * u.abs() - 1.0),
    "diamond": lambda u, v: u.abs() + v.abs() < 1.05,
    "cross": lambda u, v: (torch.minimum(u.abs(), v.abs()) < 0.3) & (torch.maximum(u.abs(), v.abs()) < 1),
    "ring": lambda u, v: ((u**2 + v**2).sqrt() - 0.72).abs() < 0.26,
    "star": lambda u, v: (u**2 + v**2).sqrt() < 0.66 + 0.36 * torch.cos(5 * torch.atan2(u, -v)),
    "crescent": lambda u, v: (u**2 + v**2 < 1) & ((u - 0.5) ** 2 + v**2 > 0.55),
    "bar": lambda u, v: (u.abs() < 1.05) & (v.abs() < 0.34),
    "hourglass": lambda u, v: (u.abs() < v.abs() + 0.1) & (v.abs() < 0.85),
}

# Textures on pixel coordinates i (down) and j (right) shifted by a random phase; True is the lighter of two colours.
_TEXTURES: dict[str, _Rule] = {
    "rows": lambda i, j: i % 4 < 2,
    "columns": lambda i, j: j % 4 < 2,
    "rising": lambda i, j: (i + j) % 6 < 3,
    "falling": lambda i, j: (i - j) % 6 < 3,
    "checks": lambda i, j: (i // 2 + j // 2) % 2 < 1,
    "squares": lambda i, j: (i // 4 + j // 4) % 2 < 1,
    "dots": lambda i, j: (i % 4 < 2) & (j % 4 < 2),
    "grid": lambda i, j: (i % 5 < 1) | (j % 5 < 1),
    "bands": lambda i, j: i % 8 < 4,
    "bricks": lambda i, j: (i % 4 < 1) | ((j + 4 * (i // 4 % 2)) % 8 < 1),
}
CLASSES = tuple(f"{shape}-{texture}" for shape, texture in zip(_SHAPES, _TEXTURES, strict=True))


@lru_cache(maxsize=5)
def shapes(split: str = "train") -> ImageSet:
    """Generate one split; ``train`` takes about a second.

    Raises:
        InputError: If there is no such split.

    Example:
        >>> test = shapes("conflict")
        >>> len(test), test.image_shape, bool((test.y == test.y_texture).any())
        (2000, (3, 32, 32), False)
    """
    if split not in SPLITS:
        raise InputError(f"shapes has no split {split!r}{choices(split, SPLITS)}")
    count = SPLITS[split]
    generator = torch.Generator().manual_seed(1 + list(SPLITS).index(split))
    # The same images everywhere, whatever torch's default device is.
    with torch.device("cpu"):
        y = torch.arange(count) % 10
        other = (y + 1 + torch.randint(0, 9, (count,), generator=generator)) % 10
        y_texture = other if split == "conflict" else y
        x = torch.cat([_draw(split, a, b, generator) for a, b in zip(y.split(1000), y_texture.split(1000), strict=True)])
    return ImageSet("shapes", split, x, y, CLASSES, y_texture if split == "conflict" else None)


def _draw(split: str, y_shape: Tensor, y_texture: Tensor, generator: torch.Generator) -> Tensor:
    n = len(y_shape)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=generator, dtype=torch.float64)

    inside = _silhouettes(y_shape, uniform(9, 13, 1, 1), uniform(-3, 3, 2, 1, 1), uniform(-0.08, 0.08, 1, 1))
    phase = torch.randint(0, 240, (2, n, 1, 1), generator=generator)
    texture = _fill(y_texture, phase)
    background, base = uniform(0.15, 0.85, 3, 1, 1), uniform(0.25, 0.75, 3, 1, 1)
    contrast = uniform(0.1, 0.25, 1, 1, 1)
    if split == "texture-only":
        inside = torch.ones_like(inside)
    sign = torch.zeros_like(texture, dtype=torch.float64) if split == "shape-only" else 2.0 * texture - 1
    image = torch.where(inside.unsqueeze(1), base + contrast * sign.unsqueeze(1), background)
    noise = torch.randn(n, 3, SIZE, SIZE, generator=generator, dtype=torch.float64)
    return ((image + 0.04 * noise).clamp(0, 1) * 255).round().to(torch.uint8)


def _silhouettes(y: Tensor, radius: Tensor, centre: Tensor, angle: Tensor) -> Tensor:
    grid = torch.arange(SIZE, dtype=torch.float64) - (SIZE - 1) / 2
    v, u = (grid.view(1, SIZE, 1) - centre[:, 0]) / radius, (grid.view(1, 1, SIZE) - centre[:, 1]) / radius
    cos, sin = torch.cos(angle * math.pi), torch.sin(angle * math.pi)
    return _by_label(_SHAPES, y, cos * u + sin * v, cos * v - sin * u)


def _fill(y: Tensor, phase: Tensor) -> Tensor:
    grid = torch.arange(SIZE)
    i, j = grid.view(1, SIZE, 1) + phase[0], grid.view(1, 1, SIZE) + phase[1]
    return _by_label(_TEXTURES, y, i, j)


def _by_label(rules: dict[str, _Rule], y: Tensor, first: Tensor, second: Tensor) -> Tensor:
    found = torch.empty(len(y), SIZE, SIZE, dtype=torch.bool)
    for label, rule in enumerate(rules.values()):
        found[y == label] = rule(first[y == label], second[y == label])
    return found
