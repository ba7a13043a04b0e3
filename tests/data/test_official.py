import gzip
import hashlib
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from defective.data import load_data
from defective.data.download import REMOTES
from defective.data.folder import decode_splits
from defective.data.official import list_tiny_imagenet, read_cifar10, read_mnist
from image_files import pack
from official_files import NAMES, idx, write_cifar10, write_mnist, write_tiny_imagenet
from refusals import refused


def test_cifar10_is_read_byte_by_byte(tmp_path, cache):
    made = write_cifar10(tmp_path / "mine" / "cifar-10-batches-bin")
    train, test = (load_data(f"cifar10:{tmp_path / 'mine'}", split) for split in ("train", "test"))
    assert (train.name, train.split, test.split) == ("mine", "train", "test")
    assert train.classes == test.classes == tuple(NAMES)
    batches = [made[f"data_batch_{number}"] for number in range(1, 6)]
    assert np.array_equal(train.x, np.concatenate([x for x, _ in batches]))
    assert train.y.tolist() == np.concatenate([y for _, y in batches]).tolist()
    assert np.array_equal(test.x, made["test_batch"][0])
    assert test.y.tolist() == made["test_batch"][1].tolist()
    assert (train.x.dtype, train.y.dtype) == (torch.uint8, torch.int64)


OFFICIAL = {
    "cifar10": write_cifar10,
    "mnist": lambda root: write_mnist(root, packed=True),
    "tiny-imagenet": write_tiny_imagenet,
}


@pytest.mark.parametrize("suffix", ["", ".tar.gz"])
@pytest.mark.parametrize("kind", OFFICIAL)
def test_official_files_named_as_a_folder_are_told_by_their_name(tmp_path, cache, kind, suffix):
    OFFICIAL[kind](tmp_path / "mine" / "inside")
    path = pack(tmp_path / "mine", tmp_path / f"mine{suffix}") if suffix else tmp_path / "mine"
    with refused(f"^folder:{path} holds the official files of {kind}, not class folders: write {kind}:{path}$"):
        load_data(f"folder:{path}")


@pytest.mark.parametrize("packed", [True, False])
def test_mnist_is_read_byte_by_byte(tmp_path, packed):
    made = write_mnist(tmp_path / "inside", packed=packed)
    for split, prefix in (("train", "train"), ("test", "t10k")):
        found = read_mnist(tmp_path, "mine")[split]
        assert np.array_equal(found.x.squeeze(1), made[f"{prefix}-images-idx3-ubyte"])
        assert found.y.tolist() == made[f"{prefix}-labels-idx1-ubyte"].tolist()
        assert found.image_shape == (1, 28, 28)
        assert (found.x.dtype, found.y.dtype, found.classes) == (torch.uint8, torch.int64, tuple("0123456789"))


def test_tiny_imagenet_is_read_with_its_classes_in_order_of_their_numbers(tmp_path):
    write_tiny_imagenet(tmp_path / "tiny-imagenet-200")
    listings = list_tiny_imagenet(tmp_path)
    assert listings["train"].classes == listings["test"].classes == ("goldfish", "cat")
    assert listings["train"].y.tolist() == [0, 0, 1, 1]
    assert listings["test"].y.tolist() == [1, 0]
    x = decode_splits(listings)
    assert x["train"].shape == (4, 3, 64, 64)
    for n, image in enumerate(x["test"]):
        file = tmp_path / "tiny-imagenet-200" / "val" / "images" / f"val_{n}.JPEG"
        assert np.array_equal(image.permute(1, 2, 0), np.array(Image.open(file)))
    gray = x["train"][3]
    assert torch.equal(gray[0], gray[1])


@pytest.mark.parametrize("below", ["", "images"])
def test_tiny_imagenet_sorted_into_classes_is_read_alike(tmp_path, below):
    write_tiny_imagenet(tmp_path)
    for wnid, n in (("n01", 1), ("n02", 0)):
        (tmp_path / "val" / wnid / below).mkdir(parents=True)
        shutil.move(tmp_path / "val" / "images" / f"val_{n}.JPEG", tmp_path / "val" / wnid / below)
    shutil.rmtree(tmp_path / "val" / "images")
    (tmp_path / "val" / "val_annotations.txt").unlink()
    found = list_tiny_imagenet(tmp_path)["test"]
    assert found.y.tolist() == [0, 1]
    assert [file.name for file in found.files] == ["val_1.JPEG", "val_0.JPEG"]


def change(name: str, edit):
    """Rewrite one file below the data set's folder."""
    return lambda root: (root / name).write_bytes(edit((root / name).read_bytes()))


def gone(name: str):
    return lambda root: (root / name).unlink()


def gz(edit):
    return change("t10k-images-idx3-ubyte.gz", edit)


def unpacked(edit):
    return gz(lambda content: gzip.compress(edit(gzip.decompress(content))))


def gz_labels(values: list[int]):
    return change("t10k-labels-idx1-ubyte.gz", lambda _: gzip.compress(idx(np.array(values))))


def annotations(edit):
    return change("val/val_annotations.txt", edit)


