"""Readers of the official files: CIFAR-10 (binary), MNIST (IDX), Tiny-ImageNet. Flat bytes and JPEG, no pickle."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from defective.data.folder import Listing, decode_splits, enclosed_root
from defective.data.sets import ImageSet
from defective.errors import InputError


def read_cifar10(root: Path, name: str) -> dict[str, ImageSet]:
    """Read ``data_batch_1.bin`` ... ``data_batch_5.bin``, ``test_batch.bin`` and ``batches.meta.txt``."""
    root = enclosed_root(root, ("test_batch.bin",))
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
        raise InputError(f"{file} is cut off: {len(content)} bytes are no whole number of 3,073-byte records")
    rows = torch.from_numpy(content).view(-1, 3073)
    if int(rows[:, 0].max()) > 9:
        raise InputError(f"{file} is not CIFAR-10: it holds label {int(rows[:, 0].max())}")
    return rows[:, 1:].reshape(-1, 3, 32, 32).clone(), rows[:, 0].long()


def read_mnist(root: Path, name: str) -> dict[str, ImageSet]:
    """Read the four IDX files, gzipped or not."""
    root = enclosed_root(root, ("t10k-labels-idx1-ubyte", "t10k-labels-idx1-ubyte.gz"))
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
        content = gzip.decompress(file.read_bytes()) if file == packed else file.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{file} is corrupt or cut off: {error}") from None
    if len(content) < 4 + 4 * axes or content[:4] != bytes([0, 0, 8, axes]):
        raise InputError(f"{file} is not an IDX file of bytes with {axes} axes")
    shape = np.frombuffer(content, ">i4", axes, 4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if len(values) != int(np.prod(shape)):
        raise InputError(f"{file} is corrupt: its header promises {int(np.prod(shape))} bytes, {len(values)} follow")
    return torch.from_numpy(values.copy()).view(*shape.tolist())


def read_tiny_imagenet(root: Path, name: str) -> dict[str, ImageSet]:
    """Read ``wnids.txt``, ``words.txt``, ``train/WNID/images`` and ``val`` (which serves as the test split)."""
    root = enclosed_root(root, ("wnids.txt",))
    wnids = sorted(set(_text(root / "wnids.txt").split()))
    labels = {wnid: label for label, wnid in enumerate(wnids)}
    lines = _text(root / "words.txt").splitlines()
    words = dict(line.split("\t", 1) for line in lines if "\t" in line)
    classes = tuple(words.get(wnid, wnid).split(",")[0] for wnid in wnids)
    train: list[tuple[Path, int]] = []
    for wnid, label in labels.items():
        folder = _existing(root / "train" / wnid / "images")
        inside = sorted(folder.glob("*.JPEG"))
        if not inside:
            raise InputError(f"class folder {folder} holds no .JPEG images")
        train += [(file, label) for file in inside]
    annotations = root / "val" / "val_annotations.txt"
    rows = [line.split("\t") for line in _text(annotations).splitlines()]
    val = [(_existing(root / "val" / "images" / row[0]), labels[row[1]]) for row in rows if len(row) > 1 and row[1] in labels]
    unseen = sorted(set(range(len(wnids))) - {label for _, label in val})
    if unseen or not val:
        raise InputError(f"{annotations} names no image of {wnids[unseen[0]] if unseen else 'the classes in wnids.txt'}")
    listings = {
        split: Listing(tuple(file for file, _ in pairs), torch.tensor([label for _, label in pairs]), classes)
        for split, pairs in (("train", train), ("test", val))
    }
    x = decode_splits(listings, rgb=True)
    return {split: ImageSet(name, split, x[split], at.y, classes) for split, at in listings.items()}


def _text(path: Path) -> str:
    try:
        return _existing(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is corrupt: it is no text") from None


def _existing(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"{path} is missing: this is not the official layout, or the download is incomplete")
    return path
