"""Measure rows one after another; results of rows measured earlier stay in the file."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import accuracy, boundary, cw, gradient, hopskipjump, memory, protocol, sparse, step, throughput
from benchmarks.nets import image_set
from benchmarks.peers import versions
from benchmarks.rows import Row
from benchmarks.settings import Found, Settings
from defective.errors import InputError
from defective.experiments.sources import data_name
from defective.files import check_file, write_whole
from defective.machine import describe_machine
from defective.progress import shown
from defective.training.checkpoint import load

_MODULES = (step, throughput, accuracy, gradient, cw, boundary, hopskipjump, protocol, sparse, memory)
MEASURES: dict[str, Callable[[Settings], Found]] = {
    **{module.__name__.rpartition(".")[2]: module.measure for module in _MODULES},
    "live": step.measure_live,
}


def run(rows: Sequence[Row], settings: Settings, file: Path, log: Callable[[str], object]) -> dict[str, Any]:
    """Measure rows and write the file after each.

    Args:
        rows: What to measure.
        settings: Sizes and paths.
        file: Document of all rows measured so far; a row measured again on the same kind of device replaces the old one.
        log: Is called with one line before each row.

    Returns:
        ``rows``: for each row its name, kind of device (``on``), machine, versions of the peers, settings, seconds, lines.

    Raises:
        InputError: If the file exists and is no document of the benchmark, or something named in the settings cannot be read.
    """
    check_file(file)
    document = read(file)
    # A wrong name is reported now, not when its row comes after hours.
    image_set(settings, "test")
    if settings.checkpoint is not None:
        load(settings.checkpoint)
    for row in rows:
        if settings.device.type not in row.devices:
            log(f"{row.name}: not measured on {settings.device.type}")
            continue
        log(f"{row.name} ...")
        started = time.perf_counter()
        # A progress bar takes time of its own.
        bars = shown.set(False)
        try:
            found = MEASURES[row.name](settings)
        finally:
            shown.reset(bars)
        entry = _entry(row, settings, found, time.perf_counter() - started)
        document["rows"] = merged(document["rows"], entry)
        write_whole(file, lambda temporary: temporary.write_text(json.dumps(document, indent=1), "utf-8"))
    return document


def read(file: Path) -> dict[str, Any]:
    """The document in a file; an empty one if there is none.

    Raises:
        InputError: If the file is something else.
    """
    if not file.exists():
        return {"rows": []}
    try:
        document = json.loads(file.read_text("utf-8"))
        if not all({"row", "on", "lines"} <= set(entry) for entry in document["rows"]):
            raise KeyError
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{file} holds no results of the benchmark: delete it, or name another file") from None
    return dict(document)


def merged(entries: Sequence[Found], new: Found) -> list[Found]:
    """Rows with one more, which replaces the same row on the same kind of device.

    Example:
        >>> merged([{"row": "cw", "on": "cpu", "seconds": 1}], {"row": "cw", "on": "cpu", "seconds": 2})
        [{'row': 'cw', 'on': 'cpu', 'seconds': 2}]
    """
    return [*(entry for entry in entries if (entry["row"], entry["on"]) != (new["row"], new["on"])), new]


def _entry(row: Row, settings: Settings, found: Found, seconds: float) -> Found:
    about = {line.key: {"work": line.work, "against": line.against} for line in row.lines}
    machine = describe_machine(settings.device, "")
    # Each line has a precision of its own.
    del machine["precision"]
    return {
        "row": row.name,
        "on": settings.device.type,
        "machine": machine,
        "peers": versions(),
        "settings": {
            "repeats": found.pop("turns", settings.repeats),
            "width": settings.width,
            "quick": settings.quick,
            "data": data_name(settings.data),
        },
        "seconds": seconds,
        **found,
        "lines": {key: {**about[key], **line} for key, line in found["lines"].items()},
    }
