import multiprocessing
import shutil
import tempfile
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from defective import InputError
from defective.data import stream as streams
from defective.data.folder import Listing, decode
from defective.data.stream import ImageStream, random_resized_crop
from image_files import pixels, write_image


@pytest.fixture
def images(tmp_path) -> ImageStream:
    """Seven images of different sizes, the fourth in gray, streamed at 32 pixels."""
    files = tuple(write_image(tmp_path / f"{n}.png", pixels(n, 40 + n, 60 - n, gray=n == 3)) for n in range(7))
    return ImageStream("made", "train", Listing(files, torch.tensor([0, 1, 2, 0, 1, 2, 0]), ("a", "b", "c")), 32, workers=0)


def read(stream: ImageStream, order: list[int], batch_size: int, crop_seed: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    batches = list(stream.batches(torch.tensor(order), batch_size, crop_seed=crop_seed))
    assert [len(y) for _, y in batches[:-1]] == [batch_size] * (len(batches) - 1)
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


def test_it_describes_itself_as_a_set_in_memory_does(images):
    assert len(images) == 7
    assert images.image_shape == (3, 32, 32)
    assert images.classes == ("a", "b", "c")
    assert images.y.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert images.to(torch.device("cpu")) is images
    assert str(images) == "ImageStream(name='made', split='train', image_size=32, workers=0)"


def test_without_crops_images_are_scaled_and_cut_as_in_memory(images):
    x, y = images.take(torch.tensor([5, 0, 3]))
    assert (x.dtype, y.dtype) == (torch.uint8, torch.int64)
    assert y.tolist() == [2, 0, 0]
    for image, n in zip(x, (5, 0, 3), strict=True):
        expected = torch.from_numpy(decode(images.listing.files[n], 32))
        assert torch.equal(image, expected.expand(3, -1, -1) if n == 3 else expected.permute(2, 0, 1))
    x, y = images.take(torch.tensor([], dtype=torch.int64))
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((0, 3, 32, 32), torch.uint8, (0,), torch.int64)


@pytest.mark.parametrize("crop_seed", [None, 5])
def test_workers_and_batches_change_nothing(images, crop_seed):
    x, y = read(images, [4, 1, 6, 3, 0, 2, 5], 7, crop_seed)
    for workers, batch_size in ((0, 1), (0, 3), (2, 3), (2, 7)):
        again = read(replace(images, workers=workers), [4, 1, 6, 3, 0, 2, 5], batch_size, crop_seed)
        assert torch.equal(again[0], x)
        assert torch.equal(again[1], y)


def test_a_crop_depends_on_the_seed_and_the_image_alone(images):
    x, y = read(images, [0, 1, 2, 3, 4, 5, 6], 7, 5)
    backwards, labels = read(images, [6, 5, 4, 3, 2, 1, 0], 2, 5)
    assert torch.equal(backwards.flip(0), x)
    assert torch.equal(labels.flip(0), y)
    alone, _ = read(images, [4], 1, 5)
    assert torch.equal(alone[0], x[4])
    # The gray file.
    assert torch.equal(x[3, 0], x[3, 1]) and torch.equal(x[3, 0], x[3, 2]) and not torch.equal(x[2, 0], x[2, 1])
    other, _ = read(images, [0, 1, 2, 3, 4, 5, 6], 7, 6)
    centre, _ = read(images, [0, 1, 2, 3, 4, 5, 6], 7, None)
    for different in (other, centre):
        assert not any(torch.equal(a, b) for a, b in zip(different, x, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_file_is_named_in_one_line(images, workers):
    bad = images.listing.files[4]
    bad.write_bytes(bad.read_bytes()[:500])
    with pytest.raises(InputError, match=rf"^{bad} is not a whole image: [^\n]*$"):
        read(replace(images, workers=workers), [0, 1, 4], 2, None)


def test_a_daemonic_process_decodes_without_workers(images):
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        found = pool.apply(take_four, (replace(images, workers=2),))
    assert np.array_equal(found, images.take(torch.arange(4))[0])


def take_four(stream: ImageStream) -> np.ndarray:
    return stream.take(torch.arange(4))[0].numpy()


def no_memory(monkeypatch, tmp_path):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=1 << 10))


def long_temporary(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("scratch" * 12)))


