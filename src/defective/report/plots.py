"""Measured against published numbers, exhibit by exhibit, as figures."""

import math
import textwrap
from collections.abc import Iterator
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from defective.experiments.store import Store
from defective.figures import COLOURS, GRAY, dress, legend
from defective.results.documents import ExhibitResult, Measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.2
SMALL = 7.0
_MEASURED, _PUBLISHED = COLOURS[0], GRAY
_INTERVALS = "measured, 95\N{NO-BREAK SPACE}% intervals"


def plot(result: ExhibitResult, store: Store) -> "Figure | None":
    """The figure of an exhibit; None if nothing was measured or its view is no plot.

    Args:
        result: What was measured.
        store: Where the training histories lie.
    """
    views = {"table": _table, "scatter": _scatter, "trade-off": _trade_off, "curves": _curves}
    if not any(cell.measured for cell in result.cells) or result.view not in (*views, "training"):
        return None
    return views[result.view](result) if result.view in views else _training(result, store)


def _table(result: ExhibitResult) -> "Figure":
    """A panel a column, rows downwards: published hollow, measured filled with its interval."""
    from matplotlib.lines import Line2D

    columns, count = result.columns, len(result.rows)
    # More panels beside each other would run into one another.
    lines = math.ceil(len(columns) / 8)
    across = math.ceil(len(columns) / lines)
    figure = _figure(min(WIDTH, 2.4 + 1.6 * across), lines * (0.6 + 0.165 * count) + 0.45)
    panels = figure.subplots(lines, across, sharex=True, sharey=True, squeeze=False).flatten()
    for axes, column in zip(panels, columns, strict=False):
        _panel(axes, result, column)
    for axes in panels[len(columns) :]:
        axes.set_visible(False)
    panels[0].set_yticks(range(count), [row.label for row in result.rows])
    panels[0].set_ylim(count - 0.5, -0.5)
    _scale(panels[0], result)
    figure.supxlabel("%" if result.unit == "%" else f"{result.unit}, log scale", fontsize=SMALL)
    seeds = ", small: each seed" if result.seeds > 1 else ""
    marks = {"published": _PUBLISHED} if "published" in result.kinds else {}
    marks |= {f"measured, 95\N{NO-BREAK SPACE}% interval{seeds}": _MEASURED}
    legend(figure, handles=[Line2D([], [], **_style(colour), label=name) for name, colour in marks.items()], fontsize=SMALL)
    return figure


def _panel(axes: "Axes", result: ExhibitResult, column: str) -> None:
    cells = dict(enumerate(cell for cell in result.cells if cell.column == column))
    published = {y: cell.published for y, cell in cells.items() if cell.published is not None}
    measured = {y: cell.measured for y, cell in cells.items() if cell.measured is not None}
    both = published.keys() & measured.keys()
    axes.hlines([*both], [published[y] for y in both], [measured[y].mean for y in both], color=GRAY, linewidth=0.6, alpha=0.5)
    axes.plot([*published.values()], [*published], **_style(_PUBLISHED), label="published")
    lows, highs = (np.clip([getattr(each, end) for each in measured.values()], *_bounds(result)) for end in ("low", "high"))
    axes.hlines([*measured], lows, highs, color=_MEASURED, linewidth=1.6, alpha=0.6, label="intervals")
    if result.seeds > 1:
        dots = [(value, y) for y, each in measured.items() for value in each.values]
        axes.plot([value for value, _ in dots], [y for _, y in dots], ".", markersize=2, color=_MEASURED, label="seeds")
    axes.plot([each.mean for each in measured.values()], [*measured], **_style(_MEASURED), label="measured")
    axes.set_title("\n".join(textwrap.wrap(result.column_label(column), 12)), fontsize=SMALL)
    axes.grid(color=GRAY, alpha=0.18, linewidth=0.5)
    axes.set_axisbelow(True)
    _dress(axes)
    axes.tick_params(labelbottom=True)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _bounds(result: ExhibitResult) -> tuple[float, float]:
    """Ends of the axis: 0 and 100 for shares, beyond all finite numbers for scores."""
    if result.unit == "%":
        return 0.0, 100.0
    numbers = [cell.published for cell in result.cells]
    numbers += [getattr(cell.measured, key) for cell in result.cells if cell.measured for key in ("mean", "low", "high")]
    finite = [number for number in numbers if number is not None and 0 < number < math.inf]
    return min(finite) / 2, max(finite) * 2


