"""Defective convolutional networks: CNNs in which a fixed random subset of neurons always outputs zero."""

# isort: off
from defective import interrupts  # noqa: F401 - first: a command that is stopped while torch is loaded says so in one line
from defective import waiting  # noqa: F401 - before torch

# isort: on
from defective import attacks, evaluation
from defective._version import __version__
from defective.build import build
from defective.errors import InputError
from defective.layers import DefectMask
from defective.mask_state import attach_masks_, load_weights_, resize_masks_
from defective.masks import sample_mask
from defective.models import Ensemble, create_model, list_models
from defective.sparse import sparsify
from defective.specs import AttackSpec, NetSpec, Recipe
from defective.surgery import Defect, defect_, defects, restore_
from defective.training.checkpoint import load, save
from defective.verify import verify

__all__ = [
    "AttackSpec",
    "Defect",
    "DefectMask",
    "Ensemble",
    "InputError",
    "NetSpec",
    "Recipe",
    "__version__",
    "attach_masks_",
    "attacks",
    "build",
    "create_model",
    "defect_",
    "defects",
    "evaluation",
    "list_models",
    "load",
    "load_weights_",
    "resize_masks_",
    "restore_",
    "sample_mask",
    "save",
    "sparsify",
    "verify",
]
