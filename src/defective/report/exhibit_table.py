"""The tables of an exhibit: published and measured numbers side by side."""

from defective.report.wording import missing, sample, setting, some_seeds, warnings
from defective.results.documents import CellResult, ExhibitResult
from defective.tables import DASH, Table, interval, number

_UNITS = {"%": "In %", "S(M)": "Scores S(M)"}


def exhibit_table(result: ExhibitResult) -> Table:
    """Published and measured numbers with their intervals, as papers print them; no columns if the exhibit has no numbers."""
    kinds = [kind for kind in result.kinds if kind != "difference"]
    rows = tuple(
        (row.label, *(_text(result.cell(row.name, column), kind, result) for column in result.columns for kind in kinds))
        for row in result.rows
    )
    about = (
        f"{_UNITS[result.unit]}. Measured at {', '.join(filter(None, [setting(result), sample(result)]))}, with 95 % intervals; "
    )
    legend = f"{DASH} is not measured or not printed."
    return Table(
        ("", *(kind for _ in result.columns for kind in kinds)) if rows else (),
        rows,
        title=f"{result.heading}. {result.title}.",
        caption=" ".join(filter(None, [result.caption, about + legend, *warnings(result.at_chance)])),
        groups=tuple((result.column_label(column), len(kinds)) for column in result.columns),
        label=result.exhibit,
    )


def compact_table(result: ExhibitResult) -> Table:
    """Published and measured numbers in one cell, for a terminal; intervals only of several seeds."""
    rows = tuple((row.label, *(_pair(result.cell(row.name, column), result) for column in result.columns)) for row in result.rows)
    first = "published | measured" if "published" in result.kinds else "measured"
    return Table(
        (first, *map(result.column_label, result.columns)),
        rows,
        title=f"{result.exhibit}: {result.title} ({result.scale}, {', '.join(result.data.values())})",
        notes=(f"Mean of {result.seeds} seeds and its 95 % interval.",) if result.seeds > 1 else (),
    )


def _text(cell: CellResult, kind: str, result: ExhibitResult) -> str:
    if kind == "published":
        return DASH if cell.published is None else number(cell.published, result.unit, digits=2)
    return _measured(cell, result)


def _pair(cell: CellResult, result: ExhibitResult) -> str:
    found = _measured(cell, result) if cell.measured is None or result.seeds > 1 else number(cell.measured.mean, result.unit)
    return found if cell.published is None else f"{number(cell.published, result.unit)} | {found}"


def _measured(cell: CellResult, result: ExhibitResult) -> str:
    found = cell.measured
    if found is None:
        return missing(cell)
    beside = "; ".join(filter(None, [interval(found.low, found.high, result.unit), some_seeds(cell, result)]))
    return f"{number(found.mean, result.unit)} ({beside})"