def _scale(axes: "Axes", result: ExhibitResult) -> None:
    low, high = _bounds(result)
    if result.unit == "%":
        axes.set_xticks(range(0, 101, 25 if len(result.columns) <= 4 else 50))
        axes.set_xlim(low - 4, high + 4)
    else:
        from matplotlib.ticker import NullFormatter

        axes.set_xscale("log")
        axes.set_xlim(low, high)
        # Within a decade or two matplotlib names the minor ticks too, one over another.
        axes.xaxis.set_minor_formatter(NullFormatter())


def _scatter(result: ExhibitResult) -> "Figure":
    """The second column, a defence rate, against the first, each point with its row's label."""
    across, up = result.columns
    figure, axes = _single(f"{across}, {result.unit}", f"defence rate under {up}, {result.unit}")
    pairs = {row.label: (result.cell(row.name, across), result.cell(row.name, up)) for row in result.rows}
    published = {
        label: (x.published, y.published) for label, (x, y) in pairs.items() if x.published is not None and y.published is not None
    }
    measured = {label: (x.measured, y.measured) for label, (x, y) in pairs.items() if x.measured and y.measured}
    if published:
        axes.plot(*zip(*published.values(), strict=True), **_style(_PUBLISHED, "--"), label="published")
    for x, y in measured.values():
        axes.errorbar(x.mean, y.mean, xerr=_error(x), yerr=_error(y), color=_MEASURED, alpha=0.6)
    points = {label: (x.mean, y.mean) for label, (x, y) in measured.items()}
    if points:
        axes.plot(*zip(*points.values(), strict=True), **_style(_MEASURED, "-"), label=_INTERVALS)
    # Measured names to the right and upwards, published ones to the left and downwards: such curves fall.
    _name_points(figure, {1: points, -1: published})
    return figure


def _trade_off(result: ExhibitResult) -> "Figure":
    """The lowest number of a row against that in the last column, its accuracy; in gray the plain model of equal accuracy."""
    figure, axes = _single(f"{result.columns[-1]}, {result.unit}", f"correct under the strongest attacker, {result.unit}")
    points: dict[str, tuple[float, float]] = {}
    for row in result.rows:
        *attacked, accuracy = (result.cell(row.name, column) for column in result.columns)
        worst = min((cell for cell in attacked if cell.measured), key=lambda cell: cell.measured.mean, default=None)  # type: ignore[union-attr]
        if worst is None or not (accuracy.measured and worst.measured):
            continue
        x, y = accuracy.measured, worst.measured
        points[row.label] = x.mean, y.mean
        axes.errorbar(x.mean, y.mean, xerr=_error(x), yerr=_error(y), **_style(_MEASURED), label=_INTERVALS)
        # Under its own strongest attacker, as the model itself.
        control = min((cell.control for cell in attacked if cell.control), key=lambda found: found.rate, default=None)
        if control:
            axes.plot(control.accuracy, control.rate, **_style(_PUBLISHED), label="plain model of equal accuracy")
    _name_points(figure, {1: points})
    return figure


