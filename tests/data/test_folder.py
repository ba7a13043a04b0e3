import os
import shutil
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from defective import InputError
from defective.data import image_file, load_data
from defective.data.folder import Listing, decode, decode_splits, enclosed_root, list_folder
from image_files import as_tensor, pixels, write_image, write_tree
from refusals import refused


def decode_all(files) -> torch.Tensor:
    return decode_splits({"test": Listing(tuple(files), torch.zeros(len(files)), ("a", "b"))})["test"]


@pytest.mark.parametrize("test", ["test", "val"])
@pytest.mark.parametrize("enclosed", ["", "one", "one/two/three"])
def test_a_tree_is_listed_and_decoded_exactly(tmp_path, test, enclosed):
    inside = tmp_path / enclosed
    images = write_tree(inside, test=test)
    listings = list_folder(tmp_path)
    assert {split: at.y.tolist() for split, at in listings.items()} == {"train": [0, 0, 0, 1, 1, 1], "test": [0, 0, 1, 1]}
    assert {at.classes for at in listings.values()} == {("cat", "dog")}
    assert [str(file.relative_to(inside)) for at in listings.values() for file in at.files] == list(images)
    x = decode_splits(listings)
    assert torch.equal(torch.cat([x["train"], x["test"]]), as_tensor(images.values()))
    assert all(each.is_contiguous() and each.dtype == torch.uint8 for each in x.values())


@pytest.mark.parametrize(("test", "other"), [("test", "val"), ("val", "test")])
def test_of_test_and_val_the_one_with_the_classes_is_read_in_an_order_that_does_not_depend_on_the_disk(tmp_path, test, other):
    write_tree(tmp_path, test=test)
    write_image(tmp_path / other / "bird" / "0.png", pixels(0))
    for name in ("10.png", "b.PNG", "a.jpeg"):
        write_image(tmp_path / "train" / "cat" / name, pixels(0))
    listings = list_folder(tmp_path)
    assert [file.name for file in listings["train"].files[:6]] == ["0.png", "1.png", "10.png", "2.png", "a.jpeg", "b.PNG"]
    assert [file.parent.parent.name for file in listings["test"].files] == [test] * 4


def test_hidden_and_other_files_are_left_out_and_those_of_no_known_kind_are_counted_and_named(tmp_path, caplog):
    write_tree(tmp_path)
    before = list_folder(tmp_path)
    hidden, other = (".DS_Store", "train/.DS_Store", "train/cat/._0.png"), ("train/cat/notes.txt", "test/Thumbs.db")
    for name in (*hidden, *other, "test/cat/a.mp4", "test/cat/without"):
        (tmp_path / name).write_bytes(b"no image")
    (tmp_path / "train" / "cat" / "folder.png").mkdir()
    (tmp_path / "train" / ".hidden").mkdir()
    after = list_folder(tmp_path)
    assert [after[split].files for split in after] == [before[split].files for split in before]
    assert after["train"].classes == ("cat", "dog")
    [record] = caplog.records
    assert record.getMessage().startswith("2 files beside the images are skipped") and str(tmp_path) in record.getMessage()


def test_only_a_single_enclosing_folder_is_looked_through(tmp_path):
    for name in ("a", "b"):
        write_tree(tmp_path / name)
    assert enclosed_root(tmp_path, ("train",)) == tmp_path
    (tmp_path / "__MACOSX").mkdir()
    shutil.rmtree(tmp_path / "b")
    assert enclosed_root(tmp_path, ("train",)) == tmp_path / "a"
    assert enclosed_root(tmp_path / "a", ("train",)) == tmp_path / "a"


def test_images_in_folders_below_a_class_are_read(tmp_path):
    write_tree(tmp_path)
    write_image(tmp_path / "test" / "cat" / "more" / "deep" / "0.png", pixels(0))
    for back in ("test/cat", "test", "."):
        (tmp_path / "test" / "cat" / "more" / f"back{len(back)}").symlink_to(tmp_path / back)
    found = list_folder(tmp_path)["test"]
    names = [str(file.relative_to(tmp_path / "test")) for file in found.files]
    assert names == ["cat/0.png", "cat/1.png", "cat/more/deep/0.png", "dog/0.png", "dog/1.png"]
    assert found.y.tolist() == [0, 0, 0, 1, 1]


