"""Stored results as numbers with intervals, in the unit of their exhibit."""

import math

from defective.experiments.store import Document, Store
from defective.paper import Cell
from defective.statistics import Estimate, Rate


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


def values(cells: list[Cell], store: Store, unit: str) -> dict[int, Document]:
    """Seed to value, of the seeds that were measured."""
    return {seed: value for seed, cell in enumerate(cells) if (value := _value(cell, store, unit)) is not None}


def estimate(found: dict[int, Document], unit: str) -> Estimate | None:
    """The values of several seeds as one estimate; None if there is none."""
    if not found:
        return None
    each = found.values()
    limits = (0.0, 100.0 if unit == "%" else math.inf)
    intervals = tuple((value["low"], value["high"]) for value in each)
    return Estimate(tuple(value["value"] for value in each), intervals, tuple(found), limits)


def measured(cells: list[Cell], store: Store, unit: str) -> Estimate | None:
    """What cells hold, one for each seed, as one estimate."""
    return estimate(values(cells, store, unit), unit)
