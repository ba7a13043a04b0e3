"""What the command line prints: tables for people, one JSON document for programs, errors on one line."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from defective.statistics import Rate

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        help="cifar10, mnist, tiny-imagenet, shapes, imagenet:PATH or folder:PATH (train/CLASS/IMAGE and test/CLASS/IMAGE, or an archive).",
    ),
]
ImageSizeOption = Annotated[int | None, typer.Option(min=1, help="Scale and crop the images of a folder to this size.")]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...; default: the accelerator if there is one.")]
StoreOption = Annotated[Path, typer.Option(help="Folder of results: nets, attacked images, measured numbers.")]
STORE = Path("runs/store")
# What becomes of a damaged result.
LEFT_OUT = "left out; defective reproduce does the job again"
# Room for the seeds made from it, such as those of an ensemble's members, within the 64 bits of a generator.
MAX_SEED = 1 << 48
SeedOption = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed.")]


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, note: str = "", heading: str = "measured"
) -> None:
    """A table on standard output; names to the left, numbers to the right and never broken: names fold before them.

    Where the numbers of a row do not fit beside each other, each of them has a line of its own, its column named under ``heading``.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        # Piped output has no width of its own.
        console = Console(width=200)
    rows = list(rows)
    table = Table(title=title, title_justify="left", caption=note or None, caption_justify="left")
    widths = _widths(columns, rows, console.width)
    if widths:
        for column, width in zip(columns, widths, strict=True):
            table.add_column(column, justify="right" if table.columns else "left", width=width, overflow="fold")
    else:
        for column in (columns[0], heading):
            table.add_column(column, overflow="fold")
        table.add_column("value", justify="right", no_wrap=True)
        rows = [(row[0], column, cell) for row in rows for column, cell in zip(columns[1:], row[1:], strict=True) if cell]
    for row in rows:
        table.add_row(*row)
    with console.capture() as printed:
        console.print(table)
    # Not by rich: it ends the program where the reader of the output is gone.
    sys.stdout.write(printed.get())


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], total: int) -> list[int] | None:
    """Widths at which every number stays whole; None if there is no room for that."""
    cells = [max((len(row[number]) for row in rows), default=0) for number in range(len(columns))]
    room = total - 3 * len(columns) - 1
    natural = [max(len(column), width) for column, width in zip(columns, cells, strict=True)]
    if sum(natural) <= room:
        return natural
    least = [max(width, *map(len, column.split())) for column, width in zip(columns[1:], cells[1:], strict=True)]
    first = room - sum(least)
    return [first, *least] if first >= min(natural[0], 12) else None


def percent(rate: Rate) -> str:
    """A rate as people read it: percent with its 95 % interval."""
    if rate.total == 0:
        return "no images"
    low, high = rate.interval
    return f"{100 * rate:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def fail(message: object) -> None:
    """One line on standard error."""
    _say("error", message)


def warn(message: object) -> None:
    """One line on standard error, after which the command goes on."""
    _say("warning", message)


def warn_damaged(files: Sequence[Path], then: str) -> None:
    """One line that names damaged results, if there are any, and says what becomes of them."""
    if files:
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        warn(f"{', '.join(map(str, files[:3]))}{more} {'are' if len(files) > 1 else 'is'} damaged: {then}")


def _say(kind: str, message: object) -> None:
    sys.stderr.write(f"{kind}: {' '.join(str(message).split())}\n")
