"""Readers of the official files: CIFAR-10 (binary), MNIST (IDX), Tiny-ImageNet. Flat bytes and JPEG, no pickle."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from defective.data.folder import Listing, enclosed_root, list_classes
from defective.data.sets import ImageSet
from defective.errors import InputError

# Official data set to the (C, H, W) of its images, ImageNet's as they are cropped.
KINDS = {"cifar10": (3, 32, 32), "mnist": (1, 28, 28), "tiny-imagenet": (3, 64, 64), "imagenet": (3, 224, 224)}
# Training and test images of each.
SIZES = {
    "cifar10": (50_000, 10_000),
    "mnist": (60_000, 10_000),
    "tiny-imagenet": (100_000, 10_000),
    "imagenet": (1_281_167, 50_000),
}
# A folder is recognised by one of these files.
_KNOWN_BY = {
    "cifar10": ("test_batch.bin", "test_batch"),
    "mnist": ("t10k-labels-idx1-ubyte", "t10k-labels-idx1-ubyte.gz"),
    "tiny-imagenet": ("wnids.txt",),
}
# Most bytes of a file that are read; the largest official one has 47 million.
MAX_BYTES = 1 << 30


def check_layout(root: Path, kind: str) -> Path:
    """The folder at or below ``root`` that holds the official files of a data set."""
    names = _KNOWN_BY[kind]
    root = enclosed_root(root, names)
    found = _existing(next((root / name for name in names if (root / name).exists()), root / names[0]))
    if found.name == "test_batch":
        raise InputError(
            f"{root} holds the pickled CIFAR-10, which is not supported: use the binary version (cifar-10-binary.tar.gz)"
        )
    return root


def official_kind(root: Path) -> str | None:
    """Which data set's official files are at or below ``root``; None if it is none of them."""
    for kind, names in _KNOWN_BY.items():
        if any((enclosed_root(root, names) / name).exists() for name in names):
            return kind
    return None


def read_cifar10(root: Path, name: str) -> dict[str, ImageSet]:
    """Read ``data_batch_1.bin`` ... ``data_batch_5.bin``, ``test_batch.bin`` and ``batches.meta.txt``."""
    root = check_layout(root, "cifar10")
    classes = tuple(_text(root / "batches.meta.txt").split())
    if len(classes) != 10:
        raise InputError(f"{root / 'batches.meta.txt'} names {len(classes)} classes; CIFAR-10 has 10")
    train = [_cifar_batch(root / f"data_batch_{number}.bin") for number in range(1, 6)]
    test = _cifar_batch(root / "test_batch.bin")
    x, y = torch.cat([x for x, _ in train]), torch.cat([y for _, y in train])
    return {"train": ImageSet(name, "train", x, y, classes), "test": ImageSet(name, "test", *test, classes)}


def _cifar_batch(file: Path) -> tuple[Tensor, Tensor]:
    content = np.fromfile(_existing(file), np.uint8)
    if len(content) == 0 or len(content) % 3073:
        raise InputError(f"{file} is cut off: {len(content)} bytes are not a multiple of a 3,073-byte record")
    rows = torch.from_numpy(content).view(-1, 3073)
    if int(rows[:, 0].max()) > 9:
        raise InputError(f"{file} is not CIFAR-10: it holds label {int(rows[:, 0].max())}")
    return rows[:, 1:].reshape(-1, 3, 32, 32).clone(), rows[:, 0].long()


def read_mnist(root: Path, name: str) -> dict[str, ImageSet]:
    """Read the four IDX files, gzipped or not."""
    root = check_layout(root, "mnist")
    classes = tuple("0123456789")
    sets = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        x, y = _idx(root / f"{prefix}-images-idx3-ubyte", 3), _idx(root / f"{prefix}-labels-idx1-ubyte", 1)
        if len(x) != len(y) or len(y) == 0:
            raise InputError(f"{root}: {prefix} has {len(x)} images but {len(y)} labels")
        if int(y.max()) > 9:
            raise InputError(f"{root} is not MNIST: {prefix} holds label {int(y.max())}")
        sets[split] = ImageSet(name, split, x.unsqueeze(1), y.long(), classes)
    return sets


def _idx(file: Path, axes: int) -> Tensor:
    packed = file.with_name(file.name + ".gz")
    file = packed if packed.exists() else _existing(file)
    try:
        with gzip.open(file) if file == packed else file.open("rb") as opened:
            # To the end, where gzip compares the checksum.
            content = opened.read(MAX_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{file} is corrupt or cut off: {error}") from None
    header = 4 + 4 * axes
    if len(content) < header or content[:4] != bytes([0, 0, 8, axes]):
        raise InputError(f"{file} is not an IDX file of bytes with {axes} axes")
    shape = np.frombuffer(content, ">u4", axes, 4).tolist()
    if math.prod(shape) != len(content) - header or 0 in shape[1:]:
        promised = " x ".join(map(str, shape))
        raise InputError(f"{file} is corrupt: its header announces {promised} bytes, {len(content) - header} follow")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).copy()).view(*shape)


def list_tiny_imagenet(root: Path) -> dict[str, Listing]:
    """List ``wnids.txt``, ``words.txt``, ``train/WNID/images`` and ``val`` (which serves as the test split)."""
    root = check_layout(root, "tiny-imagenet")
    wnids = sorted(set(_text(root / "wnids.txt").split()))
    lines = _text(root / "words.txt").splitlines()
    words = dict(line.split("\t", 1) for line in lines if "\t" in line)
    classes = tuple(words.get(wnid, wnid).split(",")[0] for wnid in wnids)
    # As downloaded, or sorted into folders as for training.
    sorted_val = (root / "val" / wnids[0]).is_dir() if wnids else False
    test = _tiny_split(root / "val", wnids, classes) if sorted_val else _annotated(root / "val", wnids, classes)
    return {"train": _tiny_split(root / "train", wnids, classes), "test": test}


def _tiny_split(split: Path, wnids: list[str], classes: tuple[str, ...]) -> Listing:
    return list_classes([_existing(split / wnid) for wnid in wnids], classes)


def _annotated(val: Path, wnids: list[str], classes: tuple[str, ...]) -> Listing:
    annotations = val / "val_annotations.txt"
    labels = {wnid: label for label, wnid in enumerate(wnids)}
    rows = [line.split("\t") for line in _text(annotations).splitlines()]
    pairs = [(_existing(val / "images" / row[0]), labels[row[1]]) for row in rows if len(row) > 1 and row[1] in labels]
    unseen = sorted(set(range(len(wnids))) - {label for _, label in pairs})
    if unseen or not pairs:
        raise InputError(f"{annotations} lists no image of {wnids[unseen[0]] if unseen else 'the classes in wnids.txt'}")
    return Listing(tuple(file for file, _ in pairs), torch.tensor([label for _, label in pairs]), classes)


def _text(path: Path) -> str:
    try:
        return _existing(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is corrupt: it is not text") from None


def _existing(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"{path} is missing: this is not the official layout, or the download is incomplete")
    return path
