"""What was measured of an exhibit, beside what was published, as one JSON document."""

import math
from collections.abc import Iterable
from typing import Any

from defective.campaign.chance import Chance, Entry
from defective.campaign.describe import describe
from defective.campaign.paired import Pairs
from defective.campaign.plan import Plan, read_plan
from defective.campaign.store import Store, name_of
from defective.evaluation import Rate
from defective.paper import EXHIBITS, Cell, Claim, Comparison, Estimate, Exhibit, exhibits, judge
from defective.paper.claims import Judgement, Ref, Verdict, difference, overall
from defective.specs import Job

Document = dict[str, Any]


def documents(plan: Plan, store: Store) -> list[Document]:
    """One document for each exhibit of a plan, see :func:`document`."""
    return [document(exhibit, plan, store) for exhibit in exhibits(list(plan.exhibits))]


def document(exhibit: Exhibit, plan: Plan, store: Store) -> Document:
    """All that is known of one exhibit at one scale.

    Returns:
        ``exhibit``, ``title``, ``where``, ``unit``, ``view``, ``columns``, ``notes``; ``scale``, ``seeds``; by kind, the name of the
        ``data`` and its ``readers``; ``rows``: name and label; ``cells``: row, column, ``published``, ``measured`` (None if not yet,
        else values of each seed with intervals and counts, their mean and interval), ``difference`` with its interval and the names of
        the jobs; ``at_chance``: the nets among them that are no better than chance, see :class:`defective.campaign.chance.Chance`;
        ``claims`` with verdicts and the nets at chance that they rest on; ``jobs``: what each of those jobs was, how long it took and
        where. A bound may be infinite.
    """
    chance, pairs = Chance(plan, store), Pairs(store)
    cells = plan.of(exhibit)
    found = {place: _cell(exhibit, place, cells.get(place, []), store) for place in _places(exhibit)}
    jobs = {name_of(cell.job): cell.job for each in cells.values() for cell in each}
    return {
        "exhibit": exhibit.name,
        "title": exhibit.title,
        "where": exhibit.where,
        "unit": exhibit.unit,
        "view": exhibit.view,
        "columns": list(exhibit.columns),
        "rows": [{"name": row.name, "label": row.label} for row in exhibit.rows],
        "notes": list(exhibit.notes),
        "scale": plan.scale,
        "data": {kind: plan.data[kind] for kind in plan.kinds(exhibit)},
        "readers": {kind: plan.readers[kind] for kind in plan.kinds(exhibit) if kind in plan.readers},
        "seeds": plan.seeds,
        "cells": list(found.values()),
        "at_chance": _each_once(entry for job in jobs.values() for entry in chance.of(job)),
        "claims": [_claim(claim, exhibit, plan, store, chance, pairs) for claim in exhibit.claims],
        "jobs": {name: _job(job, store) for name, job in jobs.items() if store.result(job) is not None},
    }


def best_documents(store: Store) -> list[Document]:
    """A document for each exhibit, scale and data set of which anything is there."""
    found = (document(EXHIBITS[name], plan, store) for (name, _, _), plan in best_plans(map(read_plan, store.plans())).items())
    return [made for made in found if made["jobs"]]


def best_plans(plans: Iterable[Plan]) -> dict[tuple[str, str, str], Plan]:
    """(exhibit, scale, data set) to the plan with the most seeds, of several alike to the one with the most data sets for it."""
    best: dict[tuple[str, str, str], tuple[tuple[int, ...], Plan]] = {}
    for plan in plans:
        for exhibit in exhibits(list(plan.exhibits)):
            key = (exhibit.name, plan.scale, plan.data.get(exhibit.data, ""))
            # Sets that the exhibit is not measured on come last: claims may reach into exhibits that are.
            worth = (plan.seeds, len(plan.kinds(exhibit)), len(plan.data))
            if key not in best or worth > best[key][0]:
                best[key] = worth, plan
    return {key: plan for key, (_, plan) in best.items()}


def plain(value: Any) -> Any:
    """The same for JSON, which knows no infinity: None is a bound that lies nowhere.

    Example:
        >>> plain({"low": 0.5, "high": float("inf"), "intervals": [[0.5, float("inf")]]})
        {'low': 0.5, 'high': None, 'intervals': [[0.5, None]]}
    """
    match value:
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case list():
            return [plain(each) for each in value]
        case float() if not math.isfinite(value):
            return None
    return value


def _places(exhibit: Exhibit) -> list[tuple[str, str]]:
    return [(row.name, column) for row in exhibit.rows for column in exhibit.columns]


