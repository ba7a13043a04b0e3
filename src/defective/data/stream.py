"""Image folders too large for memory: decode while training."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from defective.data.folder import Listing, decode
from defective.errors import InputError


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
        files = _Files(self.listing, order.tolist(), self.image_size, crop_seed)
        try:
            yield from DataLoader(files, batch_size, num_workers=self.workers, generator=torch.Generator())
        except InputError as error:
            # From a worker process the message comes wrapped in that process's traceback.
            raise InputError(str(error).rpartition("InputError: ")[2].strip()) from None

    def to(self, device: torch.device) -> "ImageStream":
        """The stream itself: its batches travel one by one."""
        return self


class _Files(Dataset[tuple[Tensor, int]]):
    def __init__(self, listing: Listing, order: list[int], image_size: int, crop_seed: int | None) -> None:
        self.listing, self.order, self.image_size, self.crop_seed = listing, order, image_size, crop_seed

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        index = self.order[position]
        file = self.listing.files[index]
        if self.crop_seed is None:
            image = decode(file, self.image_size)
        else:
            image = random_resized_crop(decode(file), self.image_size, f"{self.crop_seed}/{index}")
        rgb = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, 2)
        return torch.from_numpy(rgb.copy()).permute(2, 0, 1), int(self.listing.y[index])


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
