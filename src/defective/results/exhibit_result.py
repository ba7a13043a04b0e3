"""What was measured of an exhibit, beside what was published."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from defective.experiments.describe import describe, title
from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.paper import Cell, Exhibit
from defective.results.control import exhibit_controls
from defective.results.documents import (
    AtChance,
    CellResult,
    Difference,
    ExhibitResult,
    ImageCounts,
    JobRecord,
    Measured,
    RowLabel,
)
from defective.results.per_image import per_image, rate_term
from defective.specs import DecisionJob, GenerateJob, Job, NoiseJob, ScoreJob, ShuffleJob, TrainJob, trained_models
from defective.statistics import Rate, Term, contrast, seed_variance


def document(exhibit: Exhibit, plan: Plan, store: Store) -> ExhibitResult:
    """All that is known of one exhibit at one scale."""
    cells = plan.of(exhibit)
    jobs = {cell.job.name: cell.job for of_seeds in cells.values() for cell in of_seeds}
    control_jobs = {each.name: each for job in plan.controls_of(exhibit) for each in (job.target, job)}
    shown = {(row.name, column): cells.get((row.name, column), []) for row in exhibit.rows for column in exhibit.columns}
    controls = exhibit_controls(shown, store)
    doubted = {name: at_chance(job, store) for name, job in jobs.items()}
    return ExhibitResult(
        exhibit=exhibit.name,
        **{name: getattr(exhibit, name) for name in ("title", "caption", "section", "unit", "view", "columns", "notes")},
        rows=tuple(RowLabel(name=row.name, label=row.label) for row in exhibit.rows),
        scale=plan.scale,
        data={kind: plan.data[kind] for kind in plan.kinds(exhibit)},
        readers={kind: plan.readers[kind] for kind in plan.kinds(exhibit) if kind in plan.readers},
        seeds=plan.seeds,
        cells=tuple(
            _cell(exhibit, key, of_seeds, store, doubted, all=_all(of_seeds, store), control=controls.get(key))
            for key, of_seeds in shown.items()
        ),
        beside=tuple(_cell(exhibit, key, of_seeds, store, doubted) for key, of_seeds in cells.items() if key not in shown),
        at_chance=tuple({each.job: each for found in doubted.values() for each in found}.values()),
        jobs={
            name: _record(job, result) for name, job in (jobs | control_jobs).items() if (result := store.result(job)) is not None
        },
    )


def _cell(
    exhibit: Exhibit,
    key: tuple[str, str],
    cells: list[Cell],
    store: Store,
    doubted: Mapping[str, Sequence[AtChance]],
    **more: Any,
) -> CellResult:
    published = exhibit.published(*key)
    finished = {cell.job.name: cell for cell in cells if store.result(cell.job) is not None}
    found = _measured(cells, store, exhibit.unit)
    apart = None
    if found is not None and published is not None:
        apart = Difference(mean=found.mean - published, low=found.low - published, high=found.high - published)
    return CellResult(
        row=key[0],
        column=key[1],
        published=published,
        measured=found,
        difference=apart,
        jobs=tuple(finished),
        at_chance=tuple(dict.fromkeys(each.model for name in finished for each in doubted[name])),
        epochs=next(map(_epochs, finished.values()), None),
        **more,
    )


def _all(cells: list[Cell], store: Store) -> Measured | None:
    """The share of all attacked images, of a rate that leaves some out."""
    return _measured(
        [replace(cell, value="all") for cell in cells if isinstance(cell.job, ScoreJob) and cell.value == "paper"], store, "%"
    )


def _measured(cells: list[Cell], store: Store, unit: str) -> Measured | None:
    """The numbers of all seeds at which images could be counted."""
    results = {seed: result for seed, cell in enumerate(cells) if (result := store.result(cell.job)) is not None}
    found = {seed: values for seed, result in results.items() if (values := result["values"].get(cells[seed].value)) is not None}
    if unit == "%":
        rates = {seed: Rate.read(each) for seed, each in found.items() if each["num_evaluated"]}
        terms = [rate_term(100, "", seed, rate, per_image(cells[seed], store)) for seed, rate in rates.items()]
        values = {seed: 100 * float(rate) for seed, rate in rates.items()}
        intervals = [(100 * rate.interval[0], 100 * rate.interval[1]) for rate in rates.values()]
        counts = [ImageCounts(num_evaluated=rate.num_evaluated, num_correct=rate.num_correct) for rate in rates.values()]
    else:
        found = {seed: each for seed, each in found.items() if each["score"] is not None}
        values = {seed: each["score"] for seed, each in found.items()}
        # Student's interval of the mean of several.
        terms = [Term(1, "", 0, list(values.values()))]
        intervals = [(each["low"], math.inf if each["high"] is None else each["high"]) for each in found.values()]
        counts = [ImageCounts(num_evaluated=each["images"]) for each in found.values()]
    if not values:
        return None
    low, high = intervals[0] if len(values) == 1 else contrast(terms, seed_variance(terms)).interval
    return Measured(
        mean=math.fsum(values.values()) / len(values),
        low=max(0.0, low),
        high=high,
        values=tuple(values.values()),
        intervals=tuple(intervals),
        counts=tuple(counts),
        seeds=tuple(values),
    )


def _epochs(cell: Cell) -> int | None:
    """Epochs of training of the model that a number is about; an adversarial set of several sources is about none alone."""
    match cell.job:
        case TrainJob():
            return cell.job.recipe.trained_epochs
        case ScoreJob() | DecisionJob():
            return cell.job.target.recipe.trained_epochs
        case GenerateJob(sources=(source,)):
            return source.recipe.trained_epochs
        case NoiseJob() | ShuffleJob():
            return cell.job.targets[int(cell.value.partition("/")[0])].recipe.trained_epochs
    return None


def at_chance(job: Job, store: Store) -> list[AtChance]:
    """The trained models behind a finished job that are no better than always predicting the largest class.

    A model is at chance if the 95 % interval of its test accuracy does not lie above the share of that class. A bound such as twice
    chance would let no model of two classes pass.
    """
    found = []
    for model in trained_models(job) if store.result(job) is not None else ():
        result = store.result(model) or {}
        if chance := result.get("chance"):
            rate = Rate.read(result["values"]["test_accuracy"])
            if rate.num_evaluated and rate.interval[0] <= chance:
                about = {"job": model.name, "model": f"{title(model)} on {model.data}"}
                found.append(AtChance(**about, accuracy=100 * float(rate), chance=100 * chance))
    return found


def _record(job: Job, result: Mapping[str, Any]) -> JobRecord:
    return JobRecord(
        description=describe(job),
        seconds=result["seconds"],
        machine=result["machine"],
        device_type=result["kind_of_device"],
        finished=result["finished"],
        parameters=result.get("parameters"),
    )
