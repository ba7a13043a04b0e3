"""Measure rows one after another; results of rows measured earlier stay in the file."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from defective.bench import boundary, campaign, cw, gradient, memory, sparse, step, throughput
from defective.bench.nets import image_set
from defective.bench.peers import versions
from defective.bench.rows import ROWS, Row
from defective.bench.settings import Found, Settings
from defective.errors import InputError
from defective.files import check_file, write_whole
from defective.machine import describe_machine
from defective.progress import shown
from defective.training.checkpoint import load

MEASURES: dict[str, Callable[[Settings], Found]] = {
    "step": step.measure,
    "throughput": throughput.measure,
    "gradient": gradient.measure,
    "cw": cw.measure,
    "boundary": boundary.measure,
    "sparse": sparse.measure,
    "campaign": campaign.measure,
    "memory": memory.measure,
    "live": step.measure_live,
}


def run(rows: Sequence[Row], settings: Settings, file: Path, say: Callable[[str], object]) -> dict[str, Any]:
    """Measure rows and write the file after each.

    Args:
        rows: What to measure.
        settings: Sizes and places.
        file: Document of all rows measured so far; a row measured again on the same kind of device takes the place of the old one.
        say: Is told of each row, in one line.

    Returns:
        ``rows``: for each row its number, name, kind of device (``on``), machine, versions of the peers, settings, seconds, lines.

    Raises:
        InputError: If the file is there and no document of the bench, or something named in the settings cannot be read.
    """
    check_file(file)
    document = read(file)
    # A wrong name is said now, not when its row comes after hours.
    image_set(settings, "test")
    if settings.checkpoint is not None:
        load(settings.checkpoint)
    for row in rows:
        if not any(settings.device.type in line.reach for line in row.lines):
            say(f"[{row.number}/{len(ROWS)}] {row.name}: nothing is asked for on {settings.device.type}")
            continue
        say(f"[{row.number}/{len(ROWS)}] {row.name}: {row.title}")
        started = time.perf_counter()
        # A progress bar takes time of its own.
        bars = shown.set(False)
        try:
            found = MEASURES[row.name](settings)
        finally:
            shown.reset(bars)
        entry = _entry(row, settings, found, time.perf_counter() - started)
        document["rows"] = merged(document["rows"], entry)
        write_whole(file, lambda temporary: temporary.write_text(json.dumps(document, indent=1)))
    return document


def read(file: Path) -> dict[str, Any]:
    """The document in a file; an empty one if there is none.

    Raises:
        InputError: If the file is something else.
    """
    if not file.exists():
        return {"rows": []}
    try:
        document = json.loads(file.read_text())
        if not {"row", "on", "lines"} <= set.intersection(*(set(entry) for entry in document["rows"]), {"row", "on", "lines"}):
            raise KeyError
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{file} holds no results of the bench: delete it, or name another file") from None
    return dict(document)


def merged(entries: Sequence[Found], new: Found) -> list[Found]:
    """Rows with one more, which takes the place of the same row on the same kind of device; in the order of the table.

    Example:
        >>> old = [{"row": "cw", "on": "cpu", "number": 4, "seconds": 1}]
        >>> [entry["seconds"] for entry in merged(old, {"row": "cw", "on": "cpu", "number": 4, "seconds": 2})]
        [2]
    """
    kept = [entry for entry in entries if (entry["row"], entry["on"]) != (new["row"], new["on"])]
    return sorted([*kept, new], key=lambda entry: (entry["number"], entry["on"]))


def _entry(row: Row, settings: Settings, found: Found, seconds: float) -> Found:
    kind = settings.device.type
    lines = {}
    for line in row.lines:
        if kind in line.reach and line.key in found["lines"]:
            measured = found["lines"][line.key]
            ratio = measured.get("ratio")
            lines[line.key] = {
                "work": line.work,
                "against": line.against,
                "to_reach": {line.side: line.reach[kind]},
                "reached": ratio is not None and line.reached(kind, ratio["median"]),
                **measured,
            }
    machine = describe_machine(settings.device, "")
    # Each line has a precision of its own.
    del machine["precision"]
    return {
        "number": row.number,
        "row": row.name,
        "on": kind,
        "machine": machine,
        "peers": versions(),
        "settings": {"repeats": settings.repeats, "width": settings.width, "quick": settings.quick, "data": settings.data},
        "seconds": seconds,
        **found,
        "lines": lines,
    }