@pytest.mark.parametrize(("make", "says"), [(no_memory, "/dev/shm has 0 MiB free"), (long_temporary, "the path of TMPDIR")])
def test_where_workers_would_hang_there_are_none_and_it_is_said(images, tmp_path, monkeypatch, caplog, make, says):
    make(monkeypatch, tmp_path)
    monkeypatch.setattr(streams, "_loader", partial(loader_without_workers, streams._loader))
    stream = replace(images, workers=2, name=says)
    assert torch.equal(stream.take(torch.arange(7))[0], images.take(torch.arange(7))[0])
    [record] = caplog.records
    assert f"images are decoded without worker processes: {says}" in record.getMessage()


def loader_without_workers(loader, files, batch_size, workers):
    assert workers == 0
    return loader(files, batch_size, workers)


def test_when_a_worker_dies_the_rest_is_decoded_without(images, monkeypatch, caplog):
    def dying(loader, files, batch_size, workers):
        batches = iter(loader(files, batch_size, 0))
        yield next(batches)
        if workers:
            raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Bus error. More about it.")
        yield from batches

    monkeypatch.setattr(streams, "_loader", partial(dying, streams._loader))
    x, y = read(replace(images, workers=2), [4, 1, 6, 3, 0, 2, 5], 3, 5)
    monkeypatch.undo()
    expected = read(images, [4, 1, 6, 3, 0, 2, 5], 3, 5)
    assert torch.equal(x, expected[0])
    assert torch.equal(y, expected[1])
    assert "killed by signal" in caplog.text


def test_the_digest_is_of_every_byte_of_every_file_and_computed_once(images):
    before, listing = images.digest, images.listing
    assert len(before) == 32
    assert replace(images, name="other", split="test", workers=2).digest == before
    others = [replace(listing, classes=("a", "b", "d")), replace(listing, y=torch.tensor([1, 1, 2, 0, 1, 2, 0]))]
    changed = {replace(images, image_size=33).digest, *(replace(images, listing=other).digest for other in others)}
    file = images.listing.files[5]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    changed.add(replace(images).digest)
    assert len(changed | {before}) == 5
    assert images.digest == before


def test_of_a_large_set_the_digest_is_of_both_ends_of_each_file(images, monkeypatch):
    monkeypatch.setattr(streams, "DIGESTED_BYTES", 0)
    monkeypatch.setattr(streams, "ENDS", 16)
    before, file = images.digest, images.listing.files[3]
    content = file.read_bytes()
    file.write_bytes(content[:20] + b"other" + content[25:])
    assert replace(images).digest == before
    for changed in (b"x" + content[1:], content[:-1] + b"x", content + b"x"):
        file.write_bytes(changed)
        assert replace(images).digest != before


def test_a_window_has_8_to_100_percent_of_the_area_and_a_ratio_of_3_to_4_at_most():
    # Each pixel says where it is, so the crop says where its window was.
    height, width, size = 150, 200, 50
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(height)[:, None], np.arange(width)
    shares, ratios = [], []
    for seed in range(300):
        crop = random_resized_crop(image, size, str(seed)).astype(float)
        # The middle of a crop is scaled without a border's influence: its slope is the window's size.
        h, w = ((crop[40, 40, axis] - crop[10, 10, axis]) / 30 * size for axis in (0, 1))
        shares.append(h * w / (height * width))
        ratios.append(w / h)
    assert 0.07 < min(shares) < 0.12
    assert 0.8 < max(shares) < 1.03
    assert 0.70 < min(ratios) < 0.80
    assert 1.25 < max(ratios) < 1.40
    assert 0.4 < np.mean(shares) < 0.55


@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (3, 200), (1, 1)])
def test_a_window_fits_into_any_image(shape):
    crop = random_resized_crop(np.full((*shape, 3), 9, np.uint8), 16, "seed")
    assert np.array_equal(crop, np.full((16, 16, 3), 9))
