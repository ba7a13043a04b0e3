"""Read what a command printed."""

import json

import pytest


def parse(said) -> object:
    """The one JSON document of a command; nothing but progress is beside it."""
    code, out, err = said
    assert code == 0
    assert all("━" in line for line in err.splitlines())
    return json.loads(out, parse_constant=pytest.fail)


def one_line(said) -> str:
    """What a command says that was given something bad: one line, and exit code 2."""
    assert (said.code, said.out) == (2, "")
    # Work that had begun leaves the line of its progress; everything else is the error.
    lines = [line for line in said.err.splitlines() if "━" not in line and "-:--:--" not in line]
    assert len(lines) == 1 and lines[0].startswith("error: ") and "Traceback" not in said.err
    return lines[0]


def table(said) -> list[list[str]]:
    """The cells of a printed table, heading left out."""
    assert said.code == 0
    rows = [line for line in said.out.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]


def shown(rate: dict) -> str:
    return f"{100 * rate['rate']:.1f} ({100 * rate['low']:.1f}–{100 * rate['high']:.1f})" if rate["num_evaluated"] else "no images"
