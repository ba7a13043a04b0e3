from dataclasses import replace

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
    return ImageStream("made", "train", Listing(files, torch.tensor([0, 1, 2, 0, 1, 2, 0]), ("a", "b", "c")), 32)


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
    assert str(images) == "ImageStream(name='made', split='train', image_size=32)"


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
def test_batches_change_nothing(images, crop_seed):
    whole = read(images, [4, 1, 6, 3, 0, 2, 5], 7, crop_seed)
    for batch_size in (1, 3):
        assert all(map(torch.equal, read(images, [4, 1, 6, 3, 0, 2, 5], batch_size, crop_seed), whole))


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


def test_a_corrupt_file_is_named_in_one_line(images):
    bad = images.listing.files[4]
    bad.write_bytes(bad.read_bytes()[:500])
    with pytest.raises(InputError, match=rf"^{bad} is not a complete image: [^\n]*$"):
        read(images, [0, 1, 4], 2, None)


def test_the_digest_is_of_every_byte_of_every_file_and_computed_once(images):
    before, listing = images.digest, images.listing
    assert len(before) == 32
    assert replace(images, name="other", split="test").digest == before
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
