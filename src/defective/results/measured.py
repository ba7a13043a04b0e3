"""What was measured of an exhibit, beside what was published."""

import math
from collections.abc import Iterable
from dataclasses import replace

from defective.experiments.describe import describe
from defective.experiments.plan import Plan
from defective.experiments.store import Store, name_of
from defective.paper import EXHIBITS, Cell, Exhibit, exhibits
from defective.results.at_chance import at_chance
from defective.results.claims import Evidence, evaluate_claims
from defective.results.control import column_controls
from defective.results.documents import (
    CellResult,
    ClaimResult,
    ClaimsResult,
    Count,
    Difference,
    ExhibitResult,
    JobRecord,
    Measured,
    RowLabel,
)
from defective.results.per_image import PerImage, PerImageReader
from defective.specs import DecisionJob, Job, NoiseJob, ScoreJob, ShuffleJob, TrainJob
from defective.statistics import Rate, Term, contrast, seed_variance


def documents(plan: Plan, store: Store) -> list[ExhibitResult]:
    """One document for each exhibit of a plan, see :func:`document`."""
    return [document(exhibit, plan, store) for exhibit in exhibits(list(plan.exhibits))]


def document(exhibit: Exhibit, plan: Plan, store: Store) -> ExhibitResult:
    """All that is known of one exhibit at one scale."""
    cells = plan.of(exhibit)
    jobs = {name_of(cell.job): cell.job for each in cells.values() for cell in each}
    places = [(row.name, column) for row in exhibit.rows for column in exhibit.columns]
    controls = {
        (row.name, column): control
        for column in exhibit.columns
        for row, control in zip(
            exhibit.rows, column_controls([cells.get((row.name, column), []) for row in exhibit.rows], store), strict=True
        )
    }
    found = {place: _cell(exhibit, place, cells.get(place, []), store) for place in dict.fromkeys([*places, *cells])}
    control_jobs = {name_of(each): each for job in plan.controls_of(exhibit) for each in (job.target, job)}
    return ExhibitResult(
        exhibit=exhibit.name,
        title=exhibit.title,
        caption=exhibit.caption,
        section=exhibit.where,
        unit=exhibit.unit,
        view=exhibit.view,
        columns=exhibit.columns,
        rows=tuple(RowLabel(name=row.name, label=row.label) for row in exhibit.rows),
        notes=exhibit.notes,
        scale=plan.scale,
        data={kind: plan.data[kind] for kind in plan.kinds(exhibit)},
        readers={kind: plan.readers[kind] for kind in plan.kinds(exhibit) if kind in plan.readers},
        seeds=plan.seeds,
        cells=tuple(
            found.pop(place).model_copy(update={"all": _all(cells.get(place, []), store), "control": controls[place]})
            for place in places
        ),
        beside=tuple(found.values()),
        at_chance=tuple({each.job: each for job in jobs.values() for each in at_chance(job, store)}.values()),
        jobs={name: record for name, job in (jobs | control_jobs).items() if (record := _record(job, store)) is not None},
    )


def evidence(found: ExhibitResult, plan: Plan, reader: PerImageReader) -> Evidence:
    """A document with what is behind its numbers image by image."""
    cells = plan.of(EXHIBITS[found.exhibit])

    def per_image(row: str, column: str, seed: int) -> PerImage | None:
        of_seeds = cells.get((row, column), [])
        return reader.of(of_seeds[seed]) if seed < len(of_seeds) else None

    return Evidence(found, per_image)


def claims(plan: Plan, store: Store) -> list[ClaimResult]:
    """The claims that bear on the exhibits of a plan, on all that the store holds at its scale on its data sets."""
    reader = PerImageReader(store)
    known = [exhibit for exhibit in EXHIBITS.values() if exhibit.data in plan.data]
    found = evaluate_claims([evidence(document(exhibit, plan, store), plan, reader) for exhibit in known])
    asked = {exhibit.name for exhibit in exhibits(list(plan.exhibits))}
    return [claim for claim in found if asked.intersection(claim.exhibits)]


def best_documents(store: Store) -> list[tuple[ExhibitResult, Plan]]:
    """A document, and its plan, for each exhibit, scale and data set of which anything is there."""
    plans, _ = store.plans()
    found = ((document(EXHIBITS[name], plan, store), plan) for (name, _, _), plan in best_plans(plans).items())
    return [(made, plan) for made, plan in found if made.jobs]


