"""The largest clear difference between measured and published numbers of an exhibit, as a sentence."""

import math

from defective.data.official import KINDS
from defective.experiments.describe import describe
from defective.experiments.plan import Plan
from defective.paper import EXHIBITS
from defective.report.wording import substitutes
from defective.results.documents import CellResult, ExhibitResult
from defective.specs import DecisionJob, GenerateJob, Job, ScoreJob, ShuffleJob, trained_models
from defective.tables import interval, number


def largest_discrepancy(result: ExhibitResult) -> str:
    """Which measured number lies furthest from the printed one, and what is known to bear on it; empty if none can be compared.

    A difference is clear if its 95 % interval excludes 0. Shares are compared by points, scores by their ratio.
    """
    compared = [cell for cell in result.cells if cell.difference is not None]
    if not compared:
        return ""
    clear = [cell for cell in compared if cell.difference and cell.difference.significant]
    if not clear:
        return (
            f"No clear difference: in all {len(compared)} numbers that can be compared, the interval of the difference includes 0."
        )
    unit = result.unit
    cell = max(clear, key=lambda each: _size(each, unit))
    assert cell.difference is not None and cell.measured is not None and cell.published is not None
    apart = cell.difference
    bounds = interval(apart.low, apart.high, unit, signed=True)
    choices = [*_amounts(result, cell), *substitutes(result), *(["one seed"] if result.seeds == 1 else [])]
    cause = f" Possible causes: {', '.join(choices)}." if choices else ""
    return (
        f"Largest clear difference: {result.label(cell.row)}, {cell.column}, {number(cell.measured.mean, unit)} measured and "
        f"{number(cell.published, unit, digits=2)} published ({number(apart.mean, unit, signed=True)}, 95 % interval {bounds}).{cause}"
    )


def _size(cell: CellResult, unit: str) -> float:
    assert cell.difference is not None and cell.measured is not None and cell.published is not None
    if unit == "%" or min(cell.measured.mean, cell.published) <= 0:
        return abs(cell.difference.mean)
    return abs(math.log(cell.measured.mean / cell.published))


def _amounts(result: ExhibitResult, cell: CellResult) -> list[str]:
    """What was less than in the paper for one number: the model, its training, the attack, the images."""
    ours = _measuring(result, cell)
    if ours is None:
        return [] if result.scale == "paper" else [f"{result.scale} scale instead of the paper's"]
    data = result.data
    printed = _planned(result, cell, "paper", {kind: kind for kind in data}, {kind: KINDS[kind] for kind in data})[0]
    (model, *others), (theirs, *_) = trained_models(ours), trained_models(printed)
    width, epochs = model.recipe.width_mult, model.recipe.trained_epochs
    found = []
    if width != theirs.recipe.width_mult:
        found.append(f"{'a quarter' if width == 0.25 else f'{width:g}'} of the width")
    if epochs != theirs.recipe.trained_epochs:
        fewer = [each.recipe.trained_epochs for each in others if each.recipe.trained_epochs < epochs]
        source = f" ({min(fewer)} for the source)" if fewer else ""
        found.append(f"{epochs} of the paper's {theirs.recipe.trained_epochs} epochs{source}")
    made, original = (job.adversarial if isinstance(job, ScoreJob) else job for job in (ours, printed))
    asked, usual = _settings(made), _settings(original)
    changed = [f"{key.replace('_', ' ')} {asked[key]:g} instead of {usual[key]:g}" for key in asked if asked[key] != usual[key]]
    if changed:
        found.append(f"{'images' if isinstance(made, ShuffleJob) else 'an attack'} with {' and '.join(changed)}")
    # A model is tested on the whole test set.
    samples, usual_samples = (getattr(each, "samples", 0) for each in (made, original))
    if samples != usual_samples and cell.measured is not None:
        most = max(each.num_evaluated for each in cell.measured.counts)
        found.append(f"{most:,} images instead of up to {usual_samples:,}")
    return found


def _measuring(result: ExhibitResult, cell: CellResult) -> Job | None:
    """The job behind a number; None where this version plans another than was done.

    Recipes depend on the shape of the images, which results do not hold: of a folder the shapes of all official sets are tried. A job's
    name, the hash of all that it is, tells which is right; of results whose names another version gave, its description.
    """
    planned = []
    for shape in KINDS.values():
        shapes = {kind: KINDS.get(result.readers.get(kind, ""), shape) for kind in result.data}
        planned += _planned(result, cell, result.scale, result.data, shapes)
    descriptions = {result.jobs[name].description for name in cell.jobs if name in result.jobs}
    named = (job for job in planned if job.name in cell.jobs)
    described = (job for job in planned if describe(job) in descriptions)
    return next(named, None) or next(described, None)


def _planned(
    result: ExhibitResult, cell: CellResult, scale: str, data: dict[str, str], shapes: dict[str, tuple[int, int, int]]
) -> list[Job]:
    """What measures a number at a scale, one job for each seed."""
    plan = Plan((result.exhibit,), scale, data, shapes, result.seeds)
    return [each.job for each in plan.of(EXHIBITS[result.exhibit]).get((cell.row, cell.column), [])]


def _settings(job: Job) -> dict[str, float]:
    """The numbers of an attack, or how sure models are of the images that are shuffled."""
    if isinstance(job, GenerateJob | DecisionJob):
        return dict(job.attack.parameters)
    return {"confidence": job.confidence} if isinstance(job, ShuffleJob) else {}
