import hashlib

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from defective import InputError, sample_mask
from defective.masks import live_count, named_generator
from refusals import refused


# The released generators wrote masks of these sizes; 19660, 58982, 921 and 44 neurons are dead in them.
@example(65536, 700)
@example(65536, 100)
@example(1024, 100)
@example(64, 300)
@given(st.integers(1, 5000), st.integers(0, 1000))
def test_the_count_truncates_dead_neurons_exactly(total, thousandths):
    assert total - live_count(total, thousandths / 1000) == total * (1000 - thousandths) // 1000


@pytest.mark.parametrize("keep_prob", [0, 0.05, 0.1, 0.3, 0.5, 0.7, 1])
def test_patterns(keep_prob, generator):
    shape = (64, 16, 16)
    neuron = sample_mask(shape, keep_prob, generator=generator)
    assert neuron.dtype == torch.bool
    assert int(neuron.sum()) == live_count(64 * 256, keep_prob)
    channel = sample_mask(shape, keep_prob, pattern="channel", generator=generator)
    assert (channel == channel[:, :1, :1]).all()
    assert int(channel[:, 0, 0].sum()) == live_count(64, keep_prob)
    shared = sample_mask(shape, keep_prob, pattern="shared", generator=generator)
    assert (shared == shared[:1]).all()
    assert int(shared[0].sum()) == live_count(256, keep_prob)


def test_bernoulli_counts_vary_within_binomial_bounds():
    draws = [
        int(sample_mask((8, 16, 16), 0.3, sampling="bernoulli", generator=torch.Generator().manual_seed(seed)).sum())
        for seed in range(50)
    ]
    mean, deviation = 2048 * 0.3, (2048 * 0.3 * 0.7) ** 0.5
    assert len(set(draws)) > 5
    assert all(abs(draw - mean) < 5 * deviation for draw in draws)
    assert abs(sum(draws) / 50 - mean) < 5 * deviation / 50**0.5


def test_every_neuron_is_equally_likely_to_live():
    kept = sum(sample_mask((2, 4, 4), 0.5, generator=torch.Generator().manual_seed(seed)).int() for seed in range(2000))
    assert (kept - 1000).abs().max() < 5 * 500**0.5


def test_bits_are_the_same_on_every_machine():
    bits = sample_mask((64, 32, 32), 0.1, generator=named_generator(0, "mask/stem.norm"))
    digest = hashlib.sha256(bits.numpy().tobytes()).hexdigest()[:16]
    assert digest == "999bcd595cafd861"


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        ((2, 2, 2), {"keep_prob": 1.5}, "1.5"),
        ((2, 2, 2), {"keep_prob": -0.1}, "-0.1"),
        ((2, 2, 2), {"keep_prob": float("nan")}, "nan"),
        ((2, 2), {"keep_prob": 0.5}, r"\(2, 2\)"),
        ((2, 0, 2), {"keep_prob": 0.5}, r"\(2, 0, 2\)"),
        ((2, 2, 2), {"keep_prob": 0.5, "pattern": "pixel"}, "pixel"),
        ((2, 2, 2), {"keep_prob": 0.5, "sampling": "poisson"}, "poisson"),
    ],
)
def test_bad_arguments(shape, options, said, generator):
    with pytest.raises(InputError, match=said):
        sample_mask(shape, generator=generator, **options)


@pytest.mark.parametrize("generator", [0, None])
def test_what_is_no_generator_is_refused(generator):
    with refused(rf"^generator is {generator}: pass torch.Generator\(\).manual_seed\(0\)$"):
        sample_mask((2, 3, 4), 0.5, generator=generator)


@pytest.mark.parametrize("shape", [5, (2, 3), (1.5, 2, 3), (0, 2, 3), "abc"])
def test_what_is_no_shape_is_refused(shape, generator):
    with refused(r"^mask shape .* is not \(C, H, W\) with sizes of at least 1$"):
        sample_mask(shape, 0.5, generator=generator)


def test_numbers_of_numpy_count_as_they_are_written(generator):
    assert int(sample_mask((10, 1, 1), np.float32(0.8), generator=generator).sum()) == 8
