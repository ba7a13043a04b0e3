import os

import pytest
import torch
from safetensors.torch import save_file

from defective.data import cache as kept
from defective.data.sets import ImageSet
from image_files import pixels, write_image, write_tree


@pytest.fixture
def sets() -> dict[str, ImageSet]:
    def make(split: str, n: int) -> ImageSet:
        x = torch.randint(0, 256, (n, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))
        return ImageSet("made", split, x, torch.arange(n) % 2, ("kät", 'd"og'))

    return {"train": make("train", 7), "test": make("test", 3)}


def test_a_set_comes_back_as_it_was(cache, sets):
    kept.store("made", "key", sets)
    assert [file.name for file in (cache / "decoded").iterdir()] == ["made-key.safetensors"]
    assert kept.restore("made", "other") is None and kept.restore("other", "key") is None
    again = kept.restore("made", "key")
    assert list(again) == ["train", "test"]
    for split, expected in sets.items():
        assert str(again[split]) == str(expected) and again[split].digest == expected.digest


DAMAGE = {
    "cut off": lambda file, sets: file.write_bytes(file.read_bytes()[:-10]),
    "no metadata": lambda file, sets: save_file({"train.x": sets["train"].x}, file),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_corrupt_file_counts_as_none_and_is_written_anew(cache, sets, damage):
    kept.store("made", "key", sets)
    file = cache / "decoded" / "made-key.safetensors"
    DAMAGE[damage](file, sets)
    assert kept.restore("made", "key") is None
    kept.store("made", "key", sets)
    assert torch.equal(kept.restore("made", "key")["train"].x, sets["train"].x)


def touch(file):
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


CHANGES = (
    lambda cat: write_image(cat / "0.png", pixels(99)),
    lambda cat: touch(cat / "0.png"),
    lambda cat: write_image(cat / "new.png", pixels(0)),
    lambda cat: (cat / "0.png").rename(cat / "00.png"),
    lambda cat: (cat / "1.png").rename(cat.with_name("dog") / "x.png"),
    lambda cat: (cat / "2.png").unlink(),
)


def test_the_fingerprint_of_a_folder_tells_every_change(tmp_path):
    write_tree(tmp_path)
    known = [kept.fingerprint(tmp_path, "folder", None)]
    for change in CHANGES:
        assert kept.fingerprint(tmp_path, "folder", None) == known[-1]
        change(tmp_path / "train" / "cat")
        known.append(kept.fingerprint(tmp_path, "folder", None))
    assert len(set(known)) == 1 + len(CHANGES)


def test_the_fingerprint_tells_files_places_and_ways_of_reading_apart(tmp_path):
    for name in ("a.zip", "b.zip"):
        (tmp_path / name).write_bytes(b"one")
        os.utime(tmp_path / name, ns=(5, 5))
    ways = [("a.zip", "folder", None), ("b.zip", "folder", None), ("a.zip", "imagenet", None), ("a.zip", "folder", 32)]
    known = {kept.fingerprint(tmp_path / name, *settings) for name, *settings in [*ways, ("", "folder", None)]}
    assert len(known) == 5
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in known)
    (tmp_path / "a.zip").write_bytes(b"other")
    assert kept.fingerprint(tmp_path / "a.zip", "folder", None) not in known


def unpacked(cache, name):
    (cache / "unpacked" / name).mkdir(parents=True)
    (cache / "unpacked" / name / "0.png").write_bytes(bytes(100))
    return cache / "unpacked" / name


def test_what_a_killed_process_left_is_removed_and_nothing_else(cache, sets):
    kept.store("made", "key", sets)
    mine, left = unpacked(cache, "large-0123"), unpacked(cache, "temporary-killed")
    (cache / "downloads").mkdir()
    (cache / "downloads" / "file.part").write_bytes(bytes(10))
    begun, old = (cache / "decoded" / f".made-key.safetensors.{name}" for name in ("1-00000000", "2-ffffffff"))
    begun.write_bytes(bytes(7))
    old.write_bytes(bytes(5))
    os.utime(old, (0, 0))
    with kept.unpacking(cache / "unpacked" / "used") as used:
        used.mkdir()
        assert not left.exists()
        (left / "deep").mkdir(parents=True)
        (left / "deep" / "0.png").write_bytes(bytes(100))
        os.utime(begun)
        old.write_bytes(bytes(5))
        os.utime(old, (0, 0))
        assert kept.prune() == (2, 105)
        assert used.exists()
    assert not used.exists() and not left.exists() and not old.exists()
    assert mine.exists() and begun.exists() and kept.restore("made", "key")
    assert kept.prune() == (0, 0)
    size = (cache / "decoded" / "made-key.safetensors").stat().st_size
    assert kept.prune(everything=True) == (2, 100 + size)
    assert not mine.exists() and kept.restore("made", "key") is None
    assert (cache / "downloads" / "file.part").exists()


def test_a_name_as_long_as_a_file_s_may_be_is_stored(cache, sets):
    kept.store("ü" * 127, "key", sets)
    assert kept.restore("ü" * 127, "key")
