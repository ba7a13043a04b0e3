import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from defective import InputError
from defective import data as rooms
from defective.data import ImageSet, ImageStream, load_data, load_splits, shapes
from defective.data.archive import unpack
from defective.data.download import REMOTES
from image_files import as_tensor, pack, pixels, unlocked, write_image, write_tree
from official_files import NAMES as CIFAR10
from official_files import write_cifar10
from refusals import refused

SUFFIXES = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz"]


@pytest.fixture
def tree(tmp_path):
    write_tree(tmp_path / "pets")
    return tmp_path / "pets"


@pytest.mark.parametrize("suffix", ["", *SUFFIXES])
def test_a_folder_and_an_archive_of_it_give_the_same_images(tmp_path, cache, suffix):
    images = write_tree(tmp_path / "pets")
    path = pack(tmp_path / "pets", tmp_path / f"my-pets{suffix}") if suffix else tmp_path / "pets"
    for split in ("train", "test"):
        data = load_data(f"folder:{path}", split)
        assert isinstance(data, ImageSet)
        assert (data.name, data.split, data.classes) == ("my-pets" if suffix else "pets", split, ("cat", "dog"))
        assert torch.equal(data.x, as_tensor(image for name, image in images.items() if name.startswith(split)))
    # One decoding served both splits, and the unpacked files are gone.
    assert len(unlocked(cache / "decoded")) == 1
    assert unlocked(cache / "unpacked") == []


def test_only_a_changed_image_and_a_corrupt_cache_are_decoded_anew(tree, cache, monkeypatch):
    first = load_data(f"folder:{tree}")
    with monkeypatch.context() as patched:
        patched.setattr(rooms, "_decode", lambda *_: pytest.fail("decoded again"))
        again = load_data(f"folder:{tree}")
    assert str(again) == str(first) and again.digest == first.digest
    write_image(tree / "train" / "cat" / "0.png", pixels(99))
    changed = load_data(f"folder:{tree}")
    assert np.array_equal(changed.x[0].permute(1, 2, 0), pixels(99))
    for file in (cache / "decoded").iterdir():
        file.write_bytes(file.read_bytes()[:-7])
    assert torch.equal(load_data(f"folder:{tree}").x, changed.x)


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_large_images_in_an_archive_are_streamed_from_the_cache(tmp_path, cache, kind):
    write_tree(tmp_path / "large", size=130)
    archive = pack(tmp_path / "large", tmp_path / "large.tar")
    streams = [load_data(f"{kind}:{archive}", split) for split in ("train", "test", "train")]
    size = 130 if kind == "folder" else 224
    assert all(isinstance(stream, ImageStream) for stream in streams)
    assert [(s.name, s.split, len(s)) for s in streams[:2]] == [("large", "train", 6), ("large", "test", 4)]
    assert {s.image_shape for s in streams} == {(3, size, size)}
    assert streams[0].listing.files == streams[2].listing.files
    # Unpacked once, and read although the archive and the folder are gone.
    assert len(unlocked(cache / "unpacked")) == 1
    assert unlocked(cache / "decoded") == []
    shutil.rmtree(tmp_path / "large")
    x, y = streams[1].take(torch.arange(4))
    assert (x.shape, y.tolist()) == ((4, 3, size, size), [0, 0, 1, 1])
    if kind == "folder":
        assert np.array_equal(x[0].permute(1, 2, 0), pixels(6, 130))


def test_the_bounds_of_memory(tree, cache, monkeypatch):
    assert isinstance(load_data(f"folder:{tree}", image_size=127), ImageSet)
    assert isinstance(load_data(f"folder:{tree}", image_size=128), ImageStream)
    assert load_data(f"folder:{tree}", image_size=5).x.shape == (6, 3, 5, 5)
    assert isinstance(load_data(f"imagenet:{tree}", image_size=20), ImageSet)
    monkeypatch.setattr(rooms, "MEMORY_LIMIT", 10 * 8 * 8 * 3 - 1)
    assert isinstance(load_data(f"folder:{tree}", image_size=8), ImageStream)
    monkeypatch.setattr(rooms, "MEMORY_LIMIT", 10 * 7 * 7 * 3)
    assert isinstance(load_data(f"folder:{tree}", image_size=7), ImageSet)


@pytest.mark.parametrize("size", [8, 130])
def test_of_several_that_load_one_archive_one_unpacks_and_the_others_wait(tmp_path, cache, monkeypatch, size):
    write_tree(tmp_path / "pets", size=size)
    archive = pack(tmp_path / "pets", tmp_path / "pets.zip")
    calls = []
    monkeypatch.setattr(rooms, "unpack", lambda path, into: (calls.append(path), unpack(path, into)))
    with ThreadPoolExecutor(3) as pool:
        loaded = [future.result() for future in [pool.submit(load_data, f"folder:{archive}", "test") for _ in range(3)]]
    assert calls == [archive]
    assert len({data.digest for data in loaded}) == 1
    assert len(unlocked(cache / "unpacked")) == (size > 100)


