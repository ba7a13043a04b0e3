"""What was measured of an exhibit, beside what was published, as one JSON document."""

import math
from collections.abc import Iterable
from typing import Any

from defective.experiments.describe import describe
from defective.experiments.plan import Plan, read_plan
from defective.experiments.store import Store, name_of
from defective.paper import EXHIBITS, Cell, Exhibit, exhibits
from defective.results.claim_evaluation import ClaimEvaluator, each_once
from defective.results.values import estimate, values
from defective.specs import Job
from defective.statistics import Estimate, difference

Document = dict[str, Any]


def documents(plan: Plan, store: Store) -> list[Document]:
    """One document for each exhibit of a plan, see :func:`document`."""
    return [document(exhibit, plan, store) for exhibit in exhibits(list(plan.exhibits))]


def document(exhibit: Exhibit, plan: Plan, store: Store) -> Document:
    """All that is known of one exhibit at one scale.

    Returns:
        ``exhibit``, ``title``, ``caption``, ``where``, ``unit``, ``view``, ``columns``, ``notes``; ``scale``, ``seeds``; by kind, the
        name of the ``data`` and its ``readers``; ``rows``: name and label; ``cells``: row, column, ``published``, ``measured`` (None
        if not yet, else values of each seed with intervals and counts, their mean and interval), ``difference`` with its interval and
        the names of the jobs; ``at_chance``: the models among them that are no better than chance, see
        :class:`defective.results.at_chance.AtChanceFilter`; ``claims``, see
        :meth:`defective.results.claim_evaluation.ClaimEvaluator.evaluate`; ``jobs``: what each of those jobs was, how long it took and
        where. A bound may be infinite.
    """
    claims = ClaimEvaluator(plan, store)
    cells = plan.of(exhibit)
    found = {place: _cell(exhibit, place, cells.get(place, []), store) for place in _places(exhibit)}
    jobs = {name_of(cell.job): cell.job for each in cells.values() for cell in each}
    return {
        "exhibit": exhibit.name,
        "title": exhibit.title,
        "caption": exhibit.caption,
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
        "at_chance": each_once(entry for job in jobs.values() for entry in claims.at_chance.of(job)),
        "claims": [claims.evaluate(claim, exhibit) for claim in exhibit.claims],
        "jobs": {name: _job(job, store) for name, job in jobs.items() if store.result(job) is not None},
    }


def best_documents(store: Store) -> list[Document]:
    """A document for each exhibit, scale and data set of which anything is there."""
    found = (document(EXHIBITS[name], plan, store) for (name, _, _), plan in best_plans(map(read_plan, store.plans())).items())
    return [made for made in found if made["jobs"]]


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
    found = values(cells, store, exhibit.unit)
    measured = estimate(found, exhibit.unit)
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
            "counts": [value["counts"] for value in found.values()],
        },
        "difference": moved and moved._asdict(),
        "jobs": [name_of(cell.job) for cell in cells if store.result(cell.job) is not None],
    }


def _job(job: Job, store: Store) -> Document:
    result = store.result(job) or {}
    return {"about": describe(job), **{key: result.get(key) for key in ("seconds", "machine", "kind_of_device", "finished")}}
