"""One table of text, whatever it is shown as."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from defective.errors import InputError


class Code(str):
    """Text of a cell that a reader types, such as a command: set in a monospaced font where the output has one."""


class Cell(str):
    """Text of a cell with what HTML shows of it: small print on lines of its own, a class, attributes such as ``data_value``.

    Example:
        >>> print(Cell("51.3", "50.1–52.4", "2 of 3 seeds"))
        51.3 (50.1–52.4; 2 of 3 seeds)
    """

    def __new__(cls, text: str, *small: str, css: str = "", **attributes: str) -> Self:
        cell = super().__new__(cls, f"{text} ({'; '.join(small)})" if small else text)
        cell.text, cell.small, cell.css, cell.attributes = text, small, css, attributes
        return cell

    text: str
    small: tuple[str, ...]
    css: str
    attributes: dict[str, str]


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        columns: Heads of the columns; the first column names the rows.
        rows: Cells, as many in each row as there are columns. :class:`Code` is monospaced, :class:`Cell` has more in HTML.
        title: Set in bold before the caption.
        caption: What a reader must know before the numbers.
        groups: Heads over several columns, and over how many: together over all columns but the first.
        headings: One for each row, or none: where it differs from that of the row before, it stands on a line of its own.
        align: ``"l"`` or ``"r"`` for each column; by default the first is set to the left, all others to the right.
        notes: Sentences below the table.
        label: Name that LaTeX refers to the table by.

    Raises:
        InputError: If rows, groups, headings or ``align`` do not fit the columns.

    Example:
        >>> from defective.tables import format_table
        >>> table = Table(("", "PGD"), (("plain | net", "51.3 (50.1–52.4)"),), title="Robustness.", caption="In %.")
        >>> print(format_table(table, "markdown"))
        **Robustness.** In %.
        <BLANKLINE>
        |  | PGD |
        | :-- | --: |
        | plain \\| net | 51.3 (50.1–52.4) |
        <BLANKLINE>
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    caption: str = ""
    groups: tuple[tuple[str, int], ...] = ()
    headings: tuple[str, ...] = ()
    align: str = ""
    notes: tuple[str, ...] = ()
    label: str = ""

    def __post_init__(self) -> None:
        width = len(self.columns)
        found = {
            "cells in a row": {len(row) for row in self.rows} - {width},
            "columns under groups": {1 + sum(size for _, size in self.groups)} - {width} if self.groups else (),
            "letters in align": {len(self.align)} - {0, width},
        }
        for what, wrong in found.items():
            if wrong:
                raise InputError(f"{min(wrong)} {what}, but the table has {width} columns")
        if self.headings and len(self.headings) != len(self.rows):
            raise InputError(f"{len(self.headings)} headings for {len(self.rows)} rows: pass one for each row, or none")

    @property
    def alignment(self) -> str:
        """``"l"`` or ``"r"`` for each column."""
        return self.align or "l" + "r" * (len(self.columns) - 1)

    @property
    def full_columns(self) -> list[str]:
        """Heads of the columns, each after that of its group: outputs without spanning heads use these."""
        over = ["", *(head for head, size in self.groups for _ in range(size))]
        over += [""] * (len(self.columns) - len(over))
        return [", ".join(filter(None, pair)) for pair in zip(over, self.columns, strict=True)]

    def blocks(self) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
        """Each heading with the rows below it."""
        headings = self.headings or [""] * len(self.rows)
        for heading, pairs in groupby(zip(headings, self.rows, strict=True), key=lambda pair: pair[0]):
            yield heading, [row for _, row in pairs]