def best_claims(found: list[tuple[ExhibitResult, Plan]], store: Store) -> dict[str, ClaimsResult]:
    """Scale to the claims that the documents of that scale bear on."""
    reader, scales = PerImageReader(store), dict.fromkeys(plan.scale for _, plan in found)
    each = {scale: evaluate_claims(evidence(made, plan, reader) for made, plan in found if plan.scale == scale) for scale in scales}
    return {scale: ClaimsResult(scale=scale, claims=tuple(claims)) for scale, claims in each.items()}


def best_plans(plans: Iterable[Plan]) -> dict[tuple[str, str, str], Plan]:
    """(exhibit, scale, data sets) to the plan with the most seeds, of several alike to the one with the most data sets.

    A plan without one of the sets that an exhibit may be measured on is left out where another has that too, and as many seeds.
    """
    best: dict[tuple[str, str, frozenset[tuple[str, str]]], Plan] = {}
    for plan in sorted(plans, key=_worth):
        for exhibit in exhibits(list(plan.exhibits)):
            best[exhibit.name, plan.scale, frozenset((kind, plan.data[kind]) for kind in plan.kinds(exhibit))] = plan

    def part_of_another(name: str, scale: str, sets: frozenset[tuple[str, str]]) -> bool:
        more = (best[key].seeds for key in best if key[:2] == (name, scale) and sets < key[2])
        return best[name, scale, sets].seeds <= max(more, default=0)

    return {
        (name, scale, "-".join(plan.data[kind] for kind in plan.kinds(EXHIBITS[name]))): plan
        for (name, scale, sets), plan in best.items()
        if not part_of_another(name, scale, sets)
    }


def _worth(plan: Plan) -> tuple[object, ...]:
    """Of two plans the one to show comes last; claims may reach into exhibits of further data sets."""
    return plan.seeds, len(plan.data), sorted(plan.data.items())


def _cell(exhibit: Exhibit, place: tuple[str, str], cells: list[Cell], store: Store) -> CellResult:
    published = exhibit.published(*place)
    finished = [cell for cell in cells if store.result(cell.job) is not None]
    found = _measured(cells, store, exhibit.unit)
    apart = None
    if found is not None and published is not None:
        apart = Difference(mean=found.mean - published, low=found.low - published, high=found.high - published)
    return CellResult(
        row=place[0],
        column=place[1],
        published=published,
        measured=found,
        difference=apart,
        jobs=tuple(name_of(cell.job) for cell in finished),
        at_chance=tuple(dict.fromkeys(each.model for cell in finished for each in at_chance(cell.job, store))),
        epochs=next((_epochs(cell) for cell in finished), None),
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
        rates = {seed: Rate.of(each["num_correct"], each["num_evaluated"]) for seed, each in found.items() if each["num_evaluated"]}
        terms = [Term.counted(100, "", seed, rate) for seed, rate in rates.items()]
        values = {seed: 100 * float(rate) for seed, rate in rates.items()}
        intervals = [(100 * rate.interval[0], 100 * rate.interval[1]) for rate in rates.values()]
        counts = [Count(num_evaluated=rate.num_evaluated, num_correct=rate.num_correct) for rate in rates.values()]
    else:
        found = {seed: each for seed, each in found.items() if each["score"] is not None}
        values = {seed: each["score"] for seed, each in found.items()}
        # Student's interval of the mean of several.
        terms = [Term(1, "", 0, list(values.values()))]
        intervals = [(each["low"], math.inf if each["high"] is None else each["high"]) for each in found.values()]
        counts = [Count(num_evaluated=each["images"]) for each in found.values()]
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
    """Epochs of training of the model that a number is about; an adversarial set belongs to none alone."""
    match cell.job:
        case TrainJob():
            return cell.job.recipe.trained_epochs
        case ScoreJob() | DecisionJob():
            return cell.job.target.recipe.trained_epochs
        case NoiseJob() | ShuffleJob():
            return cell.job.targets[int(cell.value.partition("/")[0])].recipe.trained_epochs
    return None


def _record(job: Job, store: Store) -> JobRecord | None:
    result = store.result(job)
    if result is None:
        return None
    return JobRecord(
        description=describe(job),
        seconds=result["seconds"],
        machine=result["machine"],
        device_type=result["kind_of_device"],
        finished=result["finished"],
        parameters=result.get("parameters"),
    )