@pytest.mark.parametrize("problem", ["bad tree", "bad archive"])
def test_an_archive_that_cannot_be_used_leaves_nothing(tmp_path, cache, problem):
    write_tree(tmp_path / "pets")
    if problem == "bad tree":
        shutil.rmtree(tmp_path / "pets" / "test")
    archive = pack(tmp_path / "pets", tmp_path / "my-pets.zip")
    if problem == "bad archive":
        archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(InputError, match="my-pets"):
        load_data(f"folder:{archive}")
    assert [path for folder in cache.iterdir() for path in unlocked(folder)] == []


def test_downloaded_files_are_called_by_the_name_of_the_set(tmp_path, cache, monkeypatch):
    write_cifar10(tmp_path / "cifar-10-batches-bin")
    (cache / "downloads").mkdir(parents=True)
    packed = pack(tmp_path, cache / "downloads" / "cifar-10-binary.tar.gz")
    asked = []
    monkeypatch.setattr(rooms, "download", lambda name: asked.append(name) or packed)
    data = load_data("cifar10", "test")
    assert (asked, data.name, len(data), data.classes) == (["cifar10"], "cifar10", 3, tuple(CIFAR10))


def test_a_set_without_training_images_can_be_evaluated_on(tree, cache):
    shutil.rmtree(tree / "train")
    for _ in range(2):
        data = load_data(f"folder:{tree}", "test")
        assert (data.y.tolist(), data.classes) == ([0, 0, 1, 1], ("cat", "dog"))
        assert list(load_splits(f"folder:{tree}")) == ["test"]
        with pytest.raises(InputError, match="has no train/: it can be evaluated on, not trained on"):
            load_data(f"folder:{tree}", "train")


