"""Output of the command line: tables for people, one JSON document for programs, errors on one line."""

import io
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from defective.progress import shown
from defective.tables import Table, format_table
from defective.text import REPLACED, one_line, shortened, visible

# What standard output was as the command began.
_standard_output: ContextVar[Any] = ContextVar("standard_output", default=None)


class _StandardError:
    """Standard error whose reader may close it: that must not end the work."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return int(self._stream.write(text))
        except BrokenPipeError:
            discard(self._stream)
            return len(text)


class _Warnings(logging.Handler):
    """Messages of the library as lines of the command."""

    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())


@contextmanager
def prepared_output() -> Iterator[None]:
    """Inside, both streams accept any text, log messages are warnings, progress is shown, and the terminal has a valid width."""
    for name in ("stdout", "stderr"):
        # Python's name for a stream that was closed before it began.
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
        elif isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            # A character that the terminal lacks must not cost the work behind the line.
            stream.reconfigure(errors=REPLACED)
    for name in ("COLUMNS", "LINES", "TERMINAL_WIDTH"):
        size = os.environ.get(name, "")
        if not (size.isascii() and size.isdigit() and len(size) < 5 and int(size)):
            # rich would print nothing at a width of 0; typer fails where it is no number.
            os.environ.pop(name, None)
    # Without a home folder it warns twice that it has no folder for its settings.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    log, handler, stderr = logging.getLogger("defective"), _Warnings(), sys.stderr
    log.addHandler(handler)
    sys.stderr = _StandardError(stderr)
    stdout, progress = _standard_output.set(sys.stdout), shown.set(True)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = standard_output(), stderr
        _standard_output.reset(stdout)
        shown.reset(progress)
        log.removeHandler(handler)


def standard_output() -> Any:
    """Standard output, also where ``sys.stdout`` is something else."""
    return _standard_output.get() or sys.stdout


def discard(stream: Any) -> None:
    """Leave nothing for the interpreter to flush into a closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    standard_output().write(json.dumps(document, indent=1) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *notes: str) -> None:
    """A table on standard output, laid out for its width; each note stands below it."""
    table = Table(tuple(columns), tuple(map(tuple, rows)), title=title, notes=notes)
    # Not by rich: it ends the program where the reader of the output is gone.
    sys.stdout.write(format_table(table, "terminal"))


def print_records(title: str, columns: Mapping[str, str], records: Iterable[Mapping[str, Any]], *notes: str) -> None:
    """A table of records on standard output: heads of the columns, and how each formats a record."""
    print_table(title, tuple(columns), [[text.format(**record) for text in columns.values()] for record in records], *notes)


def print_line(line: str) -> None:
    """A line on standard output."""
    sys.stdout.write(f"{visible(line)}\n")


def fail(message: object) -> None:
    """One line on standard error."""
    _print_message("error", message)


def warn(message: object) -> None:
    """One line on standard error, after which the command continues."""
    _print_message("warning", message)


def warn_corrupt(files: Sequence[Path], then: str) -> None:
    """One line that names corrupt results, if there are any, and what is done with them."""
    if files:
        warn(f"{shortened([*map(str, files)])} {'are' if len(files) > 1 else 'is'} corrupt: {then}")


def _print_message(kind: str, message: object) -> None:
    line = one_line(" ".join(str(message).split()))
    # A value of thousands of characters, such as a number, must not hide what is wrong with it.
    whole = line if len(line) <= 2000 else f"{line[:500]} ... {line[-500:]}"
    sys.stderr.write(f"{kind}: {whole}\n")
