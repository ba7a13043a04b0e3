"""Results of the bench as tables: every line that is to be reached, also those that nobody has measured yet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from defective.bench.rows import ROWS, Line, Row, shown
from defective.bench.settings import Found

COLUMNS = ("row", "work", "against", "on", "ratio", "to reach", "reached")
_ON = {"cpu": "CPU", "cuda": "GPU"}
UNKNOWN = "not yet measured"


@dataclass(frozen=True)
class Told:
    """A line on one machine; ``entry`` and ``found`` are None where it is not yet measured."""

    row: Row
    line: Line
    on: str
    entry: Found | None = None
    found: Found | None = None

    @property
    def state(self) -> str:
        """``measured``, or why it is not."""
        return UNKNOWN if self.found is None else str(self.found["state"])


def told(documents: Sequence[Found], names: Sequence[str] = ()) -> Iterator[Told]:
    """Every line of some rows, or of all, with each machine that measured it.

    Args:
        documents: What :func:`defective.bench.run.run` wrote, one for each machine.
        names: Names of the rows.
    """
    for row in ROWS:
        if names and row.name not in names:
            continue
        entries = [entry for document in documents for entry in document["rows"] if entry["row"] == row.name]
        for line in row.lines:
            for kind in line.reach:
                here = [entry for entry in entries if entry["on"] == kind and line.key in entry["lines"]]
                yield from (Told(row, line, kind, entry, entry["lines"][line.key]) for entry in here)
                if not here:
                    yield Told(row, line, kind)


def cells(each: Told) -> list[str]:
    """The line as people read it, one cell for each of ``COLUMNS``."""
    ratio, reached = each.state, ""
    if each.found is not None and each.state == "measured":
        ratio, reached = _ratio(each.found, each.line, each.on), "yes" if each.found["reached"] else "no"
    name = f"{each.row.number} {each.row.name}"
    return [name, each.line.work, each.line.against, _ON[each.on], ratio, each.line.to_reach(each.on), reached]


def brief(documents: Sequence[Found], names: Sequence[str]) -> str:
    """What was measured of some rows, the ratios alone."""
    lines = [each for each in told(documents, names) if each.state == "measured"]
    return _markdown(("work", "against", "on", "ratio"), [cells(each)[1:5] for each in lines])


def summary(documents: Sequence[Found]) -> str:
    """All lines as one Markdown table."""
    return _markdown(COLUMNS, [cells(each) for each in told(documents)])


def details(documents: Sequence[Found], name: str) -> str:
    """One row: each line's ratio, seconds and check, and what it was measured on.

    Raises:
        ValueError: If there is no such row.
    """
    lines = list(told(documents, [name]))
    if not lines:
        raise ValueError(f"no row {name!r}")
    rows = [[*cells(each)[1:4], *cells(each)[4:], _seconds(each.found)] for each in lines]
    text = [_markdown([*COLUMNS[1:], "median seconds"], rows)]
    for each in lines:
        if each.found is not None and "check" in each.found:
            note = f" ({each.found['note']})" if each.found.get("note") else ""
            others = "".join(f" Also: {text}." for text in each.found.get("others", {}).values())
            text.append(f"- {each.line.work}, {_ON[each.on]}{note}. Checked: {each.found['check']}.{others}")
    entries = {id(each.entry): each.entry for each in lines if each.entry is not None}
    text += [f"- {_measured_on(entry)}" for entry in entries.values()]
    return "\n".join(text) + "\n"


def _measured_on(entry: Found) -> str:
    machine, settings = entry["machine"], entry["settings"]
    peers = "".join(f", {name} {version}" for name, version in entry["peers"].items())
    parts = [
        f"{machine['device']}, torch {machine['torch']}, defective {machine['defective']}{peers}",
        f"{settings['repeats']} turns, nets of width {settings['width']:g}, images of {settings['data']}",
        *([f"attacked: {entry['net']}"] if "net" in entry else []),
        *([f"{entry['images']:,} images"] if "images" in entry else []),
        *entry.get("missing", ()),
        f"{entry['seconds']:,.0f} s in all",
    ]
    return f"Measured on {'; '.join(parts)}.{' Tiny amounts: these numbers say nothing.' * settings['quick']}"


def _ratio(found: Found, line: Line, on: str) -> str:
    ratio = found["ratio"]
    # What misses its mark by less than two digits tell must not read as if it met it.
    missed = not found["reached"] and shown(ratio["median"], line.unit) in line.to_reach(on)
    middle, low, high = (shown(ratio[key], line.unit, 3 if missed else 2) for key in ("median", "low", "high"))
    return middle if low == high else f"{middle} ({low.removesuffix(' ' + line.unit)}-{high.removesuffix(' ' + line.unit)})"


def _seconds(found: Found | None) -> str:
    taken = (found or {}).get("seconds") or {}
    return ", ".join(f"{name} {median(values):.3g}" for name, values in taken.items())


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, [":--"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
