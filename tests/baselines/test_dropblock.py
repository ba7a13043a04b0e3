import math

import pytest
import torch

from defective import InputError
from defective.baselines import drop_block, seed_rate


def covering(size, block):
    """How many starts of a block cover each of ``size`` cells in a row, only whole blocks counted."""
    return torch.tensor([sum(start <= cell < start + block for start in range(size - block + 1)) for cell in range(size)])


def kept_share(height, width, keep_prob, block):
    """The published process in closed form: a cell is kept if none of the seeds around it falls."""
    rows, columns = min(block, height), min(block, width)
    seeds = covering(height, rows).view(-1, 1) * covering(width, columns)
    return ((1 - seed_rate(height, width, keep_prob, block_size=block)) ** seeds.double()).mean().item()


@pytest.mark.parametrize(
    ("height", "width", "keep_prob", "block", "rate"),
    [
        (8, 8, 0.9, 3, 0.1 / 9 * 64 / 36),
        (4, 4, 0.9, 3, 0.1 / 9 * 16 / 4),
        (8, 4, 0.9, 3, 0.1 / 9 * 32 / 12),
        (8, 8, 0.9, 1, 0.1),
        (3, 3, 0.7, 3, 0.3),
        (2, 2, 0.9, 3, 0.1),
        (2, 8, 0.9, 3, 0.1 / 6 * 16 / 6),
        (8, 8, 1.0, 3, 0.0),
    ],
)
def test_the_seed_rate_is_the_published_formula(height, width, keep_prob, block, rate):
    assert seed_rate(height, width, keep_prob, block_size=block) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize(
    ("height", "width", "keep_prob", "block"), [(8, 8, 0.9, 3), (4, 4, 0.9, 3), (2, 5, 0.6, 3), (2, 2, 0.8, 3), (8, 8, 0.7, 1)]
)
def test_the_kept_share_is_that_of_the_closed_form(height, width, keep_prob, block, generator):
    maps = 20_000
    kept = drop_block(torch.ones(maps, 1, height, width), keep_prob, block_size=block, generator=generator) != 0
    expected = kept_share(height, width, keep_prob, block)
    # The share of a map lies in [0, 1], so its variance is at most p (1 - p): a bound that holds however its cells hang together.
    assert abs(kept.double().mean().item() - expected) < 4.5 * math.sqrt(expected * (1 - expected) / maps)


@pytest.mark.parametrize(("size", "block"), [(4, 3), (8, 3), (2, 2)])
def test_what_falls_is_made_of_whole_blocks_cut_to_the_map(size, block, generator):
    dropped = drop_block(torch.ones(500, 2, size, size), 0.9, generator=generator) == 0
    whole = dropped.unfold(2, block, 1).unfold(3, block, 1).flatten(-2).all(-1)
    rebuilt = torch.zeros_like(dropped)
    for row in range(block):
        for column in range(block):
            rebuilt[:, :, row : row + size - block + 1, column : column + size - block + 1] |= whole
    assert dropped.any() and torch.equal(dropped, rebuilt)
    alone = [each for each in dropped.flatten(0, 1) if each.sum() == block**2]
    assert alone and all(each.any(0).sum() == each.any(1).sum() == block for each in alone)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_one_factor_scales_what_is_left(dtype, generator):
    x = torch.rand(4, 3, 8, 8, generator=generator).to(dtype) + 1
    y = drop_block(x, 0.8, generator=generator)
    kept = y != 0
    assert y.dtype == dtype and 0 < kept.sum() < kept.numel()
    torch.testing.assert_close(y[kept], x[kept] * (kept.numel() / int(kept.sum())), rtol=2 * torch.finfo(dtype).eps, atol=0)
    if dtype == torch.float64:
        ones = drop_block(torch.ones_like(x), 0.8, generator=generator)
        assert ones.sum().item() == pytest.approx(x.numel(), rel=1e-6)


def test_keep_prob_1_changes_nothing_and_inf_can_fall(generator):
    x = torch.rand(2, 3, 8, 8, generator=generator)
    assert torch.equal(drop_block(x, 1.0), x)
    y = drop_block(torch.full((8, 4, 8, 8), float("inf")), 0.8, generator=generator)
    assert set(y.unique().tolist()) == {0.0, float("inf")}


def test_the_generator_decides_and_without_one_the_global_one():
    x = torch.ones(8, 4, 8, 8)
    a, b = (drop_block(x, 0.8, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        assert torch.equal(a, b) and torch.equal(a, drop_block(x, 0.8))
        assert not torch.equal(a, drop_block(x, 0.8))


def test_the_derivative_is_the_scaled_mask(generator):
    x = torch.rand(2, 2, 8, 8, generator=generator, dtype=torch.float64).requires_grad_()
    y = drop_block(x, 0.7, generator=generator)
    y.sum().backward()
    assert torch.equal(x.grad == 0, y == 0) and len(x.grad.unique()) == 2


@pytest.mark.parametrize(
    ("x", "options", "said"),
    [
        (torch.ones(3, 8, 8), {"keep_prob": 0.9}, r"\(3, 8, 8\)"),
        (torch.ones(1, 1, 8, 8), {"keep_prob": 0.0}, r"keep_prob 0.0 is not a number in \(0, 1\]"),
        (torch.ones(1, 1, 8, 8), {"keep_prob": float("nan")}, "keep_prob nan is not"),
        (torch.ones(1, 1, 8, 8), {"keep_prob": 0.9, "block_size": 0}, "block_size 0"),
        (torch.ones(1, 1, 8, 8), {"keep_prob": 0.9, "block_size": 2.5}, "block_size 2.5"),
        (torch.ones(1, 1, 8, 8), {"keep_prob": 0.9, "block_size": float("nan")}, "block_size nan must be a whole number"),
        (torch.ones(1, 1, 8, 8), {"keep_prob": 0.9, "block_size": "3"}, "block_size '3' must"),
        (torch.ones(1, 1, 8, 8), {"keep_prob": "0.9"}, "keep_prob '0.9' is not"),
    ],
)
def test_bad_arguments(x, options, said):
    with pytest.raises(InputError, match=said):
        drop_block(x, **options)
