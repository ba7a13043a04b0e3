"""Every interval, test and correction of measured numbers. Nothing else computes one."""

from defective.statistics.contrasts import LEVEL, Contrast, SeedVariance, Term, contrast, paired_difference, seed_variance
from defective.statistics.rates import Rate, median_interval
from defective.statistics.verdicts import holm, trend_weights

__all__ = [
    "LEVEL",
    "Contrast",
    "Rate",
    "SeedVariance",
    "Term",
    "contrast",
    "holm",
    "median_interval",
    "paired_difference",
    "seed_variance",
    "trend_weights",
]
