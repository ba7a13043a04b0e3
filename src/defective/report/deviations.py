"""Deviations from the paper: which settings of the plans differ."""

from collections.abc import Iterable
from typing import NamedTuple, get_type_hints

from defective.data.official import KINDS, SIZES
from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.paper import SCALES, Scale
from defective.report.sections import Section
from defective.report.wording import is_official, is_substitute
from defective.specs import Recipe, TrainJob
from defective.tables import count
from defective.training.recipes import recipe_for

# What the fields are in words; a recipe's name, and its attack of adversarial training, which is the exhibit's, have none.
_AMOUNTS = {name: hint.__metadata__[0] for name, hint in get_type_hints(Scale, include_extras=True).items() if name != "name"}
_RECIPE = {name: field.description for name, field in Recipe.model_fields.items() if field.description}
_ONE_SEED = (
    "One seed: intervals cover only the sample of images. Training with another seed gives different numbers, often outside the "
    "interval."
)
_SEVERAL_SEEDS = (
    "intervals are those of the mean over as many training runs; if only some are measured, their number is shown beside the "
    "interval."
)


class Deviations(NamedTuple):
    """How one scale deviates from the paper.

    ``data`` are the names of its data sets, ``notes`` sentences about substitutes among them, ``rows`` say what differs, how it is in the
    paper, and how here.
    """

    scale: str
    data: list[str]
    notes: list[str]
    rows: list[tuple[str, ...]]


def deviations(sections: Iterable[Section], store: Store) -> list[Deviations]:
    """One entry for each scale."""
    # Scale to its data sets, by kind and name, each with a plan that says how it was read.
    used: dict[str, dict[tuple[str, str], Plan]] = {}
    for section in sections:
        for named in section.result.data.items():
            used.setdefault(section.plan.scale, {}).setdefault(named, section.plan)
    return [
        Deviations(
            scale=scale,
            data=list(dict.fromkeys(name for _, name in sets)),
            notes=[note for (kind, _), plan in sets.items() if (note := _note(kind, plan, store))],
            rows=_rows(scale, sets),
        )
        for scale, sets in used.items()
    ]


def _note(kind: str, plan: Plan, store: Store) -> str:
    """What a reader must know of the set that was used for a kind; empty if it is the official one."""
    name, images, whole = plan.data[kind], _training_images(plan, kind, store), SIZES[kind][0]
    about = "" if images is None else f" ({count(images, 'training image')})"
    if is_official(kind, plan):
        if images not in (None, whole):
            about = f" ({count(images, 'training image')}; the official set has {whole:,})"
        elif name == kind:
            return ""
        if is_substitute(kind, plan):
            return f"{name}{about} in place of {kind}: files of the official form under another name."
        return f"The official files of {kind}{f', called {name}' if name != kind else ''}{about}."
    if name == f"{kind}-jpeg":
        return (
            f"{name}{about} in place of {kind}: its name says that the images are re-encoded as JPEG. That changes fine texture, which "
            "these experiments are about, so expect agreement in tendency only."
        )
    return f"{name}{about} in place of {kind}: other images, so its numbers can agree with the printed ones in tendency only."


def _training_images(plan: Plan, kind: str, store: Store) -> int | None:
    """How many images the models were trained on; None while none is trained."""
    jobs = (job for job in plan.jobs if isinstance(job, TrainJob) and job.data == plan.data[kind])
    counts = ((store.result(job) or {}).get("train_images") for job in jobs)
    return next((int(count) for count in counts if count), None)


def seed_notes(sections: Iterable[Section]) -> list[str]:
    """What the intervals cover, for each number of seeds in use."""
    used = sorted({section.plan.seeds for section in sections})
    return [_ONE_SEED if seeds == 1 else f"{count(seeds, 'seed')}: {_SEVERAL_SEEDS}" for seeds in used]


def _rows(scale: str, sets: dict[tuple[str, str], Plan]) -> list[tuple[str, ...]]:
    rows = _different(_AMOUNTS, SCALES["paper"], SCALES[scale], zero="as the recipe")
    for (kind, name), plan in sets.items():
        # A substitute is trained with the recipe for its own kind of images, at the paper's scale too.
        theirs, ours = recipe_for("paper", kind, KINDS[kind]), plan.setups[0].recipes[kind]
        # One set needs no name beside each row.
        rows += _different(_RECIPE, theirs, ours, f" ({name})" if len(sets) > 1 else "")
    return rows


def _different(words: dict[str, str], theirs: object, ours: object, where: str = "", zero: object = 0) -> list[tuple[str, ...]]:
    both = ((what, getattr(theirs, name), getattr(ours, name)) for name, what in words.items())
    return [
        (f"{what}{where}", *(_text(zero if each == 0 else each) for each in (one, other)))
        for what, one, other in both
        if one != other
    ]


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
