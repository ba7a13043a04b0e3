"""Image folders too large for memory, decoded batch by batch."""

import hashlib
import math
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from defective.data.folder import Listing
from defective.data.image_file import collected_warnings, decode, give_warnings
from defective.data.notice import notice
from defective.data.sets import digest_of
from defective.errors import InputError
from defective.progress import progress_bar
from defective.text import as_text

# The path of a socket has at most 107 characters; multiprocessing adds up to 37.
LONGEST_TEMPORARY = 70
# Seconds without a batch, after which the rest is decoded without workers.
WORKER_TIMEOUT = 300

# A set of at most so many bytes is identified by all of them; a larger one by this many at either end of each file.
DIGESTED_BYTES = 32 << 30
ENDS = 64 << 10

# Image, label, and Pillow's warnings by their kind.
_Item = tuple[Tensor, int, dict[str, str]]


@dataclass(frozen=True)
class ImageStream:
    """One split of a class-folder tree, decoded batch by batch in worker processes; used like an :class:`ImageSet`."""

    name: str
    split: str
    listing: Listing = field(repr=False)
    image_size: int
    workers: int = 2

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
        """Images (uint8, resized and centre-cropped) and labels at ``index``."""
        if not len(index):
            return torch.empty(0, *self.image_shape, dtype=torch.uint8), self.y[index]
        batches = list(self.batches(index, 256))
        return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])

    def batches(self, order: Tensor, batch_size: int, *, crop_seed: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches in the given order; with ``crop_seed`` a random resized crop of each image instead of its centre.

        The crop of an image depends on the seed and its index alone, not on workers or batches.
        """
        workers, done = self._able_workers(batch_size), 0
        while done < len(order):
            files = _Files(self.listing, order[done:].tolist(), self.image_size, crop_seed)
            try:
                for x, y, warned in _loader(files, batch_size, workers):
                    give_warnings(warned)
                    done += len(y)
                    yield x, y
            except InputError as error:
                # A worker process wraps the message in its traceback.
                raise InputError(str(error).rpartition("InputError: ")[2].strip()) from None
            except RuntimeError as error:
                if not workers or "DataLoader" not in str(error):
                    raise
                notice(f"{self.name}: images are decoded without worker processes from here on: {str(error).splitlines()[0]}")
                workers = 0

    def _able_workers(self, batch_size: int) -> int:
        """How many worker processes can be used; 0 where they would hang."""
        reason = ""
        if multiprocessing.current_process().daemon:
            reason = "a daemonic process may not start any"
        elif len(os.fsencode(tempfile.gettempdir())) > LONGEST_TEMPORARY:
            reason = f"the path of TMPDIR is longer than the {LONGEST_TEMPORARY} characters that sockets allow"
        elif Path("/dev/shm").is_dir():
            free = shutil.disk_usage("/dev/shm").free
            # Each worker prepares two batches, and one more is in use.
            wanted = 2 * (self.workers + 1) * batch_size * math.prod(self.image_shape)
            if free < wanted:
                reason = f"/dev/shm has {free >> 20} MiB free, they share {wanted >> 20} MiB"
        if self.workers and reason:
            notice(f"{self.name}: images are decoded without worker processes: {reason}")
        return 0 if reason else self.workers

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


def _loader(files: "_Files", batch_size: int, workers: int) -> DataLoader[_Item]:
    # A worker that is blocked by a lock of its parent would never return.
    timeout = WORKER_TIMEOUT if workers else 0
    return DataLoader(files, batch_size, num_workers=workers, collate_fn=_collate, timeout=timeout, generator=torch.Generator())


def _collate(items: list[_Item]) -> tuple[Tensor, Tensor, dict[str, str]]:
    x, y = default_collate([(image, label) for image, label, _ in items])
    # The first file that caused a warning comes last, and stays.
    return x, y, {kind: message for *_, warned in reversed(items) for kind, message in warned.items()}


class _Files(Dataset[_Item]):
    def __init__(self, listing: Listing, order: list[int], image_size: int, crop_seed: int | None) -> None:
        self.listing, self.order, self.image_size, self.crop_seed = listing, order, image_size, crop_seed

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> _Item:
        index = self.order[position]
        file = self.listing.files[index]
        warned: dict[str, str] = {}
        with collected_warnings(warned):
            image = decode(file, self.image_size if self.crop_seed is None else None)
        if self.crop_seed is not None:
            image = random_resized_crop(image, self.image_size, f"{self.crop_seed}/{index}")
        rgb = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, 2)
        return torch.from_numpy(rgb.copy()).permute(2, 0, 1), int(self.listing.y[index]), warned


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