def without(*names):
    return lambda tree: [shutil.rmtree(tree / name) for name in names]


def emptied(name):
    return lambda tree: [shutil.rmtree(tree / name), (tree / name).mkdir()]


def linked(name, to="gone"):
    return lambda tree: (tree / name).symlink_to(tree / to)


BAD_TREES = {
    "no split": (without("train", "test"), "is not a class-folder tree: it needs train/CLASS/IMAGE"),
    "a kind that is not read": (
        lambda t: [(t / "train" / "dog" / f"{n}.HEIC").touch() for n in range(3)],
        "is a .heic file, an unsupported format (3 in {t}/train/dog)",
    ),
    "an image in no class": (lambda t: (t / "test" / "0.png").touch(), "test/0.png is not in a class folder"),
    "a link to nothing": (linked("test/dog/9.png"), "9.png is not a regular file, or a broken link"),
    "a link to itself": (linked("test/dog/9.png", "test/dog/9.png"), "9.png is not a regular file"),
    "a folder that is a broken link": (linked("test/dog/9"), "dog/9 is not a regular file, or"),
    "a class that is a broken link": (linked("test/eel"), "test/eel is a broken link"),
    "a class that is a link to itself": (linked("test/eel", "test/eel"), "test/eel is a broken link"),
    "a pipe": (lambda t: os.mkfifo(t / "test" / "dog" / "9.png"), "9.png is not a regular file"),
    "no test": (without("test"), "and test/CLASS/IMAGE (or val/)"),
    "nothing": (emptied(""), "is not a class-folder tree"),
    "empty train class": (emptied("train/cat"), "train/cat holds no images (.jpg"),
    "empty test class": (emptied("test/dog"), "test/dog holds no images (.jpg"),
    "class not in test": (without("test/dog"), "class 'dog' of"),
    "class only in test": (lambda t: (t / "test" / "eel").mkdir(), "is in test but missing from train"),
    "one class": (without("train/dog", "test/dog"), "holds 1 class folder; a classifier needs at"),
    "no class": (emptied("train"), "holds 0 class folders"),
}


@pytest.mark.parametrize("problem", BAD_TREES)
def test_a_bad_tree_is_refused_and_named(problem, tmp_path):
    write_tree(tmp_path)
    break_it, says = BAD_TREES[problem]
    break_it(tmp_path)
    with refused(str(tmp_path), says=says.format(t=tmp_path)):
        list_folder(tmp_path)


def test_images_without_labels_in_test_leave_val_to_test_on(tmp_path):
    write_tree(tmp_path)
    (tmp_path / "test").rename(tmp_path / "val")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "0.png").touch()
    assert len(list_folder(tmp_path)["test"].files) > 0


def test_a_large_image_that_is_not_square_is_refused_unless_a_size_is_given(tmp_path):
    for split, name in ((split, name) for split in ("train", "test") for name in "ab"):
        write_image(tmp_path / split / name / "0.png", pixels(0, 150, 200))
    with refused(str(tmp_path), says="200x150, not square"):
        load_data(f"folder:{tmp_path}", "train")
    assert load_data(f"folder:{tmp_path}", "train", image_size=150).image_shape == (3, 150, 150)


