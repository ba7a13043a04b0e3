"""What the command line prints: tables for people, one JSON document for programs, errors on one line."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from defective.evaluation import Rate

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        help="cifar10, mnist, tiny-imagenet, shapes, imagenet:PATH or folder:PATH (train/CLASS/IMAGE and test/CLASS/IMAGE, or an archive).",
    ),
]
ImageSizeOption = Annotated[int | None, typer.Option(help="Scale and crop the images of a folder to this size.")]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...; default: the accelerator if there is one.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed.")]


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, note: str = "") -> None:
    """A table on standard output; numbers to the right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", caption=note or None, caption_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console()
    # Piped output has no width of its own; cutting cells off at 80 columns would lose numbers.
    Console(width=None if console.is_terminal else 200).print(table)


def percent(rate: Rate) -> str:
    """A rate as people read it: percent with its 95 % interval."""
    if rate.total == 0:
        return "no images"
    low, high = rate.interval
    return f"{100 * rate:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def fail(message: object) -> None:
    """One line on standard error."""
    sys.stderr.write(f"error: {' '.join(str(message).split())}\n")
