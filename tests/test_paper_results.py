"""The documents of the exhibits under results/, and the tables that are made from them."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from defective.paper import EXHIBITS

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
    assert sorted(shown) == [str(file.relative_to(ROOT)) for file in FILES]


@pytest.mark.parametrize("file", FILES, ids=lambda file: "-".join(file.with_suffix("").parts[-4:]))
def test_a_document_is_whole(file):
    document = json.loads(file.read_text())
    exhibit = EXHIBITS[document["exhibit"]]
    assert document["scale"] == file.parts[-3] and "-".join(document["data"].values()) == file.parts[-4]
    places = [(cell["row"], cell["column"]) for cell in document["cells"]]
    assert places == [(row.name, column) for row in exhibit.rows for column in exhibit.columns]
    for cell in document["cells"]:
        assert cell["published"] == exhibit.published(cell["row"], cell["column"])
        measured = cell["measured"]
        if measured is not None:
            assert measured["low"] <= measured["mean"] <= (measured["high"] or float("inf"))
            assert set(cell["jobs"]) <= document["jobs"].keys() and cell["jobs"]
    for job in document["jobs"].values():
        assert {"device", "precision", "torch", "python", "defective"} <= job["machine"].keys() and job["seconds"] > 0
    assert not re.search(r'"/|\\\\', file.read_text())
