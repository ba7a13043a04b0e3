"""The documents of the exhibits under results/, and the tables that are made from them."""

import json
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from defective.experiments.store import Store
from defective.paper import EXHIBITS
from defective.results.claims import evaluate_claims
from defective.results.contrasts import Evidence
from defective.results.documents import ClaimResult, ClaimsResult, ContrastResult, ExhibitResult
from defective.results.export import export
from docs import fill
from runs import exhibit_result

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "results").glob("*/*/*/*.json"))
KEPT = sorted((ROOT / "results" / "stores").glob("*.tar.xz"))
CLAIMED = sorted((ROOT / "results" / "claims").glob("*.json"))


def test_the_tables_of_readme_and_docs_are_the_measured_ones():
    for page in fill.pages():
        assert fill.filled(page.read_text()) == page.read_text(), f"{page.name}: make tables"


def test_every_document_is_shown_in_the_docs():
    shown = re.findall(r"<!-- (results/\S+\.json) -->", "".join(page.read_text() for page in fill.pages()))
    assert sorted(shown) == sorted(str(file.relative_to(ROOT)) for file in FILES)


@pytest.mark.parametrize("file", CLAIMED, ids=lambda file: file.stem)
def test_claims_are_what_the_documents_of_their_scale_tell(file):
    """Without per-image results, which are not kept here, estimates are the same; intervals of paired numbers are no wider."""
    found = ClaimsResult.model_validate_json(file.read_text())
    assert found.as_json() == json.loads(file.read_text()) and found.scale == file.stem
    documents = [ExhibitResult.from_json(each.read_text()) for each in FILES if each.parts[-3] == file.stem]
    again = evaluate_claims(Evidence(each) for each in documents)
    assert [claim.name for claim in found.claims] == [claim.name for claim in again]
    for one, other in zip(found.claims, again, strict=True):
        assert [each.measured for each in one.contrasts] == [each.measured for each in other.contrasts]
        for contrast, of_counts in zip(one.contrasts, other.contrasts, strict=True):
            if contrast.unit == "%":
                assert contrast.estimate == pytest.approx(of_counts.estimate, abs=0.1)


def numbers(file):
    """A document whose numbers have ten digits: the last ones are not the same on every processor."""
    return json.loads(file.read_text(), parse_float=lambda text: float(f"{float(text):.10g}"))


def test_exporting_what_is_kept_of_stores_changes_nothing(tmp_path):
    """Documents, and the claims that rest on them, follow from the per-image results."""
    for file in KEPT:
        with tarfile.open(file) as archive:
            archive.extractall(tmp_path, filter="data")
    results = shutil.copytree(ROOT / "results", tmp_path / "results")
    written, removed = export([Store.open(tmp_path / file.name.partition(".")[0]) for file in KEPT], results)
    assert len(written) > len(KEPT) and not removed
    for each in results.rglob("*.json"):
        assert numbers(each) == numbers(ROOT / "results" / each.relative_to(results)), each


def claim(name, verdict, published="holds", **changes):
    about = {"section": "Section 4", "kind": "better", "margin": 0.0, "note": "", "ours": False, "exhibits": ("table4", "table11")}
    about |= {"reason": "", "p": 0.001, "adjusted_p": 0.002, "contrasts": ()}
    return ClaimResult(name=name, text=f"{name} | b", verdict=verdict, published=published, **(about | changes))


def test_claims_are_a_table_and_their_verdicts_are_counted():
    shown = ContrastResult(
        about="rate", bound=0.0, comparisons=9, measured=6, estimate=3.0, low=1.0, high=5.0, seeds=3, published=2.0
    )
    found = [
        claim("A", "holds", contrasts=(shown, shown), published_bounds={"half": "holds", "double": "fails"}),
        claim("B", "not measured", "not measured", reason="not run yet", adjusted_p=None, note="A note."),
    ]
    contrast = "rate: +3.0 (+1.0 to +5.0) points, mean of 6 of 9 comparisons, 3 seeds"
    assert fill.claims(found).splitlines()[2:] == [
        f"| A \\| b | Section 4, Tables 4, 11 | holds | {contrast}; {contrast} | 0.002 | yes; at double the bounds they contradict it |",
        "| B \\| b | Section 4, Tables 4, 11 | not measured: not run yet. A note. | – | – | not printed |",
    ]
    said = "Of 2 claims of the paper, each counted once, 1 holds, 0 fail, 0 are undecided and 1 is not measured.\n"
    assert fill.verdicts(found) == said


def test_a_bound_that_lies_nowhere_is_shown_as_such(tmp_path):
    bounds = {"mean": 1e-3, "low": 1e-4, "high": None}
    measured = bounds | {"values": [1e-3], "intervals": [[1e-4, None]], "counts": [{"num_evaluated": 50}], "seeds": [0]}
    cell = {"row": "a", "column": "S(M)", "published": 1e-6, "measured": measured, "difference": bounds, "jobs": ["decision-0"]}
    notes = {"notes": ("One.", "Two_2."), "unit": "S(M)", "data": {"cifar10": "cifar10"}}
    file = tmp_path / "table7.json"
    file.write_text(exhibit_result("table7", ["S(M)"], {"a": "Plain"}, [cell], **notes).model_dump_json())
    text = fill.table(file)
    assert text.endswith("<details><summary>Notes</summary>\n\n- One.\n- Two\\_2.\n\n</details>\n")
    assert "| Plain | 1.0e-06 | 1.0e-03 (1.0e-04–∞) |" in text and "95 % interval +1.0e-04 to ∞)" in text


def test_the_cost_of_every_exhibit_is_in_the_docs_once():
    text = (ROOT / "docs" / "reproduce.md").read_text()
    block = text.partition("<!-- costs -->")[2].partition("<!-- end -->")[0]
    names = re.findall(r"\| `([\w-]+)(?: --data imagenet:PATH)?` \|", block)
    assert names == [*EXHIBITS, "all"]
    assert [name for name in EXHIBITS if EXHIBITS[name].data == "imagenet"] == re.findall(r"`(\w+) --data", block)[:-1]


@pytest.mark.parametrize("file", FILES, ids=lambda file: "-".join(file.with_suffix("").parts[-4:]))
def test_a_document_is_whole(file):
    found = ExhibitResult.from_json(file.read_text())
    assert found == ExhibitResult.from_json(json.dumps(found.as_json(), allow_nan=False))
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
