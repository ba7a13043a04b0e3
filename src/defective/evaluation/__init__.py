"""Robustness of any classifier: rates with counts and intervals, over named denominators.

Everything here is computed in memory, from models and tensors: no file is read or written. Each measurement is a value that says what
it depends on (:class:`~defective.evaluation.measurement.Measurement`) and is carried out by a function that may be replaced, as
:mod:`defective.experiments` does to store and reuse results.
"""

from defective.evaluation.adversarial import AdversarialSet, CustomAttack, generate
from defective.evaluation.corruptions import corruption_curve
from defective.evaluation.evaluate import evaluate
from defective.evaluation.evaluated_model import EvaluatedModel
from defective.evaluation.metrics import accuracy, defense_rate
from defective.evaluation.result import EvaluationResult
from defective.evaluation.shape_bias import shape_bias
from defective.evaluation.transfer import Outcome, score
from defective.inference import LogitsAdapter

__all__ = [
    "AdversarialSet",
    "CustomAttack",
    "EvaluatedModel",
    "EvaluationResult",
    "LogitsAdapter",
    "Outcome",
    "accuracy",
    "corruption_curve",
    "defense_rate",
    "evaluate",
    "generate",
    "score",
    "shape_bias",
]
