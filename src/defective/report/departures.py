"""Why measured numbers differ from the paper's: what each setting does otherwise, read off the plans themselves."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from defective.campaign.plan import KINDS, Plan
from defective.paper import SCALES
from defective.report.numbers import counted
from defective.report.parts import Part
from defective.training.recipes import recipe_for

# How much is done, in words.
_AMOUNTS = {
    "crafted": "images attacked by FGSM, PGD and their like",
    "cw": "images attacked by CW",
    "cw_steps": "steps of CW for each constant",
    "cw_search": "constants that CW tries",
    "decision": "images for the boundary attack",
    "noise": "images under Gaussian noise",
    "shuffle": "images with shuffled patches",
    "confidence": "least confidence of the nets in shuffled images",
    "gallery": "images in a gallery",
    "slow_epochs": "at most so many epochs of ResNet-50 and DenseNet-121",
    "adversarial_epochs": "epochs of adversarial training",
}
_RECIPE = {
    "width_mult": "width of the nets",
    "epochs": "epochs",
    "batch_size": "images in a batch",
    "lr": "learning rate",
    "weight_decay": "weight decay",
    "schedule": "schedule of the learning rate",
    "milestones": "epochs after which it falls",
    "augment": "augmentation",
    "selection": "which epoch's net is kept",
    "norm_scale_init": "start of the norm scales",
}


def departures(shown_parts: Iterable[Part]) -> list[dict[str, Any]]:
    """For each scale, and data as far as no two sets stand for one kind: sentences, and rows (what, in the paper, here)."""
    found: list[tuple[Plan, dict[str, str]]] = []
    for part in shown_parts:
        data = part.document["data"]
        known = next((each for plan, each in found if plan.scale == part.plan.scale and _agree(each, data)), None)
        if known is not None:
            known |= data
        elif data:
            found.append((part.plan, dict(data)))
    return [
        {"scale": plan.scale, "sets": list(dict.fromkeys(data.values())), "notes": _notes(data), "rows": _rows(plan, data)}
        for plan, data in found
    ]


def _agree(one: dict[str, str], other: dict[str, str]) -> bool:
    return all(one.get(kind, name) == name for kind, name in other.items())


def _notes(data: dict[str, str]) -> list[str]:
    notes = []
    for kind, name in data.items():
        if name == f"{kind}-jpeg":
            notes.append(
                f"{name} is {kind} after JPEG compression, which changes the fine texture that these experiments are about. "
                "Training and test images are both compressed."
            )
        elif name != kind:
            notes.append(
                f"{name} stands in for {kind}: other images, so its numbers can agree with the printed ones in tendency only."
            )
    return notes


def seed_notes(shown_parts: Iterable[Part]) -> list[str]:
    """What the intervals cover, for each number of seeds in use."""
    notes = []
    for seeds in sorted({part.plan.seeds for part in shown_parts}):
        if seeds == 1:
            notes.append(
                "One seed: an interval covers the sample of images alone. Trained again with another seed, the same net gives other "
                "numbers, often further off than the interval reaches."
            )
        else:
            notes.append(f"{counted(seeds, 'seed')}: an interval is that of the mean over as many training runs.")
    return notes


def _rows(plan: Plan, data: dict[str, str]) -> list[tuple[str, str, str]]:
    if plan.scale == "paper":
        return []
    paper, here = SCALES["paper"], SCALES[plan.scale]
    rows = [
        (_AMOUNTS.get(field.name, field.name), _text(getattr(paper, field.name)), _text(getattr(here, field.name)))
        for field in fields(here)
        if field.name != "name" and getattr(paper, field.name) != getattr(here, field.name)
    ]
    for kind in data:
        shape = plan.shapes.get(kind, KINDS[kind])
        theirs, ours = (recipe_for(scale, kind, shape) for scale in ("paper", plan.scale))
        # One set needs no name beside each row.
        where = f" ({kind})" if len(data) > 1 else ""
        rows += [
            (f"{words}{where}", _text(getattr(theirs, key)), _text(getattr(ours, key)))
            for key, words in _RECIPE.items()
            if getattr(theirs, key) != getattr(ours, key)
        ]
    return rows


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if value == 0:
        return "as the recipe"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
