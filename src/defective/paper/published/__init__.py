"""The numbers that the paper prints: one CSV file for each table, with its rows and columns in printed order."""

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from defective.paper.exhibit import Row


class Printed(NamedTuple):
    """What a table prints: the names of its columns, and its rows."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@cache
def printed(name: str) -> Printed:
    """Read a table of the paper from its CSV file.

    A line holds the name of a row, which is unique in the table, its label, and the numbers with the printed digits; where the paper
    prints none, nothing.

    Example:
        >>> columns, rows = printed("table10")
        >>> columns
        ('ResNet-18', 'DenseNet-121')
        >>> rows[1]
        Row(name='densenet121', label='DenseNet-121', published=(14.53, 2.98))
    """
    text = files(__name__).joinpath(f"{name}.csv").read_text(encoding="utf-8")
    (_, _, *columns), *lines = csv.reader(text.splitlines())
    rows = (Row(row, label, tuple(float(each) if each else None for each in numbers)) for row, label, *numbers in lines)
    return Printed(tuple(columns), tuple(rows))