def _curves(result: ExhibitResult) -> "Figure":
    """One line a row over the columns, whose names are numbers."""
    figure, axes = _single("standard deviation σ of the noise, in levels of 255", f"accuracy, {result.unit}")
    for colour, row in zip(cycle(COLOURS), result.rows, strict=False):
        measured = {float(cell.column): cell.measured for cell in result.cells if cell.row == row.name and cell.measured}
        if measured:
            low, high = ([getattr(at, end) for at in measured.values()] for end in ("low", "high"))
            axes.plot([*measured], [at.mean for at in measured.values()], marker="o", markersize=4, color=colour, label=row.label)
            axes.fill_between([*measured], low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_xticks([float(column) for column in result.columns])
    axes.set_ylim(0, 102)
    legend(figure, fontsize=SMALL)
    return figure


def _training(result: ExhibitResult, store: Store) -> "Figure | None":
    """A panel a column: accuracy in training (dashed) and test (solid) by epoch, each seed a line."""
    from matplotlib.ticker import MaxNLocator

    columns = [column for column in result.columns if any(_histories(result, store, column))]
    if not columns:
        return None
    figure = _figure(min(WIDTH, 3.6 * len(columns) + 1.2), 3.2)
    handles: dict[str, Any] = {}
    for axes, column in zip(figure.subplots(1, len(columns), sharey=True, squeeze=False).flat, columns, strict=True):
        _dress(axes, "epoch")
        for colour, label, history in _histories(result, store, column):
            epochs = [row["epoch"] for row in history]
            for part, line in (("train", "--"), ("test", "-")):
                shares = [100 * row[f"{part}_accuracy"] for row in history]
                name = f"{label}, {part}"
                (handles[name],) = axes.plot(epochs, shares, line, color=colour, linewidth=1.3, label=name)
        axes.set_title(column, fontsize=SMALL + 1)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(color=GRAY, alpha=0.18, linewidth=0.5)
    figure.axes[0].set_ylabel("accuracy, %", fontsize=SMALL + 1)
    legend(figure, handles=[*handles.values()], fontsize=SMALL, columns=4)
    return figure


def _histories(result: ExhibitResult, store: Store, column: str) -> Iterator[tuple[str, str, list[dict[str, float]]]]:
    """Colour, label and epochs of each trained model of a column."""
    looks = {row.name: (colour, row.label) for row, colour in zip(result.rows, cycle(COLOURS), strict=False)}
    for cell in result.cells:
        for job in cell.jobs if cell.column == column else ():
            history = (store.result(job) or {}).get("history", [])
            # Training without test images after each epoch has no curve.
            if history and all(row.get("test_accuracy") is not None for row in history):
                yield *looks[cell.row], history


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _single(across: str, up: str) -> "tuple[Figure, Axes]":
    figure = _figure(4.4, 3.6)
    axes = figure.subplots()
    _dress(axes, across, up)
    return figure, axes


def _dress(axes: "Axes", across: str = "", up: str = "") -> None:
    dress(axes)
    axes.tick_params(labelsize=SMALL)
    axes.set_xlabel(across, fontsize=SMALL + 1)
    axes.set_ylabel(up, fontsize=SMALL + 1)


def _style(colour: str, line: str = "") -> dict[str, Any]:
    face = "none" if colour == _PUBLISHED else colour
    width = {"linewidth": 0.9} if line else {}
    return {"linestyle": line or "none", "marker": "o", "markersize": 3.8, "color": colour, "markerfacecolor": face, **width}


def _error(measured: Measured) -> list[list[float]]:
    return [[max(0.0, measured.mean - measured.low)], [max(0.0, measured.high - measured.mean)]]


def _name_points(figure: "Figure", points: dict[int, dict[str, tuple[float, float]]]) -> None:
    """Name what the marks mean, and each point, by the side that its name stands on."""
    (axes,) = figure.axes
    axes.margins(0.1)
    handles, labels = axes.get_legend_handles_labels()
    legend(figure, handles=[*dict(zip(labels, handles, strict=True)).values()], fontsize=SMALL)
    # Where points lie on paper, and so how close, the layout decides.
    figure.draw_without_rendering()
    for side, named in points.items():
        _names(axes, named, side)


def _names(axes: "Axes", points: dict[str, tuple[float, float]], side: int) -> None:
    """Names right above their points (1) or left below them (-1), one line apart at least; a moved one has a line to its point."""
    heights = {label: side * axes.transData.transform(point)[1] * 72 / axes.figure.dpi for label, point in points.items()}
    last = -math.inf
    for label in sorted(points, key=heights.__getitem__):
        own = heights[label] + 4
        last = max(own, last + SMALL)
        moved = last > own + 1
        axes.annotate(
            label,
            points[label],
            (side * (16 if moved else 4), side * (last - heights[label])),
            textcoords="offset points",
            fontsize=SMALL - 0.5,
            ha="left" if side > 0 else "right",
            va="bottom" if side > 0 else "top",
            arrowprops={"arrowstyle": "-", "color": GRAY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2} if moved else None,
        )
