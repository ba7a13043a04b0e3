"""What the command line prints: tables for people, one JSON document for programs, errors on one line."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from defective.tables import Table, format_table
from defective.tables.table import one_line

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
# What becomes of a corrupt result.
LEFT_OUT = "left out; defective reproduce does the job again"
# Room for the seeds made from it, such as those of an ensemble's members, within the 64 bits of a generator.
MAX_SEED = 1 << 48
SeedOption = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed.")]


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, note: str = "") -> None:
    """A table on standard output, laid out for its width; each line of ``note`` stands below it."""
    table = Table(tuple(columns), tuple(map(tuple, rows)), title=title, notes=tuple(note.splitlines()))
    # Not by rich: it ends the program where the reader of the output is gone.
    sys.stdout.write(format_table(table, "terminal"))


def fail(message: object) -> None:
    """One line on standard error."""
    _say("error", message)


def warn(message: object) -> None:
    """One line on standard error, after which the command goes on."""
    _say("warning", message)


def warn_corrupt(files: Sequence[Path], then: str) -> None:
    """One line that names corrupt results, if there are any, and says what becomes of them."""
    if files:
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        warn(f"{', '.join(map(str, files[:3]))}{more} {'are' if len(files) > 1 else 'is'} corrupt: {then}")


def _say(kind: str, message: object) -> None:
    sys.stderr.write(f"{kind}: {one_line(' '.join(str(message).split()))}\n")
