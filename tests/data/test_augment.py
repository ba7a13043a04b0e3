import pytest
import torch

from defective.data.augment import crop_flip


def images(n: int, *shape: int) -> torch.Tensor:
    """Random images without black pixels, so that padding is told from image."""
    return torch.randint(1, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(7))


def windows(image: torch.Tensor, padding: int) -> torch.Tensor:
    """All windows of the padded image, then their mirror images: ``(2 * (2 * padding + 1) ** 2, C, H, W)``."""
    _, height, width = image.shape
    padded = torch.zeros(image.shape[0], height + 2 * padding, width + 2 * padding, dtype=image.dtype)
    padded[:, padding : padding + height, padding : padding + width] = image
    places = range(2 * padding + 1)
    cut = torch.stack([padded[:, top : top + height, left : left + width] for top in places for left in places])
    return torch.cat([cut, cut.flip(-1)])


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 5, 9)])
def test_each_result_is_a_window_of_the_padded_image_or_its_mirror(padding, shape, generator):
    x = images(2000, *shape)
    seen = torch.zeros(2 * (2 * padding + 1) ** 2, dtype=torch.int64)
    for image, result in zip(x, crop_flip(x, padding=padding, generator=generator), strict=True):
        same = (windows(image, padding) == result).flatten(1).all(1)
        assert same.sum() == 1
        seen[same] += 1
    assert (seen > 0).all()
    # Four standard deviations of the share of mirrored images.
    assert abs(seen[len(seen) // 2 :].sum() / 2000 - 0.5) < 0.045


def test_draws_are_those_of_the_generator_alone():
    x = images(50, 3, 8, 8)
    first = crop_flip(x, generator=torch.Generator().manual_seed(3))
    torch.manual_seed(99)
    assert torch.equal(crop_flip(x, generator=torch.Generator().manual_seed(3)), first)
    assert not torch.equal(crop_flip(x, generator=torch.Generator().manual_seed(4)), first)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.float64])
def test_kind_and_memory_are_kept_and_the_input_is_untouched(kind, generator):
    x = images(20, 3, 8, 8).to(kind)
    before = x.clone()
    result = crop_flip(x, generator=generator)
    assert result.dtype == kind
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, before)
    as_bytes = crop_flip(before.to(torch.uint8), generator=torch.Generator().manual_seed(0))
    assert torch.equal(result, as_bytes.to(kind))


def test_no_images_give_no_images(generator):
    assert crop_flip(images(0, 3, 8, 8), generator=generator).shape == (0, 3, 8, 8)
