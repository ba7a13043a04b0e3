"""Bars, and how every figure is dressed: as SVG for a light and a dark page, and as files for a paper."""

import io
from collections.abc import Mapping
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defective.files import write_whole
from defective.statistics import Rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Distinguishable in every common kind of colour blindness (Okabe and Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
GRAY = "#808080"
# No dates and versions in files: equal figures have equal bytes.
_BARE: dict[str, dict[str, None]] = {
    "svg": dict.fromkeys(("Creator", "Date", "Format", "Type")),
    "pdf": dict.fromkeys(("Creator", "Producer", "CreationDate")),
    "png": {"Software": None},
}
# Text stays text, so that a page can colour it and a reader search it; the salt gives equal figures equal bytes.
_FORMS: Any = {"svg.fonttype": "none", "svg.hashsalt": "defective", "pdf.fonttype": 42}


def bars(groups: Mapping[str, Mapping[str, Rate]], *, y_label: str) -> str:
    """Groups of bars, one bar per name in each group, in percent, with 95 % intervals; returns SVG text."""
    # Not pyplot: a figure of its own needs no display and leaves no global state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 3.0), layout="constrained")
    axes = figure.subplots()
    dress(axes)
    names = list(next(iter(groups.values())))
    width = 0.8 / len(names)
    for number, (colour, name) in enumerate(zip(cycle(COLOURS), names, strict=False)):
        rates = [rates[name] for rates in groups.values()]
        xs = [position + (number - (len(names) - 1) / 2) * width for position in range(len(groups))]
        errors = [[100 * abs(rate - rate.interval[end]) for rate in rates] for end in (0, 1)]
        heights = [100 * rate for rate in rates]
        axes.bar(xs, heights, width * 0.92, yerr=errors, color=colour, label=name, ecolor=GRAY, capsize=2)
    axes.set_xticks(range(len(groups)), [group.replace(" ", "\n", 1) for group in groups])
    axes.set_ylabel(y_label)
    axes.set_ylim(0, 102)
    legend(figure)
    return svg(figure)


def dress(axes: "Axes") -> None:
    """Two spines and no background."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.patch.set_alpha(0)


def legend(figure: "Figure", *, columns: int = 3, **what: Any) -> None:
    """Names above the axes, where no bar or curve lies behind them."""
    figure.legend(loc="outside upper left", ncols=columns, frameon=False, **what)


def svg(figure: "Figure") -> str:
    """A figure as SVG text that suits a light and a dark page: no background, text and axes in gray."""
    from matplotlib import rc_context

    _ink(figure, GRAY)
    buffer = io.StringIO()
    with rc_context(_FORMS):
        figure.savefig(buffer, format="svg", transparent=True, metadata=_BARE["svg"])
    _, start, rest = buffer.getvalue().partition("<svg")
    return start + rest


def save(figure: "Figure", path: Path) -> list[Path]:
    """Write a figure for a paper, black on white, as SVG, PDF and PNG; ``path`` has no suffix. Returns the files."""
    from matplotlib import rc_context

    _ink(figure, "black")
    files = {path.with_name(f"{path.name}.{form}"): form for form in _BARE}
    with rc_context(_FORMS):
        for file, form in files.items():
            write_whole(file, partial(figure.savefig, format=form, dpi=300, facecolor="white", metadata=_BARE[form]))
    return list(files)


def _ink(figure: "Figure", colour: str) -> None:
    """Colour all text and axes."""
    from matplotlib.text import Text

    for axes in figure.axes:
        # Ticks are made when the figure is drawn, so their colour has to be known to the axes.
        axes.tick_params(which="both", colors=colour)
        axes.spines[:].set_color(colour)
    for text in figure.findobj(Text):
        text.set_color(colour)
