"""How robust is a model? Rates with counts and intervals, over named denominators."""

from defective.evaluation.accuracy import accuracy, correct, defense_rate
from defective.evaluation.checks import CHECKS, Check, run_checks
from defective.evaluation.crafted import OwnAttack, craft_on
from defective.evaluation.decision import Decision, decide
from defective.evaluation.noise import SIGMAS, noise_curve
from defective.evaluation.protocol import evaluate
from defective.evaluation.relations import mask_average, relation
from defective.evaluation.result import Evaluation
from defective.evaluation.settings import ATTACKS, PARTS, WHITE_BOX, Settings
from defective.evaluation.shape_bias import ShapeReport, shape_bias, shape_report
from defective.evaluation.shuffle import GRIDS, shuffle_curve
from defective.evaluation.subject import Subject
from defective.evaluation.transfer import Crafted, Outcome, craft, score
from defective.evaluation.work import Work

__all__ = [
    "ATTACKS",
    "CHECKS",
    "GRIDS",
    "PARTS",
    "SIGMAS",
    "WHITE_BOX",
    "Check",
    "Crafted",
    "Decision",
    "Evaluation",
    "Outcome",
    "OwnAttack",
    "Settings",
    "ShapeReport",
    "Subject",
    "Work",
    "accuracy",
    "correct",
    "craft",
    "craft_on",
    "decide",
    "defense_rate",
    "evaluate",
    "mask_average",
    "noise_curve",
    "relation",
    "run_checks",
    "score",
    "shape_bias",
    "shape_report",
    "shuffle_curve",
]
