"""The largest clear difference between measured and published numbers of an exhibit, as a sentence."""

import math

from defective.experiments.plan import KINDS, Plan
from defective.experiments.store import name_of
from defective.paper import EXHIBITS
from defective.report.numbers import bounds, shown, stand_ins
from defective.results.measured import Document
from defective.specs import CraftJob, DecisionJob, Job, ScoreJob, ShuffleJob, TrainJob, nets_of
from defective.specs.attacks import ATTACK_OPTIONS


def largest_difference(document: Document) -> str:
    """Which measured number lies furthest from the printed one, and what is known to bear on it; empty if none can be compared.

    A difference is clear if its 95 % interval excludes 0. Shares are compared by points, scores by their ratio.

    Example:
        >>> cell = {"row": "a", "column": "PGD16", "published": 14.14, "measured": {"mean": 54.1}, "jobs": []}
        >>> cell |= {"difference": {"mean": 39.96, "low": 35.0, "high": 44.0}}
        >>> about = {"exhibit": "table4", "scale": "tiny", "data": {"cifar10": "cifar10"}, "seeds": 1, "unit": "%"}
        >>> print(largest_difference({"cells": [cell], "rows": [{"name": "a", "label": "ResNet-18"}]} | about))
        Largest clear difference: ResNet-18, PGD16, 54.1 measured and 14.14 published (+40.0, 95 % interval +35.0 to +44.0). What bears \
on it: tiny scale instead of the paper's, one seed.
    """
    compared = [cell for cell in document["cells"] if cell["difference"] is not None]
    if not compared:
        return ""
    clear = [cell for cell in compared if cell["difference"]["low"] > 0 or cell["difference"]["high"] < 0]
    if not clear:
        return (
            f"No clear difference: where numbers can be compared ({len(compared)}), the interval of the difference reaches over 0."
        )
    unit = document["unit"]
    cell = max(clear, key=lambda each: _size(each, unit))
    label = next(row["label"] for row in document["rows"] if row["name"] == cell["row"])
    measured, published = shown(cell["measured"]["mean"], unit), shown(cell["published"], unit, "published")
    moved = (
        f"{shown(cell['difference']['mean'], unit, 'difference')}, 95 % interval {bounds(cell['difference'], unit, 'difference')}"
    )
    choices = [*_amounts(document, cell), *stand_ins(document), *(["one seed"] if document["seeds"] == 1 else [])]
    cause = f" What bears on it: {', '.join(choices)}." if choices else ""
    return f"Largest clear difference: {label}, {cell['column']}, {measured} measured and {published} published ({moved}).{cause}"


def _size(cell: Document, unit: str) -> float:
    measured, published = cell["measured"]["mean"], cell["published"]
    if unit == "%" or min(measured, published) <= 0:
        return abs(float(cell["difference"]["mean"]))
    return abs(math.log(measured / published))


def _amounts(document: Document, cell: Document) -> list[str]:
    """What was less than in the paper for one number: the net, its training, the attack, the images."""
    ours = _measuring(document, cell)
    if ours is None:
        return [] if document["scale"] == "paper" else [f"{document['scale']} scale instead of the paper's"]
    data = document["data"]
    printed = _planned(document, cell, "paper", {kind: kind for kind in data}, {kind: KINDS[kind] for kind in data})[0]
    (net, *others), (theirs, *_) = nets_of(ours), nets_of(printed)
    width, epochs = net.recipe.width_mult, net.recipe.epochs
    found = []
    if width != theirs.recipe.width_mult:
        found.append(f"{'a quarter' if width == 0.25 else f'{width:g}'} of the width")
    if epochs != theirs.recipe.epochs:
        fewer = [each.recipe.epochs for each in others if each.recipe.epochs < epochs]
        source = f" ({min(fewer)} for the source)" if fewer else ""
        found.append(f"{epochs} of the paper's {theirs.recipe.epochs} epochs{source}")
    changed = _changed(_settings(ours), _settings(printed))
    if changed:
        found.append(f"{'images' if isinstance(ours, ShuffleJob) else 'an attack'} with {changed}")
    if _samples(ours) != _samples(printed):
        counted = max(each.get("total", each.get("images")) for each in cell["measured"]["counts"])
        found.append(f"{counted:,} images instead of up to {_samples(printed):,}")
    return found


def _measuring(document: Document, cell: Document) -> Job | None:
    """The job behind a number; None where this version plans another than was done."""
    # Recipes depend on the shape of the images, which documents do not tell; a job's name, the hash of all that it is, does.
    for shape in KINDS.values():
        for job in _planned(document, cell, document["scale"], document["data"], dict.fromkeys(document["data"], shape)):
            if name_of(job) in cell["jobs"]:
                return job
    return None


def _planned(
    document: Document, cell: Document, scale: str, data: dict[str, str], shapes: dict[str, tuple[int, int, int]]
) -> list[Job]:
    """What measures a number at a scale, one job for each seed."""
    plan = Plan((document["exhibit"],), scale, data, shapes, document["seeds"])
    return [each.job for each in plan.of(EXHIBITS[document["exhibit"]]).get((cell["row"], cell["column"]), [])]


def _settings(job: Job) -> dict[str, float]:
    """The numbers of an attack, or how sure nets are of the images that are shuffled."""
    match job:
        case ScoreJob():
            return _settings(job.crafted)
        case CraftJob() | DecisionJob():
            return {**ATTACK_OPTIONS.get(job.attack.name, {}), **job.attack.parameters}
        case ShuffleJob():
            return {"confidence": job.confidence}
    return {}


def _changed(ours: dict[str, float], printed: dict[str, float]) -> str:
    """Settings that differ, in words."""
    words = [f"{key.replace('_', ' ')} {ours[key]:g} instead of {printed[key]:g}" for key in ours if ours[key] != printed[key]]
    return " and ".join(words)


def _samples(job: Job) -> int:
    """Images asked for; 0 for the whole test set."""
    made = job.crafted if isinstance(job, ScoreJob) else job
    return 0 if isinstance(made, TrainJob) else made.samples
