"""The documents of the exhibits under results/, and the tables that are made from them."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from defective.paper import EXHIBITS
from defective.results.documents import ExhibitResult

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "results").glob("*/*/*/*.json"))


def fill():
    spec = importlib.util.spec_from_file_location("fill", ROOT / "docs" / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_readme_and_docs_are_the_measured_ones():
    made = fill()
    for page in made.pages():
        assert made.filled(page.read_text()) == page.read_text(), f"{page.name}: make tables"


def test_every_document_is_shown_in_the_docs():
    shown = re.findall(r"<!-- (results/\S+\.json) -->", "".join(page.read_text() for page in fill().pages()))
    assert sorted(shown) == sorted(str(file.relative_to(ROOT)) for file in FILES)


def result(exhibit: str, **changes) -> dict:
    about = dict.fromkeys(("title", "caption", "section"), "") | dict.fromkeys(
        ("columns", "rows", "notes", "cells", "at_chance"), ()
    )
    return (
        about | {"exhibit": exhibit, "unit": "%", "view": "table", "scale": "tiny", "readers": {}, "seeds": 1, "jobs": {}} | changes
    )


@pytest.fixture
def claims(tmp_path):
    """Claims of two exhibits, in folders whose order is not that of the paper."""

    def claim(text, verdict, counts, published):
        none = dict.fromkeys(("at_chance", "training_mismatch", "comparisons"), ())
        return {"text": text, "section": "", "verdict": verdict, "counts": counts, **none} | {
            "published": {"verdict": "holds", "counts": published}
        }

    found = {
        ("b/tiny/cpu", "table4"): [
            claim("A | b", "fails", {"holds": 2, "fails": 1, "not measured": 4}, {"not measured": 7}),
            claim("C", "not measured", {"not measured": 1}, {"holds": 1}),
        ],
        ("c/tiny/cpu", "table1"): [claim("D", "holds", {"holds": 3}, {"holds": 1, "fails": 1, "not measured": 1})],
        ("c/fast/cuda", "table1"): [claim("E", "fails", {"fails": 3}, {"holds": 1})],
    }
    for (where, exhibit), claims in found.items():
        (tmp_path / where).mkdir(parents=True)
        (tmp_path / where / f"{exhibit}.json").write_text(json.dumps(result(exhibit, data={"b": where[0]}, claims=claims)))
    return fill().tested(tmp_path, "tiny/cpu")


def test_claims_count_only_what_is_measured_and_printed(claims):
    assert fill().claims(claims).splitlines()[2:] == [
        "| D | Table 1 | c for b | holds | 3 of 3 | 1 of 2 |",
        "| A \\| b | Table 4 | b | fails | 2 of 3 | not printed |",
    ]


def test_verdicts_are_counted(claims):
    said = "Claims of the paper tested so far, each data set counted: 2. Of these 1 hold, 1 fail and 0 are undecided.\n"
    assert fill().verdicts(claims) == said


def test_a_bound_that_lies_nowhere_is_shown_as_such(tmp_path):
    bounds = {"mean": 1e-3, "low": 1e-4, "high": None}
    measured = bounds | {"values": [1e-3], "intervals": [[1e-4, None]], "counts": [{"num_evaluated": 50}]}
    cell = {"row": "a", "column": "S(M)", "published": 1e-6, "measured": measured, "difference": bounds, "jobs": ["decision-0"]}
    rows = {"columns": ["S(M)"], "rows": [{"name": "a", "label": "Plain"}], "cells": [cell], "notes": ["One.", "Two_2."]}
    file = tmp_path / "table7.json"
    file.write_text(json.dumps(result("table7", data={"cifar10": "cifar10"}, claims=[], **rows) | {"unit": "S(M)"}))
    text = fill().table(file)
    assert text.endswith("<details><summary>Notes</summary>\n\n- One.\n- Two\\_2.\n\n</details>\n")
    assert "| Plain | 1.0e-06 | 1.0e-03 (1.0e-04–∞) |" in text and "95 % interval +1.0e-04 to ∞)" in text


def test_the_cost_of_every_exhibit_is_in_the_docs_once():
    text = (ROOT / "docs" / "paper.md").read_text()
    block = text.partition("<!-- costs -->")[2].partition("<!-- end -->")[0]
    names = re.findall(r"\| `(\w+)(?: --data imagenet:PATH)?` \|", block)
    assert names == [*EXHIBITS, "all"]
    assert [name for name in EXHIBITS if EXHIBITS[name].data == "imagenet"] == re.findall(r"`(\w+) --data", block)[:-1]


@pytest.mark.parametrize("file", FILES, ids=lambda file: "-".join(file.with_suffix("").parts[-4:]))
def test_a_document_is_whole(file):
    found = ExhibitResult.from_json(file.read_text())
    assert found.as_json() == json.loads(file.read_text())
    exhibit = EXHIBITS[found.exhibit]
    assert found.scale == file.parts[-3] and "-".join(found.data.values()) == file.parts[-4]
    places = [(cell.row, cell.column) for cell in found.cells]
    assert places == [(row.name, column) for row in exhibit.rows for column in exhibit.columns]
    for cell in found.cells:
        assert cell.published == exhibit.published(cell.row, cell.column)
        if cell.measured is not None:
            assert cell.measured.low <= cell.measured.mean <= cell.measured.high
            assert set(cell.jobs) <= found.jobs.keys() and cell.jobs
    for job in found.jobs.values():
        assert {"device", "precision", "torch", "python", "defective"} <= job.machine.keys() and job.seconds > 0
    assert not re.search(r'"/|\\\\', file.read_text())
