"""Image folders too large for memory, decoded batch by batch."""

import hashlib
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from defective.data.folder import Listing
from defective.data.image_file import decode, named_warnings
from defective.data.sets import digest_of
from defective.progress import progress_bar
from defective.text import as_text

# A set of at most so many bytes is identified by all of them; a larger one by this many at either end of each file.
DIGESTED_BYTES = 32 << 30
ENDS = 64 << 10


@dataclass(frozen=True)
class ImageStream:
    """One split of a class-folder tree, decoded batch by batch on all cores; used like an :class:`ImageSet`."""

    name: str
    split: str
    listing: Listing = field(repr=False)
    image_size: int

    @property
    def y(self) -> Tensor:
        """Labels, int64 ``(N,)``."""
        return self.listing.y

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""
        return self.listing.classes

    @cached_property
    def digest(self) -> str:
        """32 hex digits that identify labels, class names, and name, size and content of each file; computed once.

        Above ``DIGESTED_BYTES`` in total, only the first and last 64 KiB of each file are read.
        """
        files = self.listing.files
        sizes = [file.stat().st_size for file in files]
        whole = sum(sizes) <= DIGESTED_BYTES
        with progress_bar("checking images", len(files), unit="images") as advance, ThreadPoolExecutor() as pool:
            contents = []
            for content in pool.map(partial(_content, whole=whole), files, sizes):
                contents.append(content)
                advance()
        names = [as_text(file.name) for file in files]
        return digest_of([self.classes, self.image_size, self.y, names, sizes, contents])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(C, H, W)``."""
        return 3, self.image_size, self.image_size

    def __len__(self) -> int:
        return len(self.listing.files)

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Images (uint8, scaled and centre-cropped) and labels at ``index``."""
        return next(self.batches(index, max(1, len(index))))

    def batches(self, order: Tensor, batch_size: int, *, crop_seed: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches in the given order; with ``crop_seed`` a random resized crop of each image instead of its centre.

        The crop of an image depends on the seed and its index alone, not on batches.
        """
        # Pillow decodes and scales without Python's lock, so threads use all cores.
        with ThreadPoolExecutor() as pool:
            for index in order.cpu().split(batch_size):
                images = np.empty((len(index), *self.image_shape), np.uint8)
                with named_warnings():
                    for position, image in enumerate(pool.map(partial(self._image, crop_seed), index.tolist())):
                        images[position] = image.transpose(2, 0, 1) if image.ndim == 3 else image
                yield torch.from_numpy(images), self.y[index]

    def _image(self, crop_seed: int | None, index: int) -> np.ndarray:
        file = self.listing.files[index]
        if crop_seed is None:
            return decode(file, self.image_size)
        return random_resized_crop(decode(file), self.image_size, f"{crop_seed}/{index}")

    def to(self, device: torch.device) -> "ImageStream":
        """The stream itself: batches are moved one by one."""
        return self


def _content(file: Path, size: int, *, whole: bool) -> str:
    with file.open("rb") as opened:
        if whole or size <= 2 * ENDS:
            return hashlib.file_digest(opened, "sha256").hexdigest()
        start = opened.read(ENDS)
        opened.seek(-ENDS, os.SEEK_END)
        return hashlib.sha256(start + opened.read(ENDS)).hexdigest()


def random_resized_crop(image: np.ndarray, size: int, seed: str) -> np.ndarray:
    """Cut a random window of 8-100 % of the area and aspect ratio 3/4-4/3, and scale it to ``size`` x ``size``.

    Source: the usual ImageNet augmentation, which the released code uses (Szegedy et al. 2015).
    """
    from PIL import Image

    digest = hashlib.sha256(seed.encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "little")))
    height, width = image.shape[:2]
    for _ in range(10):
        area = height * width * rng.uniform(0.08, 1)
        ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            break
    else:
        w = h = min(height, width)
    left, top = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    window = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, (left, top, left + w, top + h))
    return np.asarray(window)
