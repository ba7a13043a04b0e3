"""Samples that the tests of statistics share."""

import torch


def everyone(n):
    return torch.ones(n, dtype=torch.bool)


def correlated(n, generator, first=0.68, second=0.6):
    """Two models that find the same images hard, each with a denominator of its own; the rates are the true ones."""
    hard = torch.rand(n, generator=generator)
    eligible = [torch.rand(n, generator=generator) < share for share in (0.7, 0.8)]
    noise = 0.1 * torch.rand(2, n, generator=generator)
    # An image is easier than the rate for just that share of all, up to a noise that is taken off again on average.
    return [(hard + each - 0.05 < rate, c) for each, rate, c in zip(noise, (first, second), eligible, strict=True)]


def of_table(both, first, second, neither):
    """Two models on images that both, the first alone, the second alone and neither classify correctly."""
    counts = torch.tensor([both, first, second, neither])
    patterns = torch.tensor([[True, True, False, False], [True, False, True, False]])
    return [(pattern.repeat_interleave(counts), everyone(int(counts.sum()))) for pattern in patterns]
