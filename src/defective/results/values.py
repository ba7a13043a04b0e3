"""Stored results as numbers with intervals, in the unit of their exhibit."""

import math
from typing import NamedTuple

from defective.experiments.store import Store
from defective.paper import Cell
from defective.results.documents import Count
from defective.statistics import Estimate, Rate


class Value(NamedTuple):
    """The measured value of one seed in the exhibit's unit, its interval, and how many images it is of."""

    value: float
    interval: tuple[float, float]
    images: Count


def values(cells: list[Cell], store: Store, unit: str) -> dict[int, Value]:
    """Seed to value, of the seeds that were measured and where images could be counted."""
    return {seed: value for seed, cell in enumerate(cells) if (value := _value(cell, store, unit)) is not None}


def estimate(found: dict[int, Value], unit: str) -> Estimate | None:
    """The values of several seeds as one estimate; None if there is none."""
    if not found:
        return None
    each = found.values()
    limits = (0.0, 100.0 if unit == "%" else math.inf)
    return Estimate(tuple(value.value for value in each), tuple(value.interval for value in each), tuple(found), limits)


def measured(cells: list[Cell], store: Store, unit: str) -> Estimate | None:
    """What cells hold, one for each seed, as one estimate."""
    return estimate(values(cells, store, unit), unit)


def _value(cell: Cell, store: Store, unit: str) -> Value | None:
    result = store.result(cell.job)
    if result is None:
        return None
    found = result["values"][cell.value]
    if unit == "%":
        rate = Rate.of(found["num_correct"], found["num_evaluated"])
        low, high = rate.interval
        count = Count(num_evaluated=rate.num_evaluated, num_correct=rate.num_correct)
        return Value(100 * float(rate), (100 * low, 100 * high), count) if rate.num_evaluated else None
    if found["score"] is None:
        return None
    high = math.inf if found["high"] is None else found["high"]
    return Value(found["score"], (found["low"], high), Count(num_evaluated=found["images"]))
