"""Class-folder trees: find and check the images, decode them into memory."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from defective.data.image_file import IMAGE_SUFFIXES, decode, named_warnings
from defective.errors import InputError
from defective.progress import progress_bar



@dataclass(frozen=True)
class Listing:
    """The image files of one split and their labels."""

    files: tuple[Path, ...]
    y: Tensor
    classes: tuple[str, ...]


def list_folder(root: Path) -> dict[str, Listing]:
    """List ``train/CLASS/IMAGE`` and ``test/CLASS/IMAGE`` (or ``val/``) below ``root``; one enclosing folder is looked through.

    Raises:
        InputError: If a split is missing, a class is empty, or the two splits have different classes.
    """
    root = enclosed_root(root, ("train",))
    test = next((root / name for name in ("test", "val") if (root / name).is_dir()), None)
    if not (root / "train").is_dir() or test is None:
        raise InputError(f"{root} is no class-folder tree: it needs train/CLASS/IMAGE and test/CLASS/IMAGE (or val/)")
    folders = {"train": _class_folders(root / "train"), "test": _class_folders(test)}
    classes = tuple(sorted(folders["train"]))
    if len(classes) < 2:
        raise InputError(f"{root / 'train'} holds {len(classes)} class folders; a classifier needs at least 2")
    for here, there in (("train", "test"), ("test", "train")):
        missing = sorted(set(folders[here]) - set(folders[there]))
        if missing:
            raise InputError(f"class {missing[0]!r} of {root} is in {here} but missing from {there}: both need the same classes")
    return {split: _listing([folders[split][name] for name in classes], classes) for split in folders}


def enclosed_root(root: Path, wanted: tuple[str, ...]) -> Path:
    """``root``, or the one folder in it that holds an entry called as one of ``wanted``."""
    if not any((root / name).exists() for name in wanted):
        inside = [path for path in root.iterdir() if path.is_dir() and any((path / name).exists() for name in wanted)]
        if len(inside) == 1:
            return inside[0]
    return root


def _class_folders(split: Path) -> dict[str, Path]:
    return {path.name: path for path in split.iterdir() if path.is_dir() and not path.name.startswith(".")}


def _listing(folders: list[Path], classes: tuple[str, ...]) -> Listing:
    files: list[Path] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        inside = sorted(path for path in folder.iterdir() if _is_image(path))
        if not inside:
            raise InputError(f"class folder {folder} holds no images ({', '.join(IMAGE_SUFFIXES)})")
        files += inside
        labels += [label] * len(inside)
    return Listing(tuple(files), torch.tensor(labels), classes)


def _is_image(path: Path) -> bool:
    # Archives made on a Mac hold a hidden ._NAME.jpg, which is no image, beside NAME.jpg.
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def decode_splits(listings: dict[str, Listing], *, image_size: int | None = None, rgb: bool = False) -> dict[str, Tensor]:
    """Decode all splits, each as by :func:`decode_all`, to images of one size and one number of channels.

    Raises:
        InputError: If a file is corrupt, or the images differ in size.
    """
    x = {split: decode_all(listing.files, image_size=image_size, rgb=rgb) for split, listing in listings.items()}
    sizes = {split: each.shape[-1] for split, each in x.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{split} images are {size}x{size}" for split, size in sizes.items())
        raise InputError(f"{listed}: give an image size to scale all to one size")
    channels = max(each.shape[1] for each in x.values())
    return {split: each.expand(-1, channels, -1, -1).contiguous() for split, each in x.items()}


def decode_all(files: tuple[Path, ...], *, image_size: int | None = None, rgb: bool = False) -> Tensor:
    """Decode equally large images to uint8 ``(N, C, H, W)``; ``C`` is 1 if every image is grayscale and ``rgb`` is false.

    Raises:
        InputError: If a file is corrupt or differs in size from the first.
    """
    with named_warnings():
        return _decode_all(files, image_size, rgb)


def _decode_all(files: tuple[Path, ...], image_size: int | None, rgb: bool) -> Tensor:
    first = decode(files[0], image_size)
    height, width = first.shape[:2]
    if height != width:
        raise InputError(f"images of {files[0].parent} are {width}x{height}, not square: give an image size")
    images = np.empty((len(files), height, width, 3), np.uint8)

    def place(index: int) -> bool:
        image = decode(files[index], image_size)
        if image.shape[:2] != first.shape[:2]:
            h, w = image.shape[:2]
            raise InputError(
                f"{files[index]} is {w}x{h} but {files[0]} is {width}x{height}: give an image size to scale all to one size"
            )
        images[index] = image if image.ndim == 3 else image[:, :, None]
        return image.ndim == 2

    gray = True
    with progress_bar("decoding images", len(files), unit="images") as advance, ThreadPoolExecutor() as pool:
        try:
            for is_gray in pool.map(place, range(len(files)), chunksize=256):
                gray = gray and is_gray
                advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if gray and not rgb:
        images = images[:, :, :, :1]
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def decoded_bytes(listings: dict[str, Listing], image_size: int | None) -> tuple[int, int]:
    """Bytes all images would take in memory, and the height of one, judged by the first."""
    with named_warnings():
        first = decode(next(iter(listings.values())).files[0], image_size)
    return sum(len(listing.files) for listing in listings.values()) * math.prod(first.shape[:2]) * 3, first.shape[0]
