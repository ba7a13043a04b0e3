"""Small images, class-folder trees and archives, written by hand."""

import base64
import io
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image


def pixels(seed: int, height: int = 8, width: int | None = None, *, gray: bool = False) -> np.ndarray:
    """A random image: uint8 ``(H, W, 3)``, or ``(H, W)`` in gray."""
    shape = (height, width or height) if gray else (height, width or height, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def as_tensor(images: Iterable[np.ndarray]) -> torch.Tensor:
    """Pixels as the library holds them: uint8 ``(N, C, H, W)``."""
    stacked = torch.from_numpy(np.stack(list(images)))
    return stacked.unsqueeze(1) if stacked.ndim == 3 else stacked.permute(0, 3, 1, 2)


def decoded(address: str) -> np.ndarray:
    """The pixels of a PNG data address."""
    start, content = address.split(",")
    assert start == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def png(image: np.ndarray) -> bytes:
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def write_image(file: Path, image: np.ndarray) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(file)
    return file


def write_tree(root: Path, *, test: str = "test", size: int = 8) -> dict[str, np.ndarray]:
    """Classes cat and dog, with three training and two test images each; returns the pixels by path below ``root``, in order."""
    names = [
        f"{split}/{label}/{n}.png" for split, count in (("train", 3), (test, 2)) for label in ("cat", "dog") for n in range(count)
    ]
    images = {name: pixels(seed, size) for seed, name in enumerate(names)}
    for name, image in images.items():
        write_image(root / name, image)
    return images


def unlocked(folder: Path) -> list[str]:
    """Names in a folder without its locks, which are hidden and stay."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if folder.exists() else []


def pack(folder: Path, archive: Path) -> Path:
    """Put all files below ``folder`` into an archive of the kind its name says."""
    kind = {".zip": "zip", ".tar": "tar", ".gz": "gztar", ".tgz": "gztar", ".xz": "xztar"}[archive.suffix.lower()]
    return Path(shutil.make_archive(f"{archive}.made", kind, folder)).rename(archive)