def test_truncated_and_foreign_files_are_refused_by_name(tmp_path):
    write_tree(tmp_path, size=32)
    bad = tmp_path / "test" / "dog" / "1.png"
    whole = bad.read_bytes()
    for content in (b"", b"no image", whole[: len(whole) // 2], whole[:-40]):
        bad.write_bytes(content)
        with pytest.raises(InputError, match=r"test/dog/1\.png is not a complete image: [^\n]*$"):
            decode_splits(list_folder(tmp_path))


def test_other_formats_than_those_listed_are_refused_whatever_a_file_is_called(tmp_path, monkeypatch):
    # Pillow starts Ghostscript for EPS.
    started = tmp_path / "started"
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {started}\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / "a.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\nshowpage\n")
    with pytest.raises(InputError, match=r"a\.png is not a complete image: it is none of JPEG, PNG, BMP, WEBP, PPM, GIF, TIFF$"):
        decode(tmp_path / "a.png")
    assert not started.exists()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_read_as_its_exif_orientation_turns_it(tmp_path, orientation, suffix):
    corners = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}
    image, exif = np.zeros((16, 32, 3), np.uint8), Image.Exif()
    image[:8, :8] = 255
    exif[0x0112] = orientation
    Image.fromarray(image).save(tmp_path / f"a.{suffix}", exif=exif)
    read = decode(tmp_path / f"a.{suffix}")
    assert read.shape == ((16, 32, 3) if orientation < 5 else (32, 16, 3))
    assert [corner for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)) if read[corner].min() > 128] == [corners[orientation]]


def test_a_corrupt_exif_block_changes_no_pixel(tmp_path):
    Image.fromarray(pixels(0)).save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(64)))
    assert torch.equal(decode_all((tmp_path / "a.png",)), as_tensor([pixels(0)]))


def test_a_warning_of_pillow_is_logged_once_with_the_file(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(image_file, "_logged", set())
    files = [tmp_path / f"{n}.png" for n in range(3)]
    for n, file in enumerate(files):
        # An EXIF block that promises more entries than it holds.
        Image.fromarray(pixels(n)).save(file, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05" + bytes(12 + n))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(decode_all(files)[2], as_tensor([pixels(2)])[0])
    [record] = caplog.records
    assert record.getMessage().startswith(f"{files[0]}: ")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_images_in_a_file_the_first_is_read_and_that_is_said(tmp_path, caplog, monkeypatch, kind):
    monkeypatch.setattr(image_file, "_logged", set())
    first, second = (Image.new("RGB", (8, 8), (level, level, level)) for level in (0, 255))
    file = tmp_path / f"a.{kind.lower()}"
    first.save(file, kind, save_all=True, append_images=[second])
    assert decode_all((file,)).max() == 0
    [record] = caplog.records
    assert record.getMessage() == f"{file}: holds several images, of which the first is read"


@pytest.mark.parametrize(("shape", "size"), [((8, 9), "9x8"), ((16, 16), "16x16")])
def test_images_of_another_size_are_refused(tmp_path, shape, size):
    write_tree(tmp_path)
    write_image(tmp_path / "test" / "cat" / "0.png", pixels(9, *shape))
    with pytest.raises(
        InputError, match=f"({size}|are 8x8).*: scale them to squares of one size, for example with --image-size 32"
    ):
        decode_splits(list_folder(tmp_path))
    assert decode_splits(list_folder(tmp_path), image_size=6)["test"].shape == (4, 3, 6, 6)
    with pytest.raises(InputError, match="9x6, not square: scale them to squares of one size, for example with --image-size 32"):
        decode_all([write_image(tmp_path / "a.png", pixels(0, 6, 9))])


@pytest.mark.parametrize(("gray", "channels"), [("", 1), ("bird", 3), ("train/cat/2", 3), ("test", 3), ("train", 3)])
def test_one_channel_if_every_image_is_gray(tmp_path, gray, channels):
    images = write_tree(tmp_path)
    for name in images:
        if name.startswith(gray):
            images[name] = pixels(1, gray=True)
            write_image(tmp_path / name, images[name])
    x = decode_splits(list_folder(tmp_path))
    assert {each.shape[1] for each in x.values()} == {channels}
    for image, pixel in zip(torch.cat([x["train"], x["test"]]), images.values(), strict=True):
        assert torch.equal(image, as_tensor([pixel])[0].expand(channels, -1, -1))
