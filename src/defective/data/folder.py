"""Class-folder trees: find and check the images, decode them into memory."""

import math
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from defective.data.image_file import FOREIGN_SUFFIXES, IMAGE_SUFFIXES, decode, named_warnings
from defective.data.notice import notice
from defective.errors import InputError
from defective.progress import progress_bar
from defective.text import as_text

# Most folders that may enclose a data set.
DEEPEST = 4
_SCALE_ALL = "scale them to squares of one size, for example with --image-size 32 (image_size=32 in Python)"
_NUMBER = r"[+-]?[0-9]+(\.[0-9]+)?"
# Endings of files that may lie beside images, in lower case.
_NO_IMAGES = {".csv", ".db", ".html", ".ini", ".json", ".md", ".tsv", ".txt", ".xml", ".yaml", ".yml"}


@dataclass(frozen=True)
class Listing:
    """The image files of one split and their labels."""

    files: tuple[Path, ...]
    y: Tensor
    classes: tuple[str, ...]


def list_folder(root: Path) -> dict[str, Listing]:
    """List ``train/CLASS/IMAGE`` and ``test/CLASS/IMAGE`` (or ``val/``) below ``root``; enclosing folders are skipped.

    Images may be in subfolders of a class folder. ``train/`` may be missing. Classes named by numbers are in numeric order, others
    in alphabetical order.
    """
    folders = class_folders(root)
    return {split: list_classes(list(each.values()), tuple(each)) for split, each in folders.items()}


def class_folders(root: Path) -> dict[str, dict[str, Path]]:
    """The class folders of each split in the order of their labels; their content is not read."""
    # The slash requires a folder: a program may be called test.
    root = enclosed_root(root, ("train/", "test/", "val/"))
    folders = {"train": _class_folders(root / "train")} if (root / "train").is_dir() else {}
    tests = [root / name for name in ("test", "val") if (root / name).is_dir()]
    if not tests:
        raise InputError(f"{root} is not a class-folder tree: it needs train/CLASS/IMAGE and test/CLASS/IMAGE (or val/)")
    # Tiny-ImageNet and others have images without labels in test/.
    named = []
    for test in tests:
        try:
            named.append(_class_folders(test))
        except InputError:
            if test is tests[-1] and not named:
                raise
    folders["test"] = next((each for each in named if each.keys() == folders.get("train", each).keys() and each), named[0])
    numbers = all(map(are_numbers, folders.values()))
    classes = sorted(next(iter(folders.values())), key=lambda name: (Decimal(name) if numbers else Decimal(0), name))
    if len(classes) < 2:
        split = "train" if "train" in folders else tests[0].name
        raise InputError(
            f"{root / split} holds {len(classes)} class folder{'s' * (len(classes) != 1)}; a classifier needs at least 2"
        )
    for here, there in (("train", "test"), ("test", "train")) if "train" in folders else ():
        missing = sorted(set(folders[here]) - set(folders[there]))
        if missing:
            raise InputError(f"class {missing[0]!r} of {root} is in {here} but missing from {there}: both need the same classes")
    return {split: {name: each[name] for name in classes} for split, each in folders.items()}


def are_numbers(names: Iterable[str]) -> bool:
    """Whether classes are called by numbers alone."""
    return all(re.fullmatch(_NUMBER, name) for name in names)


def enclosed_root(root: Path, wanted: tuple[str, ...]) -> Path:
    """``root``, or the folder below it, reached through single folders, that has an entry with one of the names ``wanted``."""

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
        if path.is_symlink() and not path.exists():
            raise InputError(f"{path} is a broken link: fix or remove it")
        if not path.is_dir() and is_image(path):
            raise InputError(f"{path} is not in a class folder: move it to {split}/CLASS/")
    return {path.name: path for path in _subfolders(split)}


