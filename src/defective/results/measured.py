"""What was measured of an exhibit, beside what was published."""

from collections.abc import Iterable
from dataclasses import replace

from defective.experiments.describe import describe
from defective.experiments.plan import Plan, read_plan
from defective.experiments.store import Store, name_of
from defective.paper import EXHIBITS, Cell, Exhibit, exhibits
from defective.paper.controls import controls
from defective.results.claim_evaluation import ClaimEvaluator, once_per_job
from defective.results.control import Controls
from defective.results.documents import CellResult, Difference, ExhibitResult, JobRecord, Measured, RowLabel
from defective.results.values import Value, estimate, values
from defective.specs import Job, ScoreJob
from defective.statistics import Estimate, SeedVariance, difference


def documents(plan: Plan, store: Store) -> list[ExhibitResult]:
    """One document for each exhibit of a plan, see :func:`document`."""
    return [document(exhibit, plan, store) for exhibit in exhibits(list(plan.exhibits))]


def document(exhibit: Exhibit, plan: Plan, store: Store) -> ExhibitResult:
    """All that is known of one exhibit at one scale."""
    claims, control = ClaimEvaluator(plan, store), Controls(store)
    cells = plan.of(exhibit)
    jobs = {name_of(cell.job): cell.job for each in cells.values() for cell in each}
    columns = {column: [each for place, each in cells.items() if place[1] == column] for column in exhibit.columns}
    variances = {column: control.seed_variance(numbers) for column, numbers in columns.items()}
    places = [(row.name, column) for row in exhibit.rows for column in exhibit.columns]
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
        cells=tuple(_cell(exhibit, place, cells.get(place, []), store, control, variances[place[1]]) for place in places),
        at_chance=once_per_job(each for job in jobs.values() for each in claims.at_chance.of(job)),
        claims=tuple(claims.evaluate(claim, exhibit) for claim in exhibit.claims),
        jobs={name: record for name, job in (jobs | _control_jobs(cells)).items() if (record := _record(job, store)) is not None},
    )


def best_documents(store: Store) -> list[ExhibitResult]:
    """A document for each exhibit, scale and data set of which anything is there."""
    found = (document(EXHIBITS[name], plan, store) for (name, _, _), plan in best_plans(map(read_plan, store.plans())).items())
    return [made for made in found if made.jobs]


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


def _control_jobs(cells: dict[tuple[str, str], list[Cell]]) -> dict[str, Job]:
    found = (job for each in cells.values() for seed, cell in enumerate(each) for job in controls(cell, 2 * seed))
    return {name_of(each): each for job in found for each in (job, job.target)}


def _cell(
    exhibit: Exhibit,
    place: tuple[str, str],
    cells: list[Cell],
    store: Store,
    control: Controls,
    variance: SeedVariance | None,
) -> CellResult:
    published = exhibit.published(*place)
    found = values(cells, store, exhibit.unit)
    measured = estimate(found, exhibit.unit)
    of_all = [replace(cell, value="all") for cell in cells if isinstance(cell.job, ScoreJob) and cell.value == "paper"]
    apart = None if measured is None or published is None else difference(measured, Estimate.exact(published))
    return CellResult(
        row=place[0],
        column=place[1],
        published=published,
        measured=_measured(found, exhibit.unit),
        difference=None if apart is None else Difference(**apart._asdict()),
        jobs=tuple(name_of(cell.job) for cell in cells if store.result(cell.job) is not None),
        all=_measured(values(of_all, store, exhibit.unit), exhibit.unit),
        control=control.of(cells, variance),
    )


def _measured(found: dict[int, Value], unit: str) -> Measured | None:
    measured = estimate(found, unit)
    if measured is None:
        return None
    return Measured(
        mean=measured.mean,
        low=measured.interval[0],
        high=measured.interval[1],
        values=measured.values,
        intervals=measured.intervals,
        counts=tuple(value.images for value in found.values()),
    )


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
    )
