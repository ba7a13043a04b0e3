import pytest

from defective.cli.console import fail, print_table

COLUMNS = ("model", "accuracy %", "pgd:eps=16/255, step_size=1/255, steps=20 on source", "fgsm:eps=16/255 on another")
ROWS = [
    ("a-net-with-a-rather-long-name-of-its-own", "100.0 (99.2-100.0)", "12.3 (10.1-14.8)", "45.6 (41.2-50.0)"),
    ("plain", "98.5 (97.2-99.1)", "0.0 (0.0-0.8)", ""),
]


def test_a_table_is_written_for_the_width_of_the_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    print_table("Title", COLUMNS, ROWS, "a note", "another")
    out = capsys.readouterr().out
    assert all(len(line) <= 60 for line in out.splitlines())
    assert out.startswith("Title\n") and out.endswith("a note\nanother\n")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("two\nlines   and\tspaces", "two lines and spaces"),
        ("no file a\x1b[31m\x07b", r"no file a\x1b[31m\x07b"),
        (f"{'9' * 5000} is too large: write less", f"{'9' * 500} ... {'9' * 475} is too large: write less"),
    ],
)
def test_an_error_is_one_line_that_commands_no_terminal_and_is_not_too_long(capsys, message, shown):
    fail(message)
    assert capsys.readouterr() == ("", f"error: {shown}\n")
