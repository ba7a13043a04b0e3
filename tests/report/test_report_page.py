"""Every number and every claim of the page, read back from its HTML and compared with the store."""

import json
import math
import re
from typing import get_args

import pytest

from defective.errors import InputError
from defective.experiments.store import Store
from defective.paper import OBSERVATIONS, Verdict
from defective.paper.protocol import TRANSFER
from defective.report import report
from defective.report.claims import claim_groups, contrast_in_words, exhibits_in_words, p_in_words, paper_in_words
from defective.report.largest_discrepancy import largest_discrepancy
from defective.report.sections import sections


@pytest.fixture(scope="module")
def words(report_page):
    return " ".join(report_page.get_text(" ").split())


@pytest.fixture(scope="module")
def cells(report_page):
    """Attributes of each cell of a number, the place of its exhibit, its text and its small print."""
    return [
        cell.attrs
        | {"name": cell.find_parent("section")["id"], "text": next(cell.strings), "small": [each.text for each in cell("small")]}
        for cell in report_page.select("td[data-exhibit]")
    ]


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("∞", "inf"))


def rounds(text: str, value: float) -> bool:
    """Is the text that value, rounded to the digits that it has?"""
    if "e" in text:
        return text.removeprefix("+").replace("−", "-") == f"{value:.1e}"
    decimals = len(text.partition(".")[2])
    return math.isinf(value) or abs(number(text) - value) <= 0.5 * 10**-decimals + 1e-9


def test_every_number_of_every_document_is_on_the_page_and_no_other(cells, documents):
    found = {(c["name"], c["data-exhibit"], c["data-row"], c["data-column"], c["data-kind"]): c for c in cells}
    assert len(found) == len(cells)
    expected = {}
    for name, one in documents.items():
        for cell in one.cells:
            for kind in one.kinds:
                number = getattr(cell, kind)
                value = number if kind == "published" or number is None else number.mean
                expected[name, one.exhibit, cell.row, cell.column, kind] = value
    assert {place: float(c["data-value"]) if "data-value" in c else None for place, c in found.items()} == expected
    assert len(expected) > 300 and sum(value is None for value in expected.values()) > 20


def test_what_is_visible_is_the_value_rounded_and_a_dash_where_there_is_none(cells):
    for cell in cells:
        assert rounds(cell["text"], float(cell["data-value"])) if "data-value" in cell else cell["text"] == "–", cell
    kinds = {cell["data-kind"]: cell["text"] for cell in cells if cell["name"] == "table4" and "data-value" in cell}
    assert [len(kinds[kind].partition(".")[2]) for kind in ("published", "measured", "difference")] == [2, 1, 1]


def test_intervals_and_seeds_are_those_of_the_documents(cells, documents):
    told = set()
    for shown in cells:
        expected = getattr(documents[shown["name"]].cell(shown["data-row"], shown["data-column"]), shown["data-kind"])
        if not isinstance(expected, float | int | None):
            assert (float(shown["data-low"]), float(shown["data-high"])) == (expected.low, expected.high)
            low, high = re.split(r" to |–", shown["small"][0])
            assert rounds(low, expected.low) and rounds(high, expected.high)
            # Where only some seeds are measured, their number stands beside.
            seeds = documents[shown["name"]].seeds
            some = shown["data-kind"] == "measured" and len(expected.values) < seeds
            beside = [line for line in shown["small"] if "seeds" in line]
            assert beside == ([f"{len(expected.values)} of {seeds} seeds"] if some else [])
            told |= {*shown["small"][1:]}
        else:
            assert shown["small"] == [] and "data-low" not in shown
    assert "2 of 3 seeds" in told


def test_a_measured_number_says_where_it_comes_from(report_page, cells, documents):
    jobs = json.loads(report_page.select_one("#jobs").string)
    for shown in cells:
        if shown["data-kind"] != "measured" or "data-value" not in shown:
            continue
        cell = documents[shown["name"]].cell(shown["data-row"], shown["data-column"])
        counts = [
            str(c.num_evaluated) if c.num_correct is None else f"{c.num_correct}/{c.num_evaluated}" for c in cell.measured.counts
        ]
        assert shown["data-counts"].split() == counts
        assert [float(value) for value in shown["data-values"].split()] == list(cell.measured.values)
        assert shown["data-jobs"].split() == list(cell.jobs)
        for name in cell.jobs:
            about, seconds, machine, finished = jobs["jobs"][name]
            assert about and seconds.endswith(("s", "min")) and finished == "2026-01-31"
            assert jobs["machines"][machine].startswith("A made <machine>")


