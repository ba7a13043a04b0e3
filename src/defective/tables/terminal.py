"""A table for a terminal of any width."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from defective.tables.table import Table
from defective.text import one_line

if TYPE_CHECKING:
    from rich.table import Table as Box

# Narrower ones are printed for as if they had this width: the interval of a rate stays whole.
_LEAST_WIDTH = 12
# Output that is no terminal has no width of its own.
FILE_WIDTH = 200
# Room that the names of rows keep beside the numbers.
_LEAST_NAME = 12


def terminal(table: Table, width: int | None = None) -> str:
    """A table in box characters; names fold, numbers stay whole. Where the numbers of a row do not fit, each has a line of its own."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    width = max(_LEAST_WIDTH, width or _width())
    # rich may only lay out: user text holds brackets, colons and numbers of its own.
    console = Console(width=width, color_system=None, markup=False, emoji=False, highlight=False)
    widths = _column_widths(table, width)
    with console.capture() as printed:
        if title := " ".join(filter(None, [table.title, table.caption])):
            console.print(one_line(title))
        if widths:
            console.print(_boxed(table, widths))
        for indent, line in () if widths else _listed(table, width):
            console.print(Padding(Text(one_line(line), overflow="fold"), (0, 0, 0, indent)))
        for note in table.notes:
            console.print(one_line(note))
    return "\n".join(line.rstrip() for line in printed.get().splitlines()) + "\n"


def _width() -> int:
    """``COLUMNS`` if it is a width, as 0 is not; else that of the terminal; else one that is wide enough for most tables."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdigit() and int(asked):
        return int(asked)
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else FILE_WIDTH


def _column_widths(table: Table, total: int) -> list[int] | None:
    """Widths at which every number stays whole; None if there is no room for that."""
    from rich.cells import cell_len

    def longest(texts: Iterable[str]) -> int:
        return max(map(cell_len, map(one_line, texts)), default=0)

    columns = table.full_columns
    if not columns:
        return None
    cells = [longest(row[place] for row in table.rows) for place in range(len(columns))]
    cells[0] = max(cells[0], longest(table.headings))
    room = total - 3 * len(columns) - 1
    natural = [max(cell_len(column), width) for column, width in zip(columns, cells, strict=True)]
    if sum(natural) <= room:
        return natural
    least = [max(width, longest(column.split())) for column, width in zip(columns[1:], cells[1:], strict=True)]
    first = room - sum(least)
    return [first, *least] if first >= min(natural[0], _LEAST_NAME) else None


def _boxed(table: Table, widths: list[int]) -> "Box":
    from rich.table import Table as Box

    box = Box()
    for name, side, size in zip(table.full_columns, table.alignment, widths, strict=True):
        box.add_column(one_line(name), justify="right" if side == "r" else "left", width=size, overflow="fold")
    for heading, rows in table.blocks():
        if heading:
            box.add_section()
            box.add_row(one_line(heading))
        for row in rows:
            box.add_row(*map(one_line, row))
    return box


def _listed(table: Table, width: int) -> Iterator[tuple[int, str]]:
    """Lines and how far each is indented: the name of a row, then each of its numbers after the head of its column."""
    from rich.cells import cell_len

    for heading, rows in table.blocks():
        if heading:
            yield 0, f"{heading}:"
        for name, *cells in rows:
            yield 0, name
            for column, cell in zip(table.full_columns[1:], cells, strict=True):
                both = f"{column}: {cell}" if column else cell
                if cell and cell_len(both) + 2 <= width:
                    yield 2, both
                elif cell:
                    yield 2, f"{column}:"
                    # Rather at the edge than on two lines.
                    yield max(0, min(4, width - cell_len(cell))), cell
