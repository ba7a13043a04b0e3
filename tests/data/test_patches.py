import itertools

import pytest
import torch
from scipy.stats import chisquare

from defective import InputError
from defective.data.patches import shuffle_patches
from problems import seeded


def images(n=6, channels=3, height=16, width=24, dtype=torch.uint8):
    x = torch.randint(0, 256, (n, channels, height, width), dtype=torch.uint8, generator=seeded(7))
    return x if dtype == torch.uint8 else x.to(dtype) / 255


def tiles(image, k):
    """The tiles of one image in reading order, cut by slicing."""
    height, width = image.shape[1] // k, image.shape[2] // k
    return [
        image[:, row * height : (row + 1) * height, column * width : (column + 1) * width]
        for row, column in itertools.product(range(k), repeat=2)
    ]


@pytest.mark.parametrize("k", [1, 2, 4, 8])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_the_known_order_puts_every_tile_back(k, dtype):
    x = images(dtype=dtype)
    before, state, replay = x.clone(), torch.get_rng_state(), seeded(3)
    shuffled = shuffle_patches(x, k, generator=seeded(3))
    assert shuffled.shape == x.shape and shuffled.dtype == dtype and shuffled.is_contiguous()
    assert torch.equal(x, before) and torch.equal(torch.get_rng_state(), state)
    assert torch.equal(shuffled, x) == (k == 1)
    for image, moved in zip(x, shuffled, strict=True):
        order = torch.randperm(k * k, generator=replay)
        back = [tiles(moved, k)[place] for place in order.argsort()]
        assert all(torch.equal(a, b) for a, b in zip(back, tiles(image, k), strict=True))


def test_every_order_of_four_tiles_is_equally_likely():
    numbered = torch.arange(4, dtype=torch.uint8).view(1, 1, 2, 2).expand(4800, 2, 2, 2)
    orders = shuffle_patches(numbered, 2, generator=seeded(1))
    assert torch.equal(orders[:, 0], orders[:, 1])
    codes = (orders[:, 0].flatten(1).long() * torch.tensor([64, 16, 4, 1])).sum(1)
    _, counts = codes.unique(return_counts=True)
    assert len(counts) == 24
    assert chisquare(counts.numpy()).pvalue > 0.01


def test_splitting_a_batch_changes_nothing():
    x, whole, parts = images(11), seeded(5), seeded(5)
    together = shuffle_patches(x, 4, generator=whole)
    assert torch.equal(together, torch.cat([shuffle_patches(part, 4, generator=parts) for part in x.split(3)]))
    assert torch.equal(whole.get_state(), parts.get_state())
    assert not torch.equal(together, shuffle_patches(x, 4, generator=whole))


@pytest.mark.parametrize("k", [-2, 0, 3, 5, 16])
def test_tiles_that_do_not_come_out_even_are_refused(k):
    with pytest.raises(InputError, match=rf"^k = {k} does not cut images of 16x24 .*: use one of 1, 2, 4, 8$"):
        shuffle_patches(images(), k, generator=seeded())


@pytest.mark.parametrize("x", [torch.zeros(3, 16, 16), torch.zeros(0, 3, 16, 16), torch.full((1, 3, 16, 16), 255.0)])
def test_what_is_no_images_is_refused(x):
    with pytest.raises(InputError, match="images"):
        shuffle_patches(x, 2, generator=seeded())