def _cell(exhibit: Exhibit, place: tuple[str, str], cells: list[Cell], store: Store) -> Document:
    published = exhibit.published(*place)
    values = _values(cells, store, exhibit.unit)
    measured = estimate(values)
    moved = None if measured is None or published is None else difference(measured, Estimate.exact(published))
    return {
        "row": place[0],
        "column": place[1],
        "published": published,
        "measured": None
        if measured is None
        else {
            "mean": measured.mean,
            "low": measured.interval[0],
            "high": measured.interval[1],
            "values": list(measured.values),
            "intervals": [list(interval) for interval in measured.intervals],
            "counts": [value["counts"] for value in values.values()],
        },
        "difference": _interval(moved),
        "jobs": [name_of(cell.job) for cell in cells if store.result(cell.job) is not None],
    }


def _value(cell: Cell, store: Store, unit: str) -> Document | None:
    """The measured value of one seed in the exhibit's unit; None if it was not measured or nothing could be counted."""
    result = store.result(cell.job)
    if result is None:
        return None
    counts = result["values"][cell.value]
    if unit == "%":
        rate = Rate.of(counts["hits"], counts["total"])
        low, high = rate.interval
        return {"value": 100 * rate, "low": 100 * low, "high": 100 * high, "counts": counts} if rate.total else None
    if counts["score"] is None:
        return None
    high = counts["high"] if counts["high"] is not None else float("inf")
    return {"value": counts["score"], "low": counts["low"], "high": high, "counts": {"images": counts["images"]}}


def _values(cells: list[Cell], store: Store, unit: str) -> dict[int, Document]:
    """Seed to value, of the seeds that were measured."""
    return {seed: value for seed, cell in enumerate(cells) if (value := _value(cell, store, unit)) is not None}


def estimate(values: dict[int, Document]) -> Estimate | None:
    """The values of several seeds as one estimate; None if there is none."""
    if not values:
        return None
    each = values.values()
    return Estimate(tuple(value["value"] for value in each), tuple((value["low"], value["high"]) for value in each), tuple(values))


def _claim(claim: Claim, exhibit: Exhibit, plan: Plan, store: Store, chance: Chance, pairs: Pairs) -> Document:
    def place(ref: Ref) -> tuple[Exhibit, str, str]:
        other, row, column = ref if len(ref) == 3 else (exhibit.name, *ref)
        return EXHIBITS[other], row, column

    def cells(ref: Ref) -> list[Cell]:
        other, row, column = place(ref)
        return plan.of(other).get((row, column), []) if other.data in plan.data else []

    def measured(ref: Ref) -> Estimate | None:
        return estimate(_values(cells(ref), store, place(ref)[0].unit))

    def correlation(left: Ref, right: Ref) -> float:
        both = [each for each in zip(cells(left), cells(right), strict=False) if all(store.result(cell.job) for cell in each)]
        return pairs.correlation(*both[0]) if len(both) == 1 else 0.0

    def published(ref: Ref) -> Estimate | None:
        other, row, column = place(ref)
        number = other.published(row, column)
        return None if number is None else Estimate.exact(number)

    judgements = judge(claim, measured, correlation)
    of_numbers = [each.verdict for each in judge(claim, published)]
    doubted = [[entry for ref in _refs(each) for cell in cells(ref) for entry in chance.of(cell.job)] for each in claim.comparisons]
    # Whatever its numbers are: a net that learned nothing bears no claim out, and refutes none.
    verdicts = [_doubt(each.verdict) if nets else each.verdict for each, nets in zip(judgements, doubted, strict=True)]
    return {
        "text": claim.text,
        "where": claim.where,
        "verdict": overall(verdicts),
        "at_chance": _each_once(entry for nets in doubted for entry in nets),
        "counts": {each: verdicts.count(each) for each in dict.fromkeys(verdicts)},
        "published": {
            "verdict": overall(of_numbers),
            "counts": {each: of_numbers.count(each) for each in dict.fromkeys(of_numbers)},
        },
        "comparisons": [
            _comparison(comparison, here, judgement, there)
            for comparison, here, judgement, there in zip(claim.comparisons, verdicts, judgements, of_numbers, strict=True)
        ],
    }


def _refs(comparison: Comparison) -> list[Ref]:
    return [side for side in (comparison.left, comparison.right) if isinstance(side, tuple)]


def _doubt(verdict: Verdict) -> Verdict:
    return "undecided" if verdict in ("holds", "fails") else verdict


def _each_once(entries: Iterable[Entry]) -> list[Entry]:
    return list({entry["job"]: entry for entry in entries}.values())


def _comparison(comparison: Comparison, verdict: str, judgement: Judgement, published: str) -> Document:
    return {
        "left": list(comparison.left),
        "right": list(comparison.right) if isinstance(comparison.right, tuple) else comparison.right,
        "within": comparison.within,
        "difference": _interval(judgement.difference),
        "verdict": verdict,
        "published": published,
    }


def _interval(found: tuple[float, float, float] | None) -> Document | None:
    return None if found is None else dict(zip(("mean", "low", "high"), found, strict=True))


def _job(job: Job, store: Store) -> Document:
    result = store.result(job) or {}
    return {"about": describe(job), **{key: result.get(key) for key in ("seconds", "machine", "kind_of_device", "finished")}}