NO_IDX = "ubyte.gz is not an IDX file of bytes with 3 axes"
CORRUPT = "t10k-images-idx3-ubyte.gz is corrupt or cut off"
PROBLEMS = {
    ("cifar10", "half a record"): (change("data_batch_3.bin", lambda b: b[:-1000]), "data_batch_3.bin is cut off: 8219 bytes"),
    ("cifar10", "pickled"): (
        lambda root: (root / "test_batch.bin").rename(root / "test_batch"),
        "holds the pickled CIFAR-10, which is not supported: use the binary version",
    ),
    ("cifar10", "empty"): (change("test_batch.bin", lambda b: b""), "test_batch.bin is cut off: 0 bytes"),
    ("cifar10", "label 10"): (change("data_batch_5.bin", lambda b: b"\n" + b[1:]), "5.bin is not CIFAR-10: it holds label 10"),
    ("cifar10", "no batch"): (gone("data_batch_2.bin"), "data_batch_2.bin is missing"),
    ("cifar10", "no test"): (gone("test_batch.bin"), "test_batch.bin is missing"),
    ("cifar10", "no names"): (gone("batches.meta.txt"), "batches.meta.txt is missing"),
    ("cifar10", "nine names"): (change("batches.meta.txt", lambda b: b[9:]), "batches.meta.txt names 9 classes; CIFAR-10 has 10"),
    ("cifar10", "no text"): (change("batches.meta.txt", lambda b: b"\xff" * 9), "batches.meta.txt is corrupt: it is not text"),
    ("mnist", "bad magic"): (unpacked(lambda b: b"\0\0\x0d\3" + b[4:]), NO_IDX),
    ("mnist", "wrong axes"): (unpacked(lambda b: idx(np.zeros((3, 784)))), NO_IDX),
    ("mnist", "short header"): (unpacked(lambda b: b[:5]), NO_IDX),
    ("mnist", "short"): (unpacked(lambda b: b[:-1]), "its header announces 3 x 28 x 28 bytes, 2351 follow"),
    ("mnist", "long"): (unpacked(lambda b: b + b"x"), "its header announces 3 x 28 x 28 bytes, 2353 follow"),
    ("mnist", "negative sizes"): (
        unpacked(lambda b: b[:4] + b"\xff\xff\xff\xff" * 2 + bytes([0, 0, 0, 1, 7])),
        "its header announces 4294967295 x 4294967295 x 1 bytes",
    ),
    ("mnist", "no pixels"): (unpacked(lambda b: b[:8] + bytes(8)), "its header announces 3 x 0 x 0 bytes"),
    ("mnist", "cut off"): (gz(lambda b: b[:-100]), CORRUPT),
    ("mnist", "wrong bit"): (gz(lambda b: b[:1000] + bytes([b[1000] ^ 1]) + b[1001:]), CORRUPT),
    ("mnist", "no gzip"): (gz(lambda b: b"text"), CORRUPT),
    ("mnist", "fewer labels"): (gz_labels([1, 2]), "t10k has 3 images but 2 labels"),
    ("mnist", "label 10"): (gz_labels([1, 2, 10]), "is not MNIST: t10k holds label 10"),
    ("mnist", "no images"): (
        lambda root: (unpacked(lambda _: idx(np.zeros((0, 28, 28))))(root), gz_labels([])(root)),
        "t10k has 0 images but 0 labels",
    ),
    ("mnist", "no labels"): (gone("train-labels-idx1-ubyte.gz"), "train-labels-idx1-ubyte is missing"),
    ("tiny-imagenet", "no wnids"): (gone("wnids.txt"), "wnids.txt is missing"),
    ("tiny-imagenet", "no words"): (gone("words.txt"), "words.txt is missing"),
    ("tiny-imagenet", "no class folder"): (lambda root: shutil.rmtree(root / "train" / "n02"), "train/n02 is missing"),
    ("tiny-imagenet", "empty class"): (lambda root: [f.unlink() for f in root.glob("train/n01/images/*")], "n01 holds no images"),
    ("tiny-imagenet", "no annotations"): (gone("val/val_annotations.txt"), "val_annotations.txt is missing"),
    ("tiny-imagenet", "no val images"): (annotations(lambda b: b""), "val_annotations.txt lists no image of n01"),
    ("tiny-imagenet", "odd lines"): (annotations(lambda b: b"\n\nx\n"), "val_annotations.txt lists no image of n01"),
    ("tiny-imagenet", "class not in val"): (annotations(lambda b: b[b.index(b"val_1") :]), "lists no image of n02"),
    ("tiny-imagenet", "no class"): (change("wnids.txt", lambda b: b""), "lists no image of the classes in wnids.txt"),
    ("tiny-imagenet", "val image missing"): (gone("val/images/val_1.JPEG"), "val/images/val_1.JPEG is missing"),
    ("tiny-imagenet", "corrupt image"): (
        change("train/n01/images/n01_1.JPEG", lambda b: b[:700]),
        "n01_1.JPEG is not a complete image",
    ),
}


@pytest.mark.parametrize(("kind", "problem"), PROBLEMS)
def test_corrupt_and_incomplete_files_are_named(tmp_path, kind, problem):
    write, read = {
        "cifar10": (write_cifar10, read_cifar10),
        "mnist": (lambda root: write_mnist(root, packed=True), read_mnist),
        "tiny-imagenet": (write_tiny_imagenet, lambda root, _: decode_splits(list_tiny_imagenet(root))),
    }[kind]
    write(tmp_path / "mine")
    break_it, says = PROBLEMS[kind, problem]
    break_it(tmp_path / "mine")
    with refused(str(tmp_path), says=says):
        read(tmp_path / "mine", "mine")


def test_real_mnist_is_read_and_its_test_files_are_the_official_ones(real_data, cache):
    train, test = (load_data(f"mnist:{real_data / 'mnist-17k'}", split) for split in ("train", "test"))
    assert (train.name, len(train), len(test), test.image_shape) == ("mnist-17k", 17_000, 10_000, (1, 28, 28))
    # The published counts of the ten digits among the test images.
    assert test.y.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    for remote in REMOTES["mnist"][2:]:
        assert f"md5:{hashlib.md5((real_data / 'mnist-17k' / remote.name).read_bytes()).hexdigest()}" == remote.checksum
