import pytest
import torch

from defective.data.augment import crop_flip, draw_windows


def images(n: int, *shape: int) -> torch.Tensor:
    """Random images without black pixels, so that padding is told from image."""
    return torch.randint(1, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(7))


def windows(x: torch.Tensor, padding: int) -> torch.Tensor:
    """All windows of each padded image, then their mirror images: ``(N, 2 * (2 * padding + 1) ** 2, C, H, W)``."""
    n, channels, height, width = x.shape
    padded = torch.zeros(n, channels, height + 2 * padding, width + 2 * padding, dtype=x.dtype)
    padded[:, :, padding : padding + height, padding : padding + width] = x
    cut = padded.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5).flatten(1, 2)
    return torch.cat([cut, cut.flip(-1)], 1)


def cut(x: torch.Tensor, seed: int) -> torch.Tensor:
    return crop_flip(x, draw_windows([len(x)], generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize(("n", "shape"), [(2000, (1, 5, 9)), (8, (3, 32, 32)), (0, (3, 8, 8))])
def test_each_result_is_a_window_of_the_padded_image_or_its_mirror(padding, n, shape, generator):
    x = images(n, *shape)
    result = crop_flip(x, draw_windows([n], padding=padding, generator=generator), padding=padding)
    assert result.shape == x.shape
    same = (windows(x, padding) == result.unsqueeze(1)).flatten(2).all(2)
    assert (same.sum(1) == 1).all()
    if n == 2000:
        assert same.any(0).all()
        # Four standard deviations of the share of mirrored images.
        assert abs(same[:, same.shape[1] // 2 :].any(1).double().mean() - 0.5) < 0.045


def test_draws_are_those_of_the_generator_alone():
    x = images(50, 3, 8, 8)
    first = cut(x, 3)
    torch.manual_seed(99)
    assert torch.equal(cut(x, 3), first)
    assert not torch.equal(cut(x, 4), first)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.float64])
def test_kind_and_memory_are_kept_and_the_input_is_untouched(kind):
    x = images(20, 3, 8, 8).to(kind)
    before = x.clone()
    result = cut(x, 0)
    assert result.dtype == kind
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, before)
    as_bytes = cut(before.to(torch.uint8), 0)
    assert torch.equal(result, as_bytes.to(kind))


def test_windows_of_an_epoch_are_those_of_its_batches():
    x = images(70, 3, 8, 8)
    all_at_once = draw_windows([30, 30, 10], generator=torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    for first, part in zip((0, 30, 60), x.split(30), strict=True):
        own = draw_windows([len(part)], generator=generator)
        assert torch.equal(crop_flip(part, all_at_once[first : first + 30]), crop_flip(part, own))
