"""Numbers of an exhibit as cells of a page: shown rounded, held in full for scripts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from defective.report.wording import some_seeds
from defective.results.documents import CellResult, ExhibitResult
from defective.tables import interval, number

# Differences this large have the full tint: points of percent, or shares of the published score.
_FULL = {"%": 50.0, "S(M)": 1.0}
_STRONGEST = 36


@dataclass(frozen=True)
class PageNumber:
    """A number on the page.

    Attributes:
        text: The rounded number.
        interval: Its 95 % interval; empty if it has none.
        seeds: How many seeds it is of, where it is not all.
        css: Class of its cell.
        tint: Strength of the background in %.
        data: Full precision and provenance, as ``data-`` attributes.
    """

    text: str
    data: Mapping[str, str]
    interval: str = ""
    seeds: str = ""
    css: str = ""
    tint: int = 0


def page_numbers(cell: CellResult, result: ExhibitResult) -> dict[str, PageNumber]:
    """What a cell shows: ``published``, ``measured``, ``difference``, as far as they are there."""
    found = {
        "published": _published(cell, result.unit),
        "measured": _measured(cell, result),
        "difference": _difference(cell, result.unit),
    }
    return {kind: each for kind, each in found.items() if each is not None}


def _published(cell: CellResult, unit: str) -> PageNumber | None:
    if cell.published is None:
        return None
    return PageNumber(number(cell.published, unit, digits=2), {"value": exact(cell.published)})


def _measured(cell: CellResult, result: ExhibitResult) -> PageNumber | None:
    found = cell.measured
    if found is None:
        return None
    counts = (
        f"{each.num_evaluated}" if each.num_correct is None else f"{each.num_correct}/{each.num_evaluated}" for each in found.counts
    )
    data = {
        "value": exact(found.mean),
        "low": exact(found.low),
        "high": exact(found.high),
        "values": " ".join(map(exact, found.values)),
        "intervals": " ".join(":".join(map(exact, bounds)) for bounds in found.intervals),
        "counts": " ".join(counts),
        "jobs": " ".join(cell.jobs),
    }
    unit = result.unit
    return PageNumber(number(found.mean, unit), data, interval(found.low, found.high, unit), some_seeds(cell, result))


def _difference(cell: CellResult, unit: str) -> PageNumber | None:
    found = cell.difference
    if found is None:
        return None
    full = _FULL[unit] * (1 if unit == "%" else abs(cell.published or 0) or 1)
    return PageNumber(
        number(found.mean, unit, signed=True),
        {"value": exact(found.mean), "low": exact(found.low), "high": exact(found.high)},
        interval(found.low, found.high, unit, signed=True),
        css=("up" if found.mean > 0 else "down") if found.significant else "within",
        tint=round(_STRONGEST * min(1.0, abs(found.mean) / full)) if found.significant else 0,
    )


def exact(value: float) -> str:
    """A number in full precision, as programs read it.

    Example:
        >>> exact(46.2), exact(float("inf"))
        ('46.2', 'Infinity')
    """
    return repr(float(value)) if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
