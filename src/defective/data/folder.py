"""Class-folder trees: find and check the images, decode them into memory."""

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from defective.data.image_file import FOREIGN_SUFFIXES, IMAGE_SUFFIXES, decode, named_warnings
from defective.errors import InputError
from defective.progress import progress_bar
from defective.text import as_text

# How many folders may enclose a data set.
DEEPEST = 4


@dataclass(frozen=True)
class Listing:
    """The image files of one split and their labels."""

    files: tuple[Path, ...]
    y: Tensor
    classes: tuple[str, ...]


def list_folder(root: Path) -> dict[str, Listing]:
    """List ``train/CLASS/IMAGE`` and ``test/CLASS/IMAGE`` (or ``val/``) below ``root``; folders that enclose them are looked through.

    Images may lie in folders below a class folder. ``train/`` may be missing. Classes that are called by numbers are in the order of
    the numbers, others in that of the alphabet.

    Raises:
        InputError: As :func:`class_folders`, or if a class is empty or there is an image that is not read.
    """
    folders = class_folders(root)
    return {split: list_classes(list(each.values()), tuple(each)) for split, each in folders.items()}


def class_folders(root: Path) -> dict[str, dict[str, Path]]:
    """The folders of the classes of each split in the order of their labels, without a look into them.

    Raises:
        InputError: If the images to test on are missing, or the two splits have different classes.
    """
    # The slash demands a folder: there are programs called test.
    root = enclosed_root(root, ("train/", "test/", "val/"))
    folders = {"train": _class_folders(root / "train")} if (root / "train").is_dir() else {}
    tests = [root / name for name in ("test", "val") if (root / name).is_dir()]
    if not tests:
        raise InputError(f"{root} is no class-folder tree: it needs train/CLASS/IMAGE and test/CLASS/IMAGE (or val/)")
    # Tiny-ImageNet and others have images without labels in test/.
    named = [_class_folders(test) for test in tests]
    folders["test"] = next((each for each in named if each.keys() == folders.get("train", each).keys() and each), named[0])
    classes = tuple(sorted(next(iter(folders.values())), key=_class_order(folders)))
    if len(classes) < 2:
        split = "train" if "train" in folders else tests[0].name
        raise InputError(f"{root / split} holds {len(classes)} class folders; a classifier needs at least 2")
    for here, there in (("train", "test"), ("test", "train")) if "train" in folders else ():
        missing = sorted(set(folders[here]) - set(folders[there]))
        if missing:
            raise InputError(f"class {missing[0]!r} of {root} is in {here} but missing from {there}: both need the same classes")
    return {split: {name: each[name] for name in classes} for split, each in folders.items()}


def _class_order(folders: dict[str, dict[str, Path]]) -> Callable[[str], tuple[int, str]]:
    numbers = all(name.isascii() and name.isdecimal() for names in folders.values() for name in names)
    return lambda name: (int(name) if numbers else 0, name)


def enclosed_root(root: Path, wanted: tuple[str, ...]) -> Path:
    """``root``, or the folder that holds an entry called as one of ``wanted`` below a chain of single folders."""

    def holds(folder: Path) -> bool:
        return any(os.path.exists(f"{folder}/{name}") for name in wanted)  # noqa: PTH110 - pathlib drops a slash at the end

    folder = root
    for _ in range(DEEPEST):
        if holds(folder):
            return folder
        inside = [path for path in _subfolders(folder) if path.name != "__MACOSX"]
        holding = [path for path in inside if holds(path)]
        if len(holding) == 1 or len(inside) == 1:
            folder = (holding or inside)[0]
        else:
            return root
    return folder if holds(folder) else root


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".") and path.is_dir()]


def _class_folders(split: Path) -> dict[str, Path]:
    for path in split.iterdir():
        if not path.is_dir() and is_image(path):
            raise InputError(f"{path} lies in no class folder: put it into {split}/CLASS/")
    return {path.name: path for path in _subfolders(split)}


def list_classes(folders: list[Path], classes: tuple[str, ...]) -> Listing:
    """List the images of class folders, those in folders below them too.

    Raises:
        InputError: If a folder has no image, or one that is not read.
    """
    files: list[Path] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        inside = [path for path in files_below(folder) if is_image(path)]
        if not inside:
            raise InputError(f"class folder {folder} holds no images ({', '.join(IMAGE_SUFFIXES)})")
        files += inside
        labels += [label] * len(inside)
    # A name that is no text in the encoding of the system is shown by the numbers of its bytes.
    return Listing(tuple(files), torch.tensor(labels), tuple(as_text(name) for name in classes))


def files_below(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """All files below a folder, in the order of their paths; links to folders are followed, unless they lead back to one above."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    with os.scandir(folder) as entries:
        found = sorted((entry.name, entry.is_dir()) for entry in entries)
    for name, is_folder in found:
        if not is_folder:
            yield folder / name
        elif not name.startswith(".") and name != "__MACOSX":
            yield from files_below(folder / name, above | {here})


def is_image(path: Path) -> bool:
    """Whether a file, which is no folder, is called like an image.

    Raises:
        InputError: If it is called like an image of a kind that is not read, or is no regular file.
    """
    # Archives made on a Mac hold a hidden ._NAME.jpg, which is no image, beside NAME.jpg.
    if path.name.startswith("."):
        return False
    suffix = path.suffix.lower()
    if suffix in FOREIGN_SUFFIXES:
        count = sum(each.suffix.lower() == suffix for each in path.parent.iterdir())
        raise InputError(
            f"{path} is a {suffix} file, of which {path.parent} holds {count}: save it as one of {', '.join(IMAGE_SUFFIXES)}, or remove it"
        )
    if suffix in IMAGE_SUFFIXES and not path.is_file():
        raise InputError(f"{path} is no regular file, or a link to nothing")
    return suffix in IMAGE_SUFFIXES


def decode_splits(listings: dict[str, Listing], *, image_size: int | None = None) -> dict[str, Tensor]:
    """Decode the equally large images of all splits to uint8 ``(N, C, H, W)``; ``C`` is 1 if every image is grayscale.

    Raises:
        InputError: If a file is corrupt or differs in size from the first, or the images are not square.
    """
    files = [file for listing in listings.values() for file in listing.files]
    with named_warnings(), progress_bar("decoding images", len(files), unit="images") as advance, ThreadPoolExecutor() as pool:
        height, width = decode(files[0], image_size).shape[:2]
        if height != width:
            raise InputError(f"images of {files[0].parent} are {width}x{height}, not square: give an image size")
        images = np.empty((len(files), 3, height, width), np.uint8)

        def place(index: int) -> bool:
            image = decode(files[index], image_size)
            h, w = image.shape[:2]
            if (h, w) != (height, width):
                raise InputError(
                    f"{files[index]} is {w}x{h} but {files[0]} is {width}x{height}: give an image size to scale all to one size"
                )
            images[index] = image.transpose(2, 0, 1) if image.ndim == 3 else image
            return image.ndim == 2

        gray = True
        for is_gray in pool.map(place, range(len(files))):
            gray = gray and is_gray
            advance()
    x = torch.from_numpy(images[:, :1].copy() if gray else images)
    return dict(zip(listings, x.split([len(listing.files) for listing in listings.values()]), strict=True))


def decoded_bytes(listings: dict[str, Listing], image_size: int | None) -> tuple[int, int]:
    """Bytes all images would take in memory, and the height of one, judged by the first."""
    with named_warnings():
        first = decode(next(iter(listings.values())).files[0], image_size)
    return sum(len(listing.files) for listing in listings.values()) * math.prod(first.shape[:2]) * 3, first.shape[0]
