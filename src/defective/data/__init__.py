"""Data sets by name: official files, class folders, and the synthetic set `shapes`."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path

from defective.data import official
from defective.data.archive import check_source, stem, unpack
from defective.data.cache import fingerprint, restore, store, unpacking
from defective.data.download import REMOTES, download, download_folder
from defective.data.folder import are_numbers, class_folders, decode_splits, decoded_bytes, list_folder
from defective.data.notice import notice
from defective.data.sets import ImageSet, index_hash, pick
from defective.data.shapes import shapes
from defective.data.stream import ImageStream
from defective.errors import InputError
from defective.files import cache_folder
from defective.text import as_text, choices, short

__all__ = [
    "NAMES",
    "Data",
    "ImageSet",
    "ImageStream",
    "check_name",
    "index_hash",
    "load_data",
    "load_splits",
    "location",
    "pick",
    "shapes",
]

NAMES = ("cifar10", "mnist", "tiny-imagenet", "imagenet", "shapes", "folder")
_FOLDERS = ("imagenet", "folder")

# Decoded images above either bound are streamed from disk instead of held in memory.
MEMORY_LIMIT = 4 << 30
STREAMED_SIZE = 128

Data = ImageSet | ImageStream


def load_data(name: str, split: str = "train", *, image_size: int | None = None) -> Data:
    """Load one split of a data set.

    Args:
        name: ``"cifar10"``, ``"mnist"`` and ``"tiny-imagenet"`` are downloaded on first use; ``"shapes"`` is synthetic; ``"folder:PATH"``
            and ``"imagenet:PATH"`` read ``train/CLASS/IMAGE`` and ``test/`` or ``val/`` below a folder or in an archive (.zip,
            .tar, .tar.gz, .tar.xz); ``train/`` may be missing where nothing is trained.
            ``"cifar10:PATH"``, ``"mnist:PATH"`` and ``"tiny-imagenet:PATH"`` read the official files from
            your own folder or archive; the data set is then named after the path.
        split: ``"train"`` or ``"test"``; ``shapes`` has more.
        image_size: For folders: scale and centre-crop every image to this size. ImageNet: 224 if not given.

    Returns:
        An :class:`ImageSet` in memory, or an :class:`ImageStream` for images of 128 pixels and more and for folders of over 4 GiB.

    Raises:
        InputError: If the name, path or split is unknown, or the files are corrupt or incomplete.

    Example:
        >>> load_data("shapes", "test")
        ImageSet(name='shapes', split='test', classes=('disc-rows', 'square-columns', 'triangle-rising', 'diamond-falling', \
'cross-checks', 'ring-squares', 'star-dots', 'crescent-grid', 'bar-bands', 'hourglass-bricks'))
    """
    check_name(name, image_size=image_size)
    if name == "shapes":
        return shapes(split)
    if split not in ("train", "test"):
        raise InputError(f"{name} has no split {split!r}{choices(split, ('train', 'test'))}")
    splits = load_splits(name, image_size=image_size)
    if split not in splits:
        raise InputError(f"{name} has no train/: it can be evaluated on, not trained on")
    return splits[split]


def load_splits(name: str, *, image_size: int | None = None) -> dict[str, Data]:
    """Load ``"train"`` and ``"test"``, as :func:`load_data`, or ``"test"`` alone where there is no other."""
    kind, root = name.partition(":")[0], check_name(name, image_size=image_size)
    if kind == "shapes":
        return {split: shapes(split) for split in ("train", "test")}
    splits = dict(_read(kind, root or download(kind), as_text(stem(root.resolve())) if root else kind, image_size))
    classes = splits["test"].classes
    if classes != tuple(sorted(classes)) and are_numbers(classes):
        notice(f"{name}: its classes are named by numbers; labels are in numeric order, so class 2 comes before class 10")
    return splits


def check_name(name: str, *, image_size: int | None = None) -> Path | None:
    """The path in the name of a data set, None if it is downloaded or synthetic; names that :func:`load_data` cannot read are refused."""
    if not isinstance(name, str):
        meant = f": write 'folder:{name}'" if isinstance(name, os.PathLike) else f"; there are {', '.join(NAMES)}"
        raise InputError(f"the name of a data set is {type(name).__name__}, not text{meant}")
    kind, _, path = name.partition(":")
    if kind not in NAMES:
        # Unlike Path.exists it is False for what cannot be a path.
        if os.path.exists(name):  # noqa: PTH110
            raise InputError(f"{name} is a path, not a data set: write folder:{name}")
        raise InputError(f"no data set {name!r}{choices(kind, (*NAMES[:-1], 'folder:PATH'))}")
    if image_size is not None and kind not in _FOLDERS:
        raise InputError(f"{name} has its own image size: an image size ({image_size}) is for folder:PATH and imagenet:PATH")
    if image_size is not None and not (isinstance(image_size, Integral) and image_size >= 1):
        raise InputError(f"image size {short(image_size)} for {name}: it is a number of pixels, at least 1")
    if kind == "shapes" and name != kind:
        raise InputError(f"{name}: shapes is synthetic and has no path; write shapes")
    if not path and (kind in REMOTES or kind == "shapes"):
        return None
    if not path:
        raise InputError(f"the path of the images is missing: write {kind}:PATH, a class-folder tree or an archive of one")
    return check_source(name, path)


def location(name: str) -> str:
    """Where the files of a data set are: the folder of downloads, the path in the name, or nowhere.

    Example:
        >>> location("folder:pictures.zip"), location("shapes")
        ('pictures.zip', 'synthetic, no files')
    """
    kind, _, path = name.partition(":")
    if kind in REMOTES and not path:
        return str(download_folder(kind))
    return path or "synthetic, no files"


def _read(kind: str, root: Path, label: str, image_size: int | None) -> Mapping[str, Data]:
    if root.is_dir():
        # Listing a large folder that is not a data set would take long.
        _check_layout(kind, root, root)
    key = fingerprint(root, kind, image_size)
    stored = restore(label, key)
    if stored or root.is_dir():
        return stored or _decode(kind, root, label, key, image_size)
    kept = cache_folder(f"unpacked/{label[:40]}-{key}")
    if not kept.is_dir():
        with unpacking(kept) as unpacked:
            # Another process may have been first.
            stored = restore(label, key)
            if stored:
                return stored
            if not kept.is_dir():
                unpack(root, unpacked)
                with _named(unpacked, root):
                    _check_layout(kind, unpacked, root)
                    sets = _decode(kind, unpacked, label, key, image_size)
                if not any(isinstance(each, ImageStream) for each in sets.values()):
                    return sets
                # A stream goes on reading its files.
                unpacked.rename(kept)
    return _decode(kind, kept, label, key, image_size)


@contextmanager
def _named(unpacked: Path, archive: Path) -> Iterator[None]:
    """Errors name the archive, not the folder of its files, which is removed."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(unpacked), str(archive))) from error


