"""Bars, and how every figure is dressed: as SVG for a light and a dark page, and as files for a paper."""

import io
import math
from collections.abc import Mapping
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defective.files import write_whole
from defective.statistics import Rate
from defective.text import one_line

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
# Inches that groups of bars take side by side: a page shows wider figures at less than their size.
_WIDEST = 12.0
# Text stays text, so that a page can colour it and a reader search it; the salt gives equal figures equal bytes.
_FORMS: Any = {"svg.fonttype": "none", "svg.hashsalt": "defective", "pdf.fonttype": 42}


def bars(groups: Mapping[str, Mapping[str, Rate]], *, y_label: str) -> str:
    """Groups of bars, one bar per name in each group that has it, in percent, with 95 % intervals; returns SVG text.

    Groups that do not fit side by side go on below.
    """
    # Not pyplot: a figure of its own needs no display and leaves no global state.
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for rates in groups.values() for name in rates))
    labels = [_literal(group).replace(", ", ",\n").replace(" ", "\n", 1) for group in groups]
    # In inches, so that neither bars nor labels lie on each other.
    widest = max(0.2 * len(names), *(0.2 + 0.08 * len(line) for label in labels for line in label.splitlines()))
    lines = math.ceil(len(groups) / max(1, int(_WIDEST / widest)))
    a_line = math.ceil(len(groups) / lines)
    figure = Figure(figsize=(max(4.8, widest * a_line), 3.0 * lines), layout="constrained")
    for line, axes in enumerate(figure.subplots(lines, squeeze=False).flat):
        part = slice(line * a_line, (line + 1) * a_line)
        _bars(axes, list(groups.values())[part], names, first=line == 0)
        axes.set_xticks(range(len(labels[part])), labels[part])
        axes.set_ylabel(y_label)
        axes.set_ylim(0, 102)
        if lines > 1:
            # Bars of the last line, which may hold fewer, are as wide as the others.
            axes.set_xlim(-0.5, a_line - 0.5)
    legend(figure)
    return svg(figure)


def _bars(axes: "Axes", groups: list[Mapping[str, Rate]], names: list[str], *, first: bool) -> None:
    """Draw groups side by side; only those of the first line have a place in the legend."""
    dress(axes)
    width = 0.8 / len(names)
    for number, (colour, name) in enumerate(zip(cycle(COLOURS), names, strict=False)):
        rates = [rates.get(name, Rate.of(0, 0)) for rates in groups]
        xs = [position + (number - (len(names) - 1) / 2) * width for position in range(len(groups))]
        errors = [[100 * abs(rate - rate.interval[end]) for rate in rates] for end in (0, 1)]
        heights = [100 * rate for rate in rates]
        label = _literal(name) if first else None
        axes.bar(xs, heights, width * 0.92, yerr=errors, color=colour, label=label, ecolor=GRAY, capsize=2)


def _literal(name: str) -> str:
    """Matplotlib reads what stands between dollars as mathematics, and leaves labels with an underscore in front out of a legend."""
    text = one_line(name).replace("$", r"\$")
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text


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