def list_classes(folders: list[Path], classes: tuple[str, ...]) -> Listing:
    """List the images of class folders and their subfolders; a folder without any is refused."""
    files: list[Path] = []
    labels: list[int] = []
    left: list[Path] = []
    for label, folder in enumerate(folders):
        inside: list[Path] = []
        for path in files_below(folder, frozenset(map(_identity, folder.absolute().parents))):
            (inside if is_image(path) else left).append(path)
        if not inside:
            raise InputError(f"class folder {folder} holds no images ({', '.join(IMAGE_SUFFIXES)})")
        files += inside
        labels += [label] * len(inside)
    left = [path for path in left if not path.name.startswith(".") and path.suffix.lower() not in _NO_IMAGES]
    if left:
        notice(f"{len(left)} files beside the images are skipped: their names are not those of images, as {left[0]}")
    # Bytes of a name that are not text are shown as escapes.
    return Listing(tuple(files), torch.tensor(labels), tuple(as_text(name) for name in classes))


def files_below(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """All files below a folder, sorted by path; links to folders are followed unless they lead back to a parent."""
    here = _identity(folder)
    if here in above:
        return
    with os.scandir(folder) as entries:
        found = sorted((entry.name, entry.is_dir(follow_symlinks=False) or Path(entry).is_dir()) for entry in entries)
    for name, is_folder in found:
        if not is_folder:
            yield folder / name
        elif not name.startswith(".") and name != "__MACOSX":
            yield from files_below(folder / name, above | {here})


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def is_image(path: Path) -> bool:
    """Whether a file has the name of an image; an unsupported format, and what is no regular file, is refused."""
    # Archives from macOS hold a hidden ._NAME.jpg, which is not an image, beside NAME.jpg.
    if path.name.startswith("."):
        return False
    suffix = path.suffix.lower()
    if suffix in FOREIGN_SUFFIXES:
        count = sum(each.suffix.lower() == suffix for each in path.parent.iterdir())
        raise InputError(
            f"{path} is a {suffix} file, an unsupported format ({count} in {path.parent}): "
            f"save it as one of {', '.join(IMAGE_SUFFIXES)}, or remove it"
        )
    if (suffix in IMAGE_SUFFIXES and not path.is_file()) or (path.is_symlink() and not path.exists()):
        raise InputError(f"{path} is not a regular file, or a broken link")
    return suffix in IMAGE_SUFFIXES


def _check_square(file: Path, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    if height != width:
        raise InputError(f"images of {file.parent} are {width}x{height}, not square: {_SCALE_ALL}")


def decode_splits(listings: dict[str, Listing], *, image_size: int | None = None) -> dict[str, Tensor]:
    """Decode the equally large images of all splits to uint8 ``(N, C, H, W)``; ``C`` is 1 if every image is grayscale."""
    files = [file for listing in listings.values() for file in listing.files]
    with named_warnings(), progress_bar("decoding images", len(files), unit="images") as advance, ThreadPoolExecutor() as pool:
        first = decode(files[0], image_size)
        _check_square(files[0], first)
        height, width = first.shape[:2]
        images = np.empty((len(files), 3, height, width), np.uint8)

        def decode_into(index: int) -> bool:
            image = decode(files[index], image_size)
            h, w = image.shape[:2]
            if (h, w) != (height, width):
                raise InputError(f"{files[index]} is {w}x{h} but {files[0]} is {width}x{height}: {_SCALE_ALL}")
            images[index] = image.transpose(2, 0, 1) if image.ndim == 3 else image
            return image.ndim == 2

        gray = True
        for is_gray in pool.map(decode_into, range(len(files))):
            gray = gray and is_gray
            advance()
    x = torch.from_numpy(images[:, :1].copy() if gray else images)
    return dict(zip(listings, x.split([len(listing.files) for listing in listings.values()]), strict=True))


def decoded_bytes(listings: dict[str, Listing], image_size: int | None) -> tuple[int, int]:
    """Bytes that all images would take in memory, and the height of one, estimated from the first."""
    with named_warnings():
        file = next(iter(listings.values())).files[0]
        first = decode(file, image_size)
    _check_square(file, first)
    return sum(len(listing.files) for listing in listings.values()) * math.prod(first.shape[:2]) * 3, first.shape[0]
