"""Every interval, test and correction of measured numbers. Nothing else computes one."""

from defective.statistics.contrasts import LEVEL, UNKNOWN, Contrast, ErrorPart, contrast, paired_difference
from defective.statistics.rates import Rate, median_interval
from defective.statistics.seed_variance import SeedVariance, seed_variance
from defective.statistics.terms import Term
from defective.statistics.verdicts import holm, trend_weights

__all__ = [
    "LEVEL",
    "UNKNOWN",
    "Contrast",
    "ErrorPart",
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