def test_every_claim_appears_once_for_each_scale_with_its_verdict_and_what_decides_it(report_page, made):
    store = made.store
    groups = claim_groups(sections(store.plans()[0], store), store)
    expected = [(f"claim-{group.scale}-{claim.name}", claim) for group in groups for claim in group.claims]
    shown = report_page.select("li.claim, li.observation")
    assert [(one["id"], one["data-verdict"]) for one in shown] == [(name, claim.verdict) for name, claim in expected]
    assert len(expected) > 10 and any(claim.contrasts and claim.contrasts[0].estimate is not None for _, claim in expected)
    for one, (_, claim) in zip(shown, expected, strict=True):
        text = " ".join(one.get_text().split())
        assert claim.text in text and claim.verdict in text and claim.note in text and claim.reason[1:] in text
        assert all(contrast_in_words(each) in text for each in claim.contrasts) and p_in_words(claim) in text
        assert paper_in_words(claim) in text and exhibits_in_words(claim) in text


def test_claims_of_the_paper_are_counted_and_observations_apart(report_page):
    counts = {each["data-verdict-count"]: int(each.text) for each in report_page.select("[data-verdict-count]")}
    verdicts = [claim["data-verdict"] for claim in report_page.select("li.claim")]
    assert counts == {verdict: verdicts.count(verdict) for verdict in get_args(Verdict)}
    ours = {claim["data-name"] for claim in report_page.select("li.observation")}
    assert ours == {claim.name for claim in OBSERVATIONS if "table4" in claim.exhibits}


def test_each_exhibit_says_scale_data_and_seeds_and_its_notes(words, documents):
    assert "Measured at tiny scale, cifar10, 1 seed" in words
    assert "Measured at fast scale, cifar10-jpeg in place of cifar10, 3 seeds" in words
    for one in documents.values():
        assert f"{one.heading} {one.title}" in words
        assert all(note in words for note in one.notes)


def test_a_note_that_many_tables_share_stands_once_above_them(words, documents):
    first = min(words.rindex(f"{one.heading} {one.title}") for one in documents.values())
    for note in TRANSFER:
        assert any(note in one.notes for one in documents.values())
        assert words.count(note) == 1 and words.index(note) < first


def test_the_page_needs_nothing_else_and_its_links_lead_somewhere(report_page, made):
    out, files, html = made.out, made.files, made.html
    assert not re.search(r"""(src|href)=["'](https?:)?//|@import""", html)
    assert all(each["src"].startswith("data:") for each in report_page.select("[src]"))
    ids = [each["id"] for each in report_page.select("[id]")]
    assert len(ids) == len(set(ids))
    for link in {each["href"] for each in report_page.select("[href]")} - {"data:,"}:
        assert link[1:] in ids if link.startswith("#") else out / link in files


def test_files_are_named_after_exhibits_and_where_needed_scale_and_data(made):
    out, files = made.out, made.files
    assert files[0] == out / "index.html"
    assert all(file.is_file() for file in files)
    assert sorted(path.name for path in (out / "tables").glob("*.tex")) == sorted(
        f"{name}.tex" for name in made.shown if name != "figure8"
    )
    expected = {f"{name}.{form}" for name in ("figure5", "figure8") for form in ("svg", "pdf", "png")}
    assert {path.name for path in (out / "figures").iterdir()} == expected


def test_names_cannot_become_markup(report_page, made):
    html = made.html
    for name in ("<machine>", "PGD <b>", "plain <i>", "<source>", "stem <u>"):
        assert name not in html
    assert "frog &amp; toad" in html and "stem &lt;u&gt;" in html
    assert {f"data:image/png;base64,A{letter}==" for letter in "ABCD"} <= {each["src"] for each in report_page.select("[src]")}


def test_each_exhibit_says_where_it_lies_furthest_from_the_paper(words, documents):
    said = {name: largest_discrepancy(one) for name, one in documents.items()}
    assert {name for name, sentence in said.items() if sentence} == {"table4", "table7-fast-cifar10-jpeg", "table7-tiny-cifar10"}
    assert all(sentence in words for sentence in said.values())


def test_nothing_asked_for_is_an_error(tmp_path):
    with pytest.raises(InputError, match="holds no plan"):
        report.write_report(Store(tmp_path / "store"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
