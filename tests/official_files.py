"""The official files of CIFAR-10, MNIST and Tiny-ImageNet with a few images, written record by record."""

import gzip
from pathlib import Path

import numpy as np

from image_files import pixels, write_image

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def write_cifar10(root: Path, records: int = 3) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The six batches, record by record: a label, then the red, the green and the blue plane."""
    root.mkdir(parents=True)
    (root / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    made = {}
    for seed, batch in enumerate(["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]):
        rng = np.random.default_rng(seed)
        y, x = rng.integers(0, 10, records), rng.integers(0, 256, (records, 3, 32, 32), dtype=np.uint8)
        content = b"".join(bytes([label]) + image.tobytes() for label, image in zip(y, x, strict=True))
        (root / f"{batch}.bin").write_bytes(content)
        made[batch] = x, y
    return made


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape) + values.astype(np.uint8).tobytes()


def write_mnist(root: Path, *, packed: bool) -> dict[str, np.ndarray]:
    root.mkdir(parents=True)
    made = {}
    for seed, (prefix, n) in enumerate((("train", 5), ("t10k", 3))):
        made[f"{prefix}-images-idx3-ubyte"] = pixels(seed, n, 28 * 28, gray=True).reshape(n, 28, 28)
        made[f"{prefix}-labels-idx1-ubyte"] = np.arange(n) + seed
    for name, values in made.items():
        (root / (name + ".gz" * packed)).write_bytes(gzip.compress(idx(values)) if packed else idx(values))
    return made


def write_tiny_imagenet(root: Path) -> list[str]:
    """Two classes with two training images and one validation image, and a class of words.txt that is not among them."""
    (root / "val").mkdir(parents=True)
    (root / "wnids.txt").write_text("n02\nn01\n")
    (root / "words.txt").write_text("n01\tgoldfish, Carassius\nn02\tcat\nn03\tbird\n")
    for seed, wnid in enumerate(("n01", "n01", "n02", "n02")):
        write_image(root / "train" / wnid / "images" / f"{wnid}_{seed % 2}.JPEG", pixels(seed, 64, gray=seed == 3))
    for seed in range(3):
        write_image(root / "val" / "images" / f"val_{seed}.JPEG", pixels(9 + seed, 64))
    rows = ["val_0.JPEG\tn02\t0\t0\t9\t9", "val_1.JPEG\tn01\t0\t0\t9\t9", "val_2.JPEG\tn03\t0\t0\t9\t9"]
    (root / "val" / "val_annotations.txt").write_text("\n".join(rows) + "\n")
    return rows
