"""The tables of an exhibit: published and measured numbers side by side, for papers, the page and a terminal."""

from defective.report.wording import beside, beside_legend, sample, setting, some_seeds, warnings
from defective.results.documents import CellResult, ExhibitResult, Kind
from defective.tables import DASH, NO_IMAGES, Cell, Table, exact, interval, number

_UNITS = {"%": "In %", "S(M)": "Scores S(M)"}
# Differences this large have the full tint: points of percent, or shares of the published score.
_FULL = {"%": 50.0, "S(M)": 1.0}
_STRONGEST = 36


def exhibit_table(result: ExhibitResult) -> Table:
    """Published and measured numbers with their intervals, as papers print them."""
    kinds = tuple(kind for kind in result.kinds if kind != "difference")
    about = (
        f"{_UNITS[result.unit]}. Measured at {', '.join(filter(None, [setting(result), sample(result)]))}, with 95 % intervals; "
    )
    legend = f"{DASH} is not measured or not printed."
    return Table(
        ("", *(kind for _ in result.columns for kind in kinds)),
        _rows(result, kinds),
        title=f"{result.heading}. {result.title}.",
        caption=" ".join(filter(None, [result.caption, about + legend, *beside_legend(result), *warnings(result.at_chance)])),
        groups=tuple((result.column_label(column), len(kinds)) for column in result.columns),
        label=result.exhibit,
    )


def page_table(result: ExhibitResult) -> Table:
    """Published and measured numbers and their differences, each with its full precision and provenance as ``data-`` attributes."""
    kinds, unit = result.kinds, "in %" if result.unit == "%" else result.unit
    single = len(kinds) == 1
    heads = [Cell(result.column_label(column) if single else kind, css=kind) for column in result.columns for kind in kinds]
    return Table(
        (unit, *heads),
        _rows(result, kinds),
        title=f"{result.heading}: {result.title}.",
        caption=" ".join([f"{setting(result)}.", *beside_legend(result)]),
        groups=() if single else tuple((result.column_label(column), len(kinds)) for column in result.columns),
    )


def compact_table(result: ExhibitResult) -> Table:
    """Published and measured numbers in one cell, for a terminal; intervals of rates only of several seeds."""
    rows = tuple((row.label, *(_pair(result.cell(row.name, column), result) for column in result.columns)) for row in result.rows)
    first = "published | measured" if "published" in result.kinds else "measured"
    return Table(
        (first, *map(result.column_label, result.columns)),
        rows,
        title=f"{result.exhibit}: {result.title} ({result.scale}, {', '.join(result.data.values())})",
        notes=((f"Mean of {result.seeds} seeds and its 95 % interval.",) if result.seeds > 1 else ())
        + tuple(beside_legend(result)),
    )


def _pair(cell: CellResult, result: ExhibitResult) -> str:
    found: str = _measured(cell, result)
    if cell.measured is not None and result.seeds == 1:
        found = ", ".join([number(cell.measured.mean, result.unit), *beside(cell)])
    return found if cell.published is None else f"{number(cell.published, result.unit)} | {found}"


def _rows(result: ExhibitResult, kinds: tuple[Kind, ...]) -> tuple[tuple[str, ...], ...]:
    shown = {"published": _published, "measured": _measured, "difference": _difference}
    return tuple(
        (row.label, *(shown[kind](result.cell(row.name, column), result) for column in result.columns for kind in kinds))
        for row in result.rows
    )


def _published(cell: CellResult, result: ExhibitResult) -> Cell:
    if cell.published is None:
        return _cell(cell, result, "published", DASH, aria_label="not printed")
    text = number(cell.published, result.unit, digits=2)
    return _cell(cell, result, "published", text, data_value=exact(cell.published))


def _measured(cell: CellResult, result: ExhibitResult) -> Cell:
    found = cell.measured
    if found is None:
        # Where jobs are finished, no image could be counted.
        text, label = (NO_IMAGES, "") if cell.jobs else (DASH, "not measured")
        return _cell(cell, result, "measured", text, aria_label=label)
    counts = (
        f"{each.num_evaluated}" if each.num_correct is None else f"{each.num_correct}/{each.num_evaluated}" for each in found.counts
    )
    more = filter(None, [some_seeds(cell, result), *beside(cell)])
    return _cell(
        cell,
        result,
        "measured",
        number(found.mean, result.unit),
        interval(found.low, found.high, result.unit),
        *more,
        data_value=exact(found.mean),
        data_low=exact(found.low),
        data_high=exact(found.high),
        data_values=" ".join(map(exact, found.values)),
        data_intervals=" ".join(":".join(map(exact, bounds)) for bounds in found.intervals),
        data_counts=" ".join(counts),
        data_jobs=" ".join(cell.jobs),
    )


def _difference(cell: CellResult, result: ExhibitResult) -> Cell:
    found, unit = cell.difference, result.unit
    if found is None:
        return _cell(cell, result, "difference", DASH, aria_label="none")
    css, tint = "within", 0
    if found.significant:
        full = _FULL[unit] * (1 if unit == "%" else abs(cell.published or 0) or 1)
        css, tint = "up" if found.mean > 0 else "down", round(_STRONGEST * min(1.0, abs(found.mean) / full))
    return _cell(
        cell,
        result,
        f"difference {css}",
        number(found.mean, unit, signed=True),
        interval(found.low, found.high, unit, signed=True),
        data_value=exact(found.mean),
        data_low=exact(found.low),
        data_high=exact(found.high),
        style=f"--tint: {tint}" if tint else "",
    )


def _cell(cell: CellResult, result: ExhibitResult, css: str, text: str, *small: str, **attributes: str) -> Cell:
    keys = {"data_exhibit": result.exhibit, "data_row": cell.row, "data_column": cell.column, "data_kind": css.partition(" ")[0]}
    return Cell(text, *small, css=css, **keys, **{name: value for name, value in attributes.items() if value})
