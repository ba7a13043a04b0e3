"""Numbers of an exhibit as cells of a page: shown short, held in full."""

import math
from typing import Any

from defective.report.numbers import bounds, cells_by_place, missing, shown, some_seeds
from defective.results.measured import Document

# Differences this large have the full tint: points of percent, or shares of the published score.
_FULL = {"%": 50.0, "S(M)": 1.0}
_STRONGEST = 36


def rows_of(document: Document) -> list[dict[str, Any]]:
    """The rows of an exhibit's table: for each column what was published, what was measured and the difference, None if missing."""
    cells = cells_by_place(document)
    return [
        {
            "name": row["name"],
            "label": row["label"],
            "cells": [
                {"column": column, "numbers": _numbers(cells[row["name"], column], document)} for column in document["columns"]
            ],
        }
        for row in document["rows"]
    ]


def _numbers(cell: Document, document: Document) -> dict[str, Any]:
    unit = document["unit"]
    published, measured, difference = cell["published"], cell["measured"], cell["difference"]
    return {
        "published": None if published is None else _number(published, unit, "published"),
        "missing": missing(cell),
        "measured": None if measured is None else _measured(cell, unit) | {"seeds": some_seeds(cell, document)},
        "difference": None if difference is None else _difference(difference, published, unit),
    }


def _number(value: float, unit: str, kind: str) -> dict[str, Any]:
    return {"text": shown(value, unit, kind), "interval": "", "class": "", "tint": 0, "data": {"value": exact(value)}}


def _measured(cell: Document, unit: str) -> dict[str, Any]:
    measured = cell["measured"]
    number = _number(measured["mean"], unit, "measured")
    data = {
        "low": exact(measured["low"]),
        "high": exact(measured["high"]),
        "values": " ".join(exact(value) for value in measured["values"]),
        "intervals": " ".join(":".join(exact(bound) for bound in interval) for interval in measured["intervals"]),
        "counts": " ".join(
            f"{each['hits']}/{each['total']}" if "hits" in each else f"{each['images']}" for each in measured["counts"]
        ),
        "jobs": " ".join(cell["jobs"]),
    }
    return number | {"interval": bounds(measured, unit), "data": number["data"] | data}


def _difference(difference: dict[str, float], published: float, unit: str) -> dict[str, Any]:
    mean, low, high = (difference[key] for key in ("mean", "low", "high"))
    number = _number(mean, unit, "difference")
    clear = low > 0 or high < 0
    full = _FULL[unit] * (1 if unit == "%" else abs(published) or 1)
    return number | {
        "interval": bounds(difference, unit, "difference"),
        "class": (" up" if mean > 0 else " down") if clear else " within",
        "tint": round(_STRONGEST * min(1.0, abs(mean) / full)) if clear else 0,
        "data": number["data"] | {"low": exact(low), "high": exact(high)},
    }


def exact(value: float) -> str:
    """A number in full precision, as programs read it.

    Example:
        >>> exact(46.2), exact(float("inf"))
        ('46.2', 'Infinity')
    """
    return repr(float(value)) if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