@pytest.mark.parametrize(
    "names", [("0", "1", "2", "10"), ("-2", "-1", "0", "10"), ("0.5", "2", "10.25", "+11"), ("1", "02", "3", "010")]
)
def test_classes_called_by_numbers_are_in_their_order_and_it_is_said_once(tmp_path, cache, caplog, names):
    for level, name in enumerate(names):
        for split in ("train", "test"):
            write_image(tmp_path / split / name / "0.png", np.full((8, 8, 3), level, np.uint8))
    for _ in range(2):
        data = load_data(f"folder:{tmp_path}", "test")
        assert data.classes == names
        assert data.x[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert [record.getMessage() for record in caplog.records if "numbers" in record.getMessage()] == [
        f"folder:{tmp_path}: its classes are named by numbers; labels are in numeric order, so class 2 comes before class 10"
    ]


def test_folders_that_are_links_are_read_and_watched(tmp_path, cache):
    real, linked = tmp_path / "real", tmp_path / "set"
    write_tree(real)
    for place in ("train/cat", "train/dog", "test/cat", "test/dog"):
        (linked / place).parent.mkdir(parents=True, exist_ok=True)
        (linked / place).symlink_to(real / place)
    assert len(load_data(f"folder:{linked}", "test")) == 4
    write_image(real / "test" / "cat" / "0.png", np.full((8, 8, 3), 200, np.uint8))
    (real / "test" / "dog" / "1.png").unlink()
    again = load_data(f"folder:{linked}", "test")
    assert len(again) == 3
    assert (again.x[0] == 200).all()


def test_names_that_are_no_text_are_read_and_shown_by_their_bytes(tmp_path, cache):
    root = tmp_path / os.fsdecode(b"s\xe9t")
    for split in ("train", "test"):
        for name in (b"caf\xe9", b"bar"):
            write_image(root / split / os.fsdecode(name) / os.fsdecode(b"\xff.png"), pixels(0))
    for _ in range(2):
        data = load_data(f"folder:{root}", "test")
        assert (data.name, data.classes, len(data)) == (r"s\xe9t", ("bar", r"caf\xe9"), 2)
    assert load_data(f"folder:{root}", "test", image_size=128).take(torch.arange(2))[0].shape == (2, 3, 128, 128)


def test_a_large_folder_that_is_no_data_set_is_refused_without_a_listing(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(rooms, "fingerprint", lambda *_: pytest.fail("listed"))
    for kind in ("folder", "imagenet", "cifar10", "mnist", "tiny-imagenet"):
        with pytest.raises(InputError, match=r"is not a class-folder tree|is missing: this is not the official layout"):
            load_data(f"{kind}:{tmp_path}", "test")


def test_a_cache_that_cannot_be_written_costs_a_warning(tree, tmp_path, cache, caplog):
    cache.write_text("a file where the folder should be")
    assert len(load_data(f"folder:{tree}", "test")) == 4
    assert any("no cache folder" in record.getMessage() for record in caplog.records)


def test_shapes_and_its_splits_need_no_file(cache):
    assert load_data("shapes", "conflict") is shapes("conflict")
    assert load_data("shapes", "test") is shapes("test")
    assert not cache.exists()


NO_PATH = "is not a path: it holds a NUL character or half a character"
BAD_CALLS = {
    "unknown": (
        "imagenette",
        "no data set 'imagenette'; did you mean imagenet? There are cifar10, mnist, tiny-imagenet, imagenet",
        {},
    ),
    "empty": ("", "no data set ''", {}),
    "other case": ("Shapes", "no data set 'Shapes'", {}),
    "a path": ("{tree}/train", "{tree}/train is a path, not a data set: write folder:{tree}/train", {}),
    "no folder named": ("folder", "the path of the images is missing: write folder:PATH", {}),
    "no path": ("folder:", "the path of the images is missing: write folder:PATH", {}),
    "no imagenet": ("imagenet", "the path of the images is missing: write imagenet:PATH", {}),
    "NUL": ("folder:{tree}/\0x", NO_PATH, {}),
    "half a character": ("folder:{tree}/\ud800", NO_PATH, {}),
    "missing": ("folder:{tree}/gone", "{tree}/gone: there is no such file or folder", {}),
    "missing official": ("cifar10:{tree}/gone", "cifar10:{tree}/gone: there is no such file or folder", {}),
    "unknown user": ("folder:~nobody-of-this-name/x", "~nobody-of-this-name/x: there is no such file or folder", {}),
    "no archive": ("folder:{tree}/train/cat/0.png", "0.png is neither a folder nor an archive (.zip, .tar", {}),
    "split": ("folder:{tree}", "has no split 'val'; there are train, test", {"split": "val"}),
    "official split": ("cifar10", "cifar10 has no split 'conflict'; there are train, test", {"split": "conflict"}),
    "split of shapes": (
        "shapes",
        "shapes has no split 'val'; there are train, test, conflict, shape-only, texture-only",
        {"split": "val"},
    ),
    "shapes with a path": ("shapes:{tree}", "shapes is synthetic and has no path", {}),
    "size of shapes": ("shapes", "image size", {"image_size": 64}),
    "size of official": ("mnist:{tree}", "image size", {"image_size": 64}),
    "size in words": ("folder:{tree}", "image size '32'", {"image_size": "32"}),
    "size below one": ("folder:{tree}", "image size 0", {"image_size": 0}),
    "other layout": ("mnist:{tree}", "t10k-labels-idx1-ubyte is missing: this is not the official layout", {}),
    "folder above": ("folder:{tree}/train", "{tree}/train is not a class-folder tree", {}),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_a_bad_name_path_split_or_size_is_said_in_one_line(tree, cache, call, monkeypatch):
    for kind in REMOTES:
        monkeypatch.setitem(REMOTES, kind, ())
    name, says, options = BAD_CALLS[call]
    with refused(says=says.format(tree=tree)):
        load_data(name.format(tree=tree), **options)
    assert not cache.exists()


def test_a_name_that_is_no_text_is_refused(tree):
    with refused(rf"^the name of a data set is PosixPath, not text: write 'folder:{tree}'$"):
        load_data(tree)
    with refused(r"^the name of a data set is NoneType, not text; there are cifar10, mnist"):
        load_data(None)


@pytest.mark.slow
def test_real_cifar10_jpeg_is_kept_decoded(real_data):
    first = {split: load_data(f"folder:{real_data / 'cifar10-jpeg.tar.xz'}", split) for split in ("train", "test")}
    for split, count in (("train", 5000), ("test", 1000)):
        data = first[split]
        assert (data.name, data.classes, data.image_shape) == ("cifar10-jpeg", tuple(CIFAR10), (3, 32, 32))
        assert data.y.bincount().tolist() == [count] * 10
    assert list((rooms.cache_folder() / "decoded").glob("cifar10-jpeg-*.safetensors"))
    again = load_data(f"folder:{real_data / 'cifar10-jpeg.tar.xz'}", "test")
    assert torch.equal(again.x, first["test"].x)
    assert torch.equal(again.y, first["test"].y)


@pytest.mark.slow
def test_real_tiny_imagenet_is_read(real_data):
    train, test = (load_data(f"tiny-imagenet:{real_data / 'tiny-imagenet-50.tar.xz'}", split) for split in ("train", "test"))
    assert (train.name, len(train.classes), train.image_shape) == ("tiny-imagenet-50", 50, (3, 64, 64))
    assert train.y.bincount().tolist() == [500] * 50
    assert (len(test), test.y.bincount().tolist()) == (2500, [50] * 50)
    assert train.classes == test.classes
    assert train.classes[0] == "goldfish"
