"""A table for a terminal of any width."""

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING

from defective.tables.table import Table
from defective.text import one_line

if TYPE_CHECKING:
    from rich.console import Console

# Narrower ones are printed for as if they had this width: the interval of a rate stays whole.
_LEAST_WIDTH = 12
# Output that is no terminal has no width of its own.
FILE_WIDTH = 200
# Room that the names of rows keep beside the numbers.
_LEAST_NAME = 12


def terminal(table: Table, width: int | None = None) -> str:
    """A table in box characters; names fold, numbers stay whole. Where the numbers of a row do not fit, each has a line of its own."""
    from rich.console import Console

    width = max(_LEAST_WIDTH, width or _width())
    console = Console(width=width)
    widths = _column_widths(table, width)
    title = " ".join(filter(None, [table.title, table.caption]))
    lines = _folded(title, width, console) if title else []
    if widths:
        lines += _boxed(table, widths, console)
    else:
        listed = _listed(table, width)
        lines += [" " * indent + line for indent, text in listed for line in _folded(text, width - indent, console)]
    lines += [line for note in table.notes for line in _folded(note, width, console)]
    return "\n".join(lines) + "\n"


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
    cells = [longest(row[index] for row in table.rows) for index in range(len(columns))]
    cells[0] = max(cells[0], longest(table.headings))
    room = total - 3 * len(columns) - 1
    natural = [max(cell_len(column), width) for column, width in zip(columns, cells, strict=True)]
    if sum(natural) <= room:
        return natural
    least = [max(width, longest(column.split())) for column, width in zip(columns[1:], cells[1:], strict=True)]
    first = room - sum(least)
    return [first, *least] if first >= min(natural[0], _LEAST_NAME) else None


def _folded(text: str, width: int, console: "Console") -> list[str]:
    from rich.cells import cell_len
    from rich.text import Text

    line = one_line(text)
    # Not by rich's own tables, which measure and lay out every cell several times: a store has ten thousand jobs.
    if cell_len(line) <= width:
        return [line]
    return [part.plain.rstrip() for part in Text(line).wrap(console, width, overflow="fold")]


def _boxed(table: Table, widths: list[int], console: "Console") -> Iterator[str]:
    from rich.box import HEAVY_HEAD
    from rich.cells import cell_len

    box, outer = HEAVY_HEAD.substitute(console.options), [width + 2 for width in widths]

    def row(cells: Iterable[str], left: str, between: str, right: str, *, head: bool = False) -> Iterator[str]:
        parts = [_folded(cell, width, console) for cell, width in zip(cells, widths, strict=True)]
        height = max(map(len, parts))
        # Heads stand on their rule.
        for line in zip_longest(*([""] * (height - len(part)) * head + part for part in parts), fillvalue=""):
            room = (" " * (width - cell_len(text)) for text, width in zip(line, widths, strict=True))
            sides = zip(line, room, table.alignment, strict=True)
            padded = (f" {blank}{text} " if side == "r" else f" {text}{blank} " for text, blank, side in sides)
            yield f"{left}{between.join(padded)}{right}"

    yield box.get_top(outer)
    yield from row(table.full_columns, box.head_left, box.head_vertical, box.head_right, head=True)
    yield box.get_row(outer, "head")
    for number, (heading, rows) in enumerate(table.blocks()):
        if heading and number:
            yield box.get_row(outer, "row")
        for cells in ([(heading, *[""] * (len(widths) - 1))] if heading else []) + rows:
            yield from row(cells, box.mid_left, box.mid_vertical, box.mid_right)
    yield box.get_bottom(outer)


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
