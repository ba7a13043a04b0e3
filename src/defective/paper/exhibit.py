"""What an exhibit of the paper is: published numbers, and the jobs that measure them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from defective.paper.setup import Setup
from defective.specs import Job

# How the numbers are also shown, beside the table.
View = Literal["table", "scatter", "trade-off", "curves", "training", "gallery", "drawing"]


@dataclass(frozen=True)
class Row:
    """One row as printed.

    Attributes:
        name: Unique name, such as that of its model.
        label: What the paper prints, made unique where the paper prints the same twice.
        published: One number for each column, None where the paper has none; empty if it prints no numbers at all.
    """

    name: str
    label: str
    published: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Cell:
    """Where a measured number comes from: one value of one job's result."""

    job: Job
    value: str


Cells = Mapping[tuple[str, str], Cell]


@dataclass(frozen=True)
class Exhibit:
    """A table or figure.

    Attributes:
        name: ``"table4"``, ``"figure5"``.
        title: What it shows, in a few words.
        section: Section of the paper.
        caption: What rows and columns are, in one or two sentences.
        data: Kind of data set it is about: a key of :attr:`Setup.data`. Empty: it needs none.
        more_data: Further kinds that it is measured on where there are sets of them.
        columns: Column names as printed.
        rows: Rows in printed order.
        cells: Turns a setup into the cell of each (row name, column); cells that cannot be measured are left out. Those of no row or no
            column are measured for claims and not printed.
        unit: ``"%"`` for shares, ``"S(M)"`` for the score of Eq. 10.
        view: Picture beside the table.
        notes: What a reader must know to compare: how the code differs from the text, deviations from the paper.
        optional: Whether it is measured only where it is named, not as a part of ``all``.
    """

    name: str
    title: str
    section: str
    caption: str = ""
    data: str = ""
    more_data: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    cells: Callable[[Setup], Cells] = field(default=lambda setup: {})
    unit: Literal["%", "S(M)"] = "%"
    view: View = "table"
    notes: tuple[str, ...] = ()
    optional: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of data set that it can be measured on, its own first."""
        return tuple(filter(None, (self.data, *self.more_data)))

    def matching(self, patterns: Sequence[str]) -> list[str]:
        """Names of the rows whose name or label matches one of some shell patterns, such as ``resnet18/0.[13]-bottom``."""
        return [
            row.name for row in self.rows if any(fnmatchcase(text, each) for text in (row.name, row.label) for each in patterns)
        ]

    def published(self, row: str, column: str) -> float | None:
        """The printed number of a cell, in the unit as printed; None if there is none."""
        numbers = next((each.published for each in self.rows if each.name == row), ())
        return numbers[self.columns.index(column)] if numbers and column in self.columns else None
