"""Robustness of any classifier: rates with counts and intervals, over named denominators.

Everything here is computed in memory, from models and tensors: no file is read or written. Each measurement is a value that says what
it depends on (:class:`Measurement`) and is carried out by a function that may be replaced, as :mod:`defective.experiments` does to
store and reuse results.
"""

from defective.evaluation.adversarial import AdversarialSet, CustomAttack, generate
from defective.evaluation.corruptions import STRENGTHS, corrupt, corrupted_correct, corruption_curve
from defective.evaluation.decision import Decision, decide
from defective.evaluation.evaluate import evaluate
from defective.evaluation.evaluated_model import EvaluatedModel, common_sample
from defective.evaluation.measurement import Chunk, Measurement, Run, compute
from defective.evaluation.metrics import accuracy, correct, defense_rate
from defective.evaluation.result import EvaluationResult
from defective.evaluation.sanity_checks import CHECKS, SanityCheck, run_checks
from defective.evaluation.settings import ATTACKS, PARTS, WHITE_BOX
from defective.evaluation.shape_bias import ShapeReport, shape_bias, shape_report
from defective.evaluation.threat_model import mask_average, threat_model
from defective.evaluation.transfer import Outcome, score
from defective.inference import LogitsAdapter

__all__ = [
    "ATTACKS",
    "CHECKS",
    "PARTS",
    "STRENGTHS",
    "WHITE_BOX",
    "AdversarialSet",
    "Chunk",
    "CustomAttack",
    "Decision",
    "EvaluatedModel",
    "EvaluationResult",
    "LogitsAdapter",
    "Measurement",
    "Outcome",
    "Run",
    "SanityCheck",
    "ShapeReport",
    "accuracy",
    "common_sample",
    "compute",
    "correct",
    "corrupt",
    "corrupted_correct",
    "corruption_curve",
    "decide",
    "defense_rate",
    "evaluate",
    "generate",
    "mask_average",
    "run_checks",
    "score",
    "shape_bias",
    "shape_report",
    "threat_model",
]
