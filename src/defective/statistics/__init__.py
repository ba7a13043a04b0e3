"""Every interval, test and correction of measured numbers. Nothing else computes one."""

from defective.statistics.contrasts import Contrast, SeedVariance, Term, contrast, paired_difference, seed_variance
from defective.statistics.old import INDEPENDENT, Difference, Estimate, correlation, difference, mean_interval
from defective.statistics.rates import Rate, median_interval
from defective.statistics.verdicts import holm, trend_weights

__all__ = [
    "INDEPENDENT",
    "Contrast",
    "Difference",
    "Estimate",
    "Rate",
    "SeedVariance",
    "Term",
    "contrast",
    "correlation",
    "difference",
    "holm",
    "mean_interval",
    "median_interval",
    "paired_difference",
    "seed_variance",
    "trend_weights",
]
