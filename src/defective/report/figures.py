"""Curves and bars as SVG that suits a light and a dark page."""

import io
from collections.abc import Mapping
from itertools import cycle
from typing import Any

from defective.evaluation import Rate

# Distinguishable in every common kind of colour blindness (Okabe and Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_GRAY = "#808080"


def curves(lines: Mapping[str, Mapping[float, Rate]], *, x_label: str, y_label: str) -> str:
    """One curve per name, in percent, with its 95 % intervals; returns SVG text."""
    figure, axes = _axes()
    for colour, (name, points) in zip(cycle(COLOURS), lines.items(), strict=False):
        xs = list(points)
        ys = [100 * rate for rate in points.values()]
        low = [100 * rate.interval[0] for rate in points.values()]
        high = [100 * rate.interval[1] for rate in points.values()]
        axes.plot(xs, ys, marker="o", markersize=4, color=colour, label=name)
        axes.fill_between(xs, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_xticks(list(next(iter(lines.values()))))
    axes.set_xlabel(x_label, color=_GRAY)
    axes.set_ylabel(y_label, color=_GRAY)
    axes.set_ylim(0, 102)
    return _svg(figure)


def bars(groups: Mapping[str, Mapping[str, Rate]], *, y_label: str) -> str:
    """Groups of bars, one bar per name in each group, in percent, with 95 % intervals; returns SVG text."""
    figure, axes = _axes()
    names = list(next(iter(groups.values())))
    width = 0.8 / len(names)
    for number, (colour, name) in enumerate(zip(cycle(COLOURS), names, strict=False)):
        rates = [rates[name] for rates in groups.values()]
        xs = [position + (number - (len(names) - 1) / 2) * width for position in range(len(groups))]
        errors = [
            [100 * (rate - rate.interval[0]) for rate in rates],
            [100 * (rate.interval[1] - rate) for rate in rates],
        ]
        heights = [100 * rate for rate in rates]
        axes.bar(xs, heights, width * 0.92, yerr=errors, color=colour, label=name, ecolor=_GRAY, capsize=2)
    axes.set_xticks(range(len(groups)), [group.replace(" ", "\n", 1) for group in groups])
    axes.set_ylabel(y_label, color=_GRAY)
    axes.set_ylim(0, 102)
    return _svg(figure)


def _axes() -> tuple[Any, Any]:
    # Not pyplot: a figure of its own needs no display and leaves no global state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 3.0), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GRAY)
    axes.tick_params(colors=_GRAY)
    axes.patch.set_alpha(0)
    return figure, axes


def _svg(figure: Any) -> str:
    from matplotlib import rc_context

    # Above the axes, where no bar or curve lies behind the names.
    figure.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=_GRAY)
    buffer = io.StringIO()
    # Text stays text, so that the page can colour it; the salt gives equal figures equal bytes.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "defective"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    _, start, rest = buffer.getvalue().partition("<svg")
    return start + rest
