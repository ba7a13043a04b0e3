import json

import pytest

from defective.cli.console import fail, percent, print_json, print_table
from defective.statistics import Rate

COLUMNS = ("model", "accuracy %", "pgd:eps=16/255, step_size=1/255, steps=20 on source", "fgsm:eps=16/255 on another")
ROWS = [
    ("a-net-with-a-rather-long-name-of-its-own", "100.0 (99.2-100.0)", "12.3 (10.1-14.8)", "45.6 (41.2-50.0)"),
    ("plain", "98.5 (97.2-99.1)", "0.0 (0.0-0.8)", ""),
]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_number_is_broken_at_any_width(monkeypatch, capsys, width):
    monkeypatch.setenv("COLUMNS", str(width))
    print_table("Title", COLUMNS, ROWS, note="a note")
    out = capsys.readouterr().out
    assert all(len(line) <= width for line in out.splitlines())
    for row in ROWS:
        for number in row[1:]:
            assert number in out
    assert "Title" in out and "a note" in out


@pytest.mark.parametrize(("width", "wide"), [(200, True), (80, True), (60, False)])
def test_numbers_get_lines_of_their_own_where_they_do_not_fit(monkeypatch, capsys, width, wide):
    monkeypatch.setenv("COLUMNS", str(width))
    print_table("Title", COLUMNS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert any("100.0 (99.2-100.0)" in line and "12.3 (10.1-14.8)" in line for line in lines) == wide


def test_an_empty_cell_gets_no_line_of_its_own(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    print_table("Title", COLUMNS, ROWS[1:])
    assert sum("│" in line and "plain" in line for line in capsys.readouterr().out.splitlines()) == 2


def test_output_without_a_terminal_keeps_its_columns(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    print_table("Title", COLUMNS, ROWS)
    assert max(map(len, capsys.readouterr().out.splitlines())) > 100


def test_an_error_is_one_line(capsys):
    fail("two\nlines   and\tspaces")
    assert capsys.readouterr() == ("", "error: two lines and spaces\n")


def test_json_is_one_document(capsys):
    print_json({"a": [1, None]})
    assert json.loads(capsys.readouterr().out) == {"a": [1, None]}


def test_a_rate_is_shown_with_its_interval():
    assert percent(Rate.of(30, 40)) == "75.0 (59.8-85.8)"
    assert percent(Rate.of(0, 0)) == "no images"
