"""Tables and numbers as text: one table, four outputs, and the one place that formats numbers.

Cells are plain text. Whatever they hold, every output shows it literally: nothing in them is taken for markup.
"""

from typing import Literal

from defective.errors import InputError
from defective.tables.html import html
from defective.tables.latex import latex
from defective.tables.markdown import markdown, markdown_text
from defective.tables.numbers import DASH, NO_IMAGES, count, difference, duration, exact, interval, number, percent
from defective.tables.table import Cell, Code, Table
from defective.tables.terminal import terminal

__all__ = [
    "DASH",
    "NO_IMAGES",
    "Cell",
    "Code",
    "Output",
    "Table",
    "count",
    "difference",
    "duration",
    "exact",
    "format_table",
    "interval",
    "markdown_text",
    "number",
    "percent",
]

Output = Literal["terminal", "markdown", "latex", "html"]


def format_table(table: Table, output: Output, width: int | None = None) -> str:
    """A table as text that ends with a line break.

    Args:
        table: The table.
        output: ``"terminal"``: box characters, or one line for each number where columns do not fit beside each other;
            ``"markdown"``: a GitHub table; ``"latex"``: a float that needs booktabs and graphicx; ``"html"``: a ``<table>``.
        width: Columns of the terminal, at least 12; by default ``COLUMNS``, else those of the terminal, else 200. Other outputs
            have no width.
    """
    if output == "terminal":
        return terminal(table, width)
    writers = {"markdown": markdown, "latex": latex, "html": html}
    if output not in writers:
        raise InputError(f"output is {output!r}: use terminal, {', '.join(writers)}")
    return writers[output](table)
