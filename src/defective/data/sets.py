"""A data set in memory."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor


# Compared by identity, as tensors have no truth value.
@dataclass(frozen=True, eq=False)
class ImageSet:
    """One split of a data set, held in memory.

    Attributes:
        name: Data set name as shown beside results.
        split: ``"train"``, ``"test"`` or another split of ``shapes``.
        x: Images, uint8 ``(N, C, H, W)``.
        y: Labels, int64 ``(N,)``, indices into ``classes``.
        classes: Class names.
        y_texture: For cue-conflict images, the class of the texture, int64 ``(N,)``; ``y`` is then the class of the shape.
    """

    name: str
    split: str
    x: Tensor = field(repr=False)
    y: Tensor = field(repr=False)
    classes: tuple[str, ...]
    y_texture: Tensor | None = field(default=None, repr=False)

    @cached_property
    def digest(self) -> str:
        """32 hex digits that identify all images, labels and class names; computed once."""
        return digest_of([self.classes, self.x.shape, self.x, self.y, self.y_texture])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(C, H, W)``."""
        channels, height, width = self.x.shape[1:]
        return channels, height, width

    def __len__(self) -> int:
        return len(self.y)

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Images (uint8) and labels at ``index``."""
        index = index.to(self.y.device)
        return self.x[index], self.y[index]

    def batches(self, order: Tensor, batch_size: int, *, crop_seed: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches in the given order. ``crop_seed`` is for streamed sets and has no effect here."""
        for index in order.to(self.y.device).split(batch_size):
            yield self.take(index)

    def to(self, device: torch.device) -> "ImageSet":
        """The same set with images and labels on ``device``, so that batches need no transfer."""
        return replace(self, x=self.x.to(device), y=self.y.to(device))


def pick(total: int, count: int, *, seed: int = 0) -> Tensor:
    """``count`` different indices below ``total`` in random order, the same for the same seed; all of them if ``count >= total``.

    Example:
        >>> pick(10, 3, seed=1).tolist() == pick(10, 3, seed=1).tolist(), len(pick(10, 99))
        (True, 10)
    """
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed), device="cpu")[:count]


def digest_of(parts: Iterable[object]) -> str:
    """32 hex digits that identify a list of tensors and plain values."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(part.detach().cpu().to_dense().resolve_conj().contiguous().view(-1).view(torch.uint8).numpy().data)
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()[:32]


def index_hash(index: Tensor) -> str:
    """First 16 hex digits of the SHA-256 of sample indices: do two results use the same images?"""
    return hashlib.sha256(index.to(torch.int64).cpu().numpy().tobytes()).hexdigest()[:16]
