"""Plain frozen values that say what to build, attack and train. No torch here.

Every spec turns into one canonical JSON document and back, and ``spec.key`` is a hash of that document, so equal specs have
equal keys on every machine. Net names follow one grammar::

    ARCH                                  resnet18
    ARCH/P-REGION[+P-REGION][-SUFFIX...]  resnet18/0.1-bottom, resnet18/0.7-bottom+0.3-top, resnet18/0.5-bottom-x2-en
    ARCH/SUFFIX[-SUFFIX]                  resnet18/en (five plain models, logits averaged), resnet18/therm16

``P`` is the probability that a neuron is kept. A REGION is ``bottom``, ``top`` or blocks by number as ``blocks12``. Beside
regions the dropout baselines may stand, which act in training and on the top blocks (under ``@text`` on block 3):
``0.9-dropout``, ``0.9-spatial``, ``0.9-dropblock``. Suffixes: ``-dc`` (whole channels), ``-sm`` (one mask for all channels),
``-bernoulli`` (each neuron drawn on its own, as the text has it, where the released code keeps an exact share), ``-x2`` (twice
the channels at defective layers), ``-therm16`` (thermometer-encoded input of 16 levels), ``-en`` (ensemble of five). A final
``@text`` picks the placement of the paper's text (Eq. 5, Appendix C).
"""

from defective.specs.attacks import ATTACK_DEFAULTS, GRADIENT_ATTACKS, WHITE_BOX_ATTACKS, AttackSpec
from defective.specs.document import Document, High, Low
from defective.specs.jobs import (
    DecisionJob,
    GenerateJob,
    Job,
    NoiseJob,
    ScoreJob,
    ShuffleJob,
    TrainJob,
    dependencies,
    read_job,
    trained_models,
)
from defective.specs.nets import (
    ARCHITECTURES,
    ENSEMBLE_SIZE,
    Architecture,
    DefectSpec,
    DropSpec,
    Kind,
    NetSpec,
    Pattern,
    Placement,
    Region,
    Sampling,
)
from defective.specs.recipe import Recipe
from defective.specs.spec import Spec

__all__ = [
    "ARCHITECTURES",
    "ATTACK_DEFAULTS",
    "ENSEMBLE_SIZE",
    "GRADIENT_ATTACKS",
    "WHITE_BOX_ATTACKS",
    "Architecture",
    "AttackSpec",
    "DecisionJob",
    "DefectSpec",
    "Document",
    "DropSpec",
    "GenerateJob",
    "High",
    "Job",
    "Kind",
    "Low",
    "NetSpec",
    "NoiseJob",
    "Pattern",
    "Placement",
    "Recipe",
    "Region",
    "Sampling",
    "ScoreJob",
    "ShuffleJob",
    "Spec",
    "TrainJob",
    "dependencies",
    "read_job",
    "trained_models",
]
