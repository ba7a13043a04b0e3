"""How robust is a model? Rates with counts and intervals, over named denominators."""

from defective.evaluation.accuracy import accuracy, correct, defense_rate
from defective.evaluation.noise import SIGMAS, noise_curve
from defective.evaluation.protocol import Evaluation, evaluate_transfer
from defective.evaluation.rates import Rate
from defective.evaluation.shape_bias import shape_bias
from defective.evaluation.transfer import Crafted, Outcome, craft, score

__all__ = [
    "SIGMAS",
    "Crafted",
    "Evaluation",
    "Outcome",
    "Rate",
    "accuracy",
    "correct",
    "craft",
    "defense_rate",
    "evaluate_transfer",
    "noise_curve",
    "score",
    "shape_bias",
]