def _check_layout(kind: str, root: Path, named: Path) -> None:
    """Refuse a folder of another layout; where official files lie instead of class folders, it is said how to read them."""
    try:
        class_folders(root) if kind in _FOLDERS else official.check_layout(root, kind)
    except InputError as error:
        found = official.official_kind(root)
        if kind not in _FOLDERS or found is None:
            raise
        raise InputError(f"{kind}:{named} holds the official files of {found}, not class folders: write {found}:{named}") from error


def _decode(kind: str, root: Path, label: str, key: str, image_size: int | None) -> Mapping[str, Data]:
    if kind == "cifar10":
        sets = official.read_cifar10(root, label)
    elif kind == "mnist":
        sets = official.read_mnist(root, label)
    else:
        listings = official.list_tiny_imagenet(root) if kind == "tiny-imagenet" else list_folder(root)
        image_size = image_size or (official.KINDS[kind][1] if kind == "imagenet" else None)
        total, height = decoded_bytes(listings, image_size)
        if total > MEMORY_LIMIT or (image_size or height) >= STREAMED_SIZE:
            return {split: ImageStream(label, split, at, image_size or height) for split, at in listings.items()}
        x = decode_splits(listings, image_size=image_size)
        sets = {split: ImageSet(label, split, x[split], at.y, at.classes) for split, at in listings.items()}
    store(label, key, sets)
    return sets
