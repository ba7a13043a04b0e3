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


def lines(name):
    return csv.reader(files("defective.paper.published").joinpath(f"{name}.csv").read_text(encoding="utf-8").splitlines())


def plain(label):
    """Letters, digits and points, without the reference behind it."""
    return re.sub(r"[^a-z0-9.]", "", re.sub(r" \(\D+ et al.*", "", label.lower().replace("×", "x")))


@pytest.mark.parametrize("name", TABLES)
def test_rows_stand_in_the_paper_with_label_and_numbers_in_this_order(name, paper_text):
    paper = [line.split("\t") for line in paper_text.splitlines() if "\t" in line]
    paper = [(plain(label), re.findall(r"\d[\d.e-]*", " ".join(numbers))) for label, *numbers in paper]
    rows = []
    for _, label, *numbers in list(lines(name))[1:]:
        # Table 4 has a row twice; Tables 3, 5 and 6 name the architecture above its variants alone.
        label = label.removesuffix(", again")
        label = label.split(", ")[-1] if name in ("table3", "table5", "table6") else label
        rows.append((plain(label), [number for number in numbers if number]))
    assert any(paper[start : start + len(rows)] == rows for start in range(len(paper)))


@pytest.mark.parametrize("name", TABLES)
def test_numbers_have_the_printed_digits(name):
    digits = r"\d\.\de-\d\d" if EXHIBITS[name].unit == "S(M)" else r"\d{1,2}\.\d\d"
    (_, _, *columns), *body = lines(name)
    for row, _, *numbers in body:
        for column, value in zip(columns, numbers, strict=True):
            assert re.fullmatch(digits, value) or (not value and "therm" in row and column == "FGSM")


def test_an_empty_value_is_no_number():
    numbers = {row.label: row.published for row in printed("table2").rows}
    assert numbers["Thermometer(16)"] == (None, 88.25, 89.88)
    assert numbers["Standard CNN"] == (52.88, 15.98, 95.39)
