"""The table and the plot of docs/practical.md: accuracy against the share of attacked images that stay correct, by who attacks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defective.figures import COLOURS, GRAY, dress, legend
from defective.statistics import Rate
from defective.tables import DASH, Code, Table, format_table, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Heading to the sources of its attackers.
_SOURCES = {
    "Plain sources": ("source", "source+plain-2"),
    "Defective sources": ("bottom-0.1-2", "bottom-0.1-same-masks", "bottom-0.1-2+bottom-0.1-4"),
}
# Of the other document, where a cell has one source.
_TRANSFER = "Seven transfer attacks"
_OWN = "White-box PGD, 8/255, of images it classifies correctly"
_WHITE_BOX = "pgd:eps=8/255,step_size=1/255,steps=10"


def practical_table(document: dict[str, Any], transfer: dict[str, Any]) -> str:
    """One model per row; of each kind of attacker the lowest share, and that under the attacks of ``transfer``, which not all face."""
    rows = []
    for name in document["accuracy"]:
        first, *others = map(percent, lowest_shares(document, name).values())
        shares = (first, percent(lowest_share(transfer, name)) if name in transfer["accuracy"] else DASH, *others)
        [own] = (cell for cell in document["cells"] if (cell["target"], cell["source"], cell["attack"]) == (name, name, _WHITE_BOX))
        cost = _passes(document, name) / _passes(document, "plain")
        rows.append(
            (Code(name), percent(_accuracy(document, name)), *shares, percent(Rate.read(own["defense"]["all"])), f"{cost:.0f}")
        )
    first, *others = _SOURCES
    columns = ("Model", "Test accuracy", first, _TRANSFER, *others, _OWN, "Training cost")
    return format_table(Table(columns, tuple(rows)), "markdown")


def practical_plot(document: dict[str, Any], file: Path) -> None:
    """The same shares under transferred images against test accuracy, as a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axes: Axes = figure.subplots()
    dress(axes)
    for colour, kind in zip(COLOURS, _SOURCES, strict=False):
        rates = {name: lowest_shares(document, name)[kind] for name in document["accuracy"]}
        xs, ys = [100 * _accuracy(document, name) for name in rates], [100 * rate for rate in rates.values()]
        errors = [[100 * abs(rate - rate.interval[end]) for rate in rates.values()] for end in (0, 1)]
        axes.errorbar(xs, ys, yerr=errors, fmt="o", markersize=4, color=colour, ecolor=GRAY, capsize=2, label=kind.lower())
    for names in _alike(document):
        x = 100 * sum(_accuracy(document, name) for name in names) / len(names)
        y = 100 * max(max(lowest_shares(document, name).values(), key=float) for name in names)
        axes.annotate("\n".join(names), (x, y), (0, 10), textcoords="offset points", fontsize=7, ha="center")
    axes.set_xlabel("test accuracy, %")
    axes.set_ylabel("attacked images correct, lowest, %")
    axes.set_ylim(-3, 90)
    axes.margins(x=0.08)
    legend(figure)
    # Without matplotlib's version in it, equal figures have equal bytes.
    figure.savefig(file, dpi=200, facecolor="white", metadata={"Software": None})


def _alike(document: dict[str, Any]) -> list[list[str]]:
    """The models by accuracy, those together whose names would overlap."""
    groups: list[list[str]] = []
    for name in sorted(document["accuracy"], key=lambda name: _accuracy(document, name)):
        if groups and _accuracy(document, name) - _accuracy(document, groups[-1][-1]) < 0.02:
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups


def lowest_shares(document: dict[str, Any], name: str) -> dict[str, Rate]:
    """Of each kind of attacker the lowest share of all attacked images that stay correct."""
    return {kind: lowest_share(document, name, sources) for kind, sources in _SOURCES.items()}


def lowest_share(document: dict[str, Any], name: str, sources: Sequence[str] = ("source",)) -> Rate:
    """The lowest share of all attacked images that a model keeps, over attacks and these sources."""
    attacked = (cell for cell in document["cells"] if cell["target"] == name and cell["source"] in sources)
    return min((Rate.read(cell["defense"]["all"]) for cell in attacked), key=float)


def _accuracy(document: dict[str, Any], name: str) -> Rate:
    return Rate.read(document["accuracy"][name])


def _passes(document: dict[str, Any], name: str) -> int:
    """Passes of each training image forwards and backwards."""
    recipe = document["models"][name]["trained"]["recipe"]
    attack = recipe.get("adversarial")
    return recipe["epochs"] * (1 + (attack["parameters"]["steps"] if attack else 0))
