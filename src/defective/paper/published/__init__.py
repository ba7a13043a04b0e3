"""The numbers that the paper prints: one CSV file for each table, in printed order."""

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

    Each line holds one number: ``row`` (a name that is unique in the table), ``row_label``, ``column`` and ``value`` with the printed
    digits, empty where the paper prints no number.

    Example:
        >>> columns, rows = printed("table10")
        >>> columns
        ('ResNet-18', 'DenseNet-121')
        >>> rows[1]
        Row(name='densenet121', label='DenseNet-121', published=(14.53, 2.98))
    """
    labels: dict[str, str] = {}
    columns: dict[str, None] = {}
    values: dict[tuple[str, str], float | None] = {}
    text = files(__name__).joinpath(f"{name}.csv").read_text(encoding="utf-8")
    for line in csv.DictReader(text.splitlines()):
        row, column, value = line["row"], line["column"], line["value"]
        labels[row], columns[column] = line["row_label"], None
        values[row, column] = float(value) if value else None
    rows = tuple(Row(row, label, tuple(values[row, column] for column in columns)) for row, label in labels.items())
    return Printed(tuple(columns), rows)
