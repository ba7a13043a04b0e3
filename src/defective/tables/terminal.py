"""A table for a terminal of any width."""

from collections.abc import Iterable, Iterator
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from defective.tables.table import Table
from defective.text import one_line

if TYPE_CHECKING:
    from rich.console import Console

# Narrower ones are printed for as if they had this width: the interval of a rate stays whole.
_LEAST_WIDTH = 12
# Output that is no terminal has no width of its own.
_FILE_WIDTH = 200
# Room that the names of rows keep beside the numbers.
_LEAST_NAME = 12


def terminal(table: Table, width: int | None = None) -> str:
    """A table in box characters; names fold, numbers stay whole. Where the numbers of a row do not fit, each has a line of its own."""
    from rich.console import Console

    width = max(_LEAST_WIDTH, width or get_terminal_size((_FILE_WIDTH, 0)).columns)
    console = Console(width=width, color_system=None)
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


def _column_widths(table: Table, total: int) -> list[int] | None:
    """Widths at which every number stays whole; None if there is no room for that."""
    from rich.cells import cell_len

    def longest(texts: Iterable[str]) -> int:
        return max(map(cell_len, map(one_line, texts)), default=0)

    columns = table.full_columns
    cells = [longest(row[place] for row in table.rows) for place in range(len(columns))]
    cells[0] = max(cells[0], longest(table.headings))
    room = total - 3 * len(columns) - 1
    natural = [max(cell_len(column), width) for column, width in zip(columns, cells, strict=True)]
    if sum(natural) <= room:
        return natural
    least = [max(width, longest(column.split())) for column, width in zip(columns[1:], cells[1:], strict=True)]
    first = room - sum(least)
    return [first, *least] if first >= min(natural[0], _LEAST_NAME) else None


def _folded(text: str, width: int, console: "Console") -> list[str]:
    from rich.text import Text

    return [part.plain.rstrip() for part in Text(one_line(text)).wrap(console, width, overflow="fold")]


def _boxed(table: Table, widths: list[int], console: "Console") -> list[str]:
    from rich import box
    from rich import table as rich_table
    from rich.text import Text

    boxed = rich_table.Table(box=box.HEAVY_HEAD)
    for head, side, width in zip(table.full_columns, table.alignment, widths, strict=True):
        boxed.add_column(Text(one_line(head)), justify="left" if side == "l" else "right", width=width, overflow="fold")
    for heading, rows in table.blocks():
        if heading:
            boxed.add_section()
            boxed.add_row(Text(one_line(heading)))
        for row in rows:
            boxed.add_row(*(Text(one_line(cell)) for cell in row))
    with console.capture() as printed:
        console.print(boxed)
    return printed.get().splitlines()


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
