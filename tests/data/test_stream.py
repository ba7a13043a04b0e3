from dataclasses import replace

import numpy as np
import pytest
import torch

from defective import InputError
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


def test_nothing_is_taken_for_no_index(images):
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
    other, _ = read(images, [0, 1, 2, 3, 4, 5, 6], 7, 6)
    centre, _ = read(images, [0, 1, 2, 3, 4, 5, 6], 7, None)
    for different in (other, centre):
        assert not any(torch.equal(a, b) for a, b in zip(different, x, strict=True))


@pytest.mark.parametrize("crop_seed", [None, 5])
def test_gray_files_give_three_equal_channels(images, crop_seed):
    x, _ = read(images, [3, 2], 2, crop_seed)
    assert torch.equal(x[0, 0], x[0, 1])
    assert torch.equal(x[0, 0], x[0, 2])
    assert not torch.equal(x[1, 0], x[1, 1])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_file_is_named_in_one_line(images, workers):
    bad = images.listing.files[4]
    bad.write_bytes(bad.read_bytes()[:500])
    with pytest.raises(InputError, match=rf"^{bad} is not a whole image: [^\n]*$"):
        read(replace(images, workers=workers), [0, 1, 4], 2, None)


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
