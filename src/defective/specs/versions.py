"""Versions of the functions whose results are stored.

Raise a number when its function returns something else than before for the same model, data and settings: it is a part of the key of every
result that depends on it, so that results of the old function are not taken for those of the new one.
"""

# Training, and the measurements of :mod:`defective.evaluation`; the name of a job is its kind.
VERSIONS = {"train": 1, "predict": 1, "generate": 1, "score": 1, "decision": 1, "noise": 1, "shuffle": 1, "probe": 1, "check": 1}

# Attacks that are not at version 1.
ATTACK_VERSIONS: dict[str, int] = {}
