"""The CSV files of printed numbers: each line is one row of a table, in printed order, with the printed digits."""

import csv
import re
from importlib.resources import files

import pytest

from defective.paper import EXHIBITS
from defective.paper.published import printed

TABLES = [name for name, exhibit in EXHIBITS.items() if name.startswith("table") and not exhibit.optional]


def test_every_table_has_a_file_and_every_file_a_table():
    found = {each.name for each in files("defective.paper.published").iterdir() if each.name.endswith(".csv")}
    assert found == {f"{name}.csv" for name in TABLES}


@pytest.mark.parametrize("name", TABLES)
def test_numbers_have_the_printed_digits(name):
    digits = r"\d\.\de-\d\d" if EXHIBITS[name].unit == "S(M)" else r"\d{1,2}\.\d\d"
    text = files("defective.paper.published").joinpath(f"{name}.csv").read_text(encoding="utf-8")
    (_, _, *columns), *body = csv.reader(text.splitlines())
    for row, _, *numbers in body:
        for column, value in zip(columns, numbers, strict=True):
            assert re.fullmatch(digits, value) or (not value and "therm" in row and column == "FGSM")


def test_an_empty_value_is_no_number():
    numbers = {row.label: row.published for row in printed("table2").rows}
    assert numbers["Thermometer(16)"] == (None, 88.25, 89.88)
    assert numbers["Standard CNN"] == (52.88, 15.98, 95.39)
