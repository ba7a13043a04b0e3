"""Results of the benchmark as a Markdown table, and on which machine they were measured."""

from collections.abc import Iterator, Sequence

from benchmarks.rows import ROWS, Line, Row
from benchmarks.settings import Found
from defective.tables import Table, format_table

COLUMNS = ("work", "compared with", "on", "quantity", "ratio")
_ON = {"cpu": "CPU", "cuda": "GPU"}
# Two quantities whose ratio spreads by less than this are equal, for a reader.
EQUAL = 0.01


def clear(ratio: Found) -> bool:
    """Whether the turns differ by no more than the effect, the distance of the median from 1, or agree to 1 %.

    Example:
        >>> clear({"low": 1.9, "median": 2.0, "high": 2.1}), clear({"low": 0.9, "median": 1.1, "high": 1.3})
        (True, False)
    """
    return bool(ratio["high"] - ratio["low"] <= max(abs(ratio["median"] - 1), EQUAL))


def table(documents: Sequence[Found], names: Sequence[str] = ()) -> str:
    """The clear ratios, and below them what has none; what was measured on several processors names them.

    Args:
        documents: What :func:`benchmarks.run.run` wrote, one for each machine.
        names: Names of lines, as ``"gradient/fgsm-fp32"``; all of them, in the order of the rows, if there are none.

    Raises:
        ValueError: If a named line has no clear ratio.
    """
    found = {f"{row.name}/{line.key}": (row, line) for row in ROWS for line in row.lines}
    cells, unclear = [], []
    for name in names or found:
        row, line = found[name]
        entries = list(_measured(documents, row, line))
        for entry, measured in entries:
            alike = sum(other["on"] == entry["on"] for other, _ in entries)
            on = entry["machine"]["device"] if alike > 1 else _ON[entry["on"]]
            if clear(measured["ratio"]):
                cells.append((line.work, line.against, on, row.quantity, shown(measured["ratio"])))
            else:
                unclear.append(f"{line.work} ({line.against}; {on})")
    if names and (unclear or len(cells) < len(names)):
        raise ValueError(f"not every line of {', '.join(names)} has a clear ratio")
    text = format_table(Table(COLUMNS, tuple(cells), align="llllr"), "markdown")
    if unclear:
        text += "\n".join(
            ["\nNot shown, because the turns differ by more than the effect:\n", *(f"- {each}" for each in unclear), ""]
        )
    return text


def machines(documents: Sequence[Found]) -> str:
    """Machine, versions and settings of the rows of each document, one line for each set of them."""
    known = {row.name for row in ROWS}
    measured: dict[str, list[str]] = {}
    for entry in (entry for document in documents for entry in document["rows"] if entry["row"] in known):
        machine, settings = entry["machine"], entry["settings"]
        peers = "".join(f", {name} {version}" for name, version in entry["peers"].items())
        versions = f"torch {machine['torch']}, Python {machine['python']}, defective {machine['defective']}{peers}"
        width = f"models of width {settings['width']:g}, images of {settings['data']}"
        quick = "; tiny amounts: these numbers mean nothing" * settings["quick"]
        measured.setdefault(f"{machine['device']}, {versions}; {width}{quick}", []).append(
            f"{entry['row']} ({settings['repeats']} turns)"
        )
    return "".join(f"- {', '.join(rows)}: {about}.\n" for about, rows in measured.items())


def shown(ratio: Found) -> str:
    """The median, the lowest and the highest.

    Example:
        >>> shown({"low": 1.12, "median": 1.304, "high": 1.5}), shown({"low": 1.001, "median": 1.0, "high": 1.0})
        ('1.30 x (1.12-1.50)', '1.00 x')
    """
    low, middle, high = (f"{ratio[key]:.2f}" for key in ("low", "median", "high"))
    return f"{middle} x" if low == high else f"{middle} x ({low}-{high})"


def _measured(documents: Sequence[Found], row: Row, line: Line) -> Iterator[tuple[Found, Found]]:
    for entry in (entry for document in documents for entry in document["rows"] if entry["row"] == row.name):
        found = entry["lines"].get(line.key, {"state": ""})
        if found["state"] == "measured":
            yield entry, found
