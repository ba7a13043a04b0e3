"""Every number and every claim of the page, read back from its HTML and compared with the store."""

import json
import math
import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from defective.errors import InputError
from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.paper import EXHIBITS, OBSERVATIONS
from defective.report import report
from defective.report.claims import VERDICTS, claim_groups, contrast_in_words, exhibits_in_words, p_in_words, paper_in_words
from defective.report.galleries import Example, MaskPicture, Prediction
from defective.report.largest_discrepancy import largest_discrepancy
from defective.report.sections import ResultReader, sections
from defective.results.measured import document
from runs import filled_store

SHAPES = {"cifar10": (3, 32, 32), "mnist": (1, 28, 28)}
# A table of all kinds of cells, one of scores, one without printed numbers, a drawing, and one of two data sets.
ASKED = Plan(("table4", "table7", "figure5", "figure8", "figure14"), "tiny", {"cifar10": "cifar10", "mnist": "mnist"}, SHAPES)
SEEDS = Plan(("table7",), "fast", {"cifar10": "cifar10-jpeg"}, SHAPES, seeds=3)
SHOWN = {
    "table4": ("table4", ASKED),
    "table7-fast-cifar10-jpeg": ("table7", SEEDS),
    "table7-tiny-cifar10": ("table7", ASKED),
    "figure5": ("figure5", ASKED),
    "figure8": ("figure8", ASKED),
    "figure14": ("figure14", ASKED),
}
ADDRESSES = [f"data:image/png;base64,A{letter}==" for letter in "ABCD"]
EXAMPLE = Example("PGD <b>", "frog & toad", *ADDRESSES[:3], (Prediction("plain <i>", "cat", False),), "pgd of <source>")
MASK = MaskPicture("a net", "cifar10", "stem <u>", 10, 100, ADDRESSES[3])


class Page(HTMLParser):
    """Number cells with their texts and small print, claims, links, and what follows which heading."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.cells: list[dict] = []
        self.claims: list[dict] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self._table, self._into, self._skip, self._small = None, None, 0, False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        classes = (about.get("class") or "").split()
        self.links += [about["href"]] if "href" in about else []
        self.sources += [about["src"]] if "src" in about else []
        self.ids += [about["id"]] if "id" in about else []
        if tag == "section":
            self._table = about.get("id")
        if tag == "td" and "data-exhibit" in about:
            self._into = about | {"name": self._table, "text": "", "small": []}
            self.cells.append(self._into)
        if tag == "li" and {"claim", "observation"} & set(classes):
            self.claims.append(about | {"text": ""})
        self._small = tag == "small"
        if tag == "small" and self._into is not None:
            self._into["small"].append("")
        if tag in ("style", "script") or (tag == "span" and "sr" in classes):
            self._skip += 1

    def handle_endtag(self, tag):
        self._skip = max(0, self._skip - (tag in ("style", "script", "span")))
        self._small = False if tag == "small" else self._small
        if tag in ("td", "data"):
            self._into = None

    def handle_data(self, text):
        if self._skip:
            return
        self.words.append(text)
        if self._into is not None:
            if self._small:
                self._into["small"][-1] += text
            else:
                self._into["text"] += text
        if self.claims:
            self.claims[-1]["text"] += text


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The store, the folder of the report, the files written, the page."""
    folder = tmp_path_factory.mktemp("report")
    store = filled_store(folder / "store", ASKED, SEEDS, every=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report.galleries, "examples", lambda document, *rest: [EXAMPLE] if document.exhibit == "table4" else [])
        patch.setattr(report.galleries, "masks", lambda *given: [MASK])
        # One figure of each kind is enough here; tests/report/test_plots.py looks at them.
        drawn = report.plots.plot
        patch.setattr(report.drawings, "drawing", lambda *given: Figure(figsize=(1, 1)))
        patch.setattr(
            report.plots, "plot", lambda document, store: drawn(document, store) if document.exhibit == "figure5" else None
        )
        files, skipped = report.write_report(store, folder / "out")
        assert skipped == []
    html = (folder / "out" / "index.html").read_text(encoding="utf-8")
    return store, folder / "out", files, html


@pytest.fixture(scope="module")
def page(made):
    return Page(made[3])


@pytest.fixture(scope="module")
def documents(made):
    return {name: document(EXHIBITS[exhibit], plan, made[0]) for name, (exhibit, plan) in SHOWN.items()}


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("∞", "inf"))


def rounds(text: str, value: float) -> bool:
    """Is the text that value, rounded to the digits that it has?"""
    if "e" in text:
        return text.removeprefix("+").replace("−", "-") == f"{value:.1e}"
    decimals = len(text.partition(".")[2])
    return math.isinf(value) or abs(number(text) - value) <= 0.5 * 10**-decimals + 1e-9


def test_every_number_of_every_document_is_on_the_page_and_no_other(page, documents):
    found = {(c["name"], c["data-exhibit"], c["data-row"], c["data-column"], c["data-kind"]): c for c in page.cells}
    assert len(found) == len(page.cells)
    expected = {}
    for name, one in documents.items():
        for cell in one.cells:
            for kind in one.kinds:
                number = getattr(cell, kind)
                value = number if kind == "published" or number is None else number.mean
                expected[name, one.exhibit, cell.row, cell.column, kind] = value
    assert {place: float(c["data-value"]) if "data-value" in c else None for place, c in found.items()} == expected
    assert len(expected) > 300 and sum(value is None for value in expected.values()) > 20


def test_what_is_visible_is_the_value_rounded_and_a_dash_where_there_is_none(page):
    for cell in page.cells:
        assert rounds(cell["text"], float(cell["data-value"])) if "data-value" in cell else cell["text"] == "–", cell
    kinds = {cell["data-kind"]: cell["text"] for cell in page.cells if cell["name"] == "table4" and "data-value" in cell}
    assert [len(kinds[kind].partition(".")[2]) for kind in ("published", "measured", "difference")] == [2, 1, 1]


def test_intervals_and_seeds_are_those_of_the_documents(page, documents):
    cells = {(name, cell.row, cell.column): cell for name, one in documents.items() for cell in one.cells}
    told = set()
    for shown in page.cells:
        expected = getattr(cells[shown["name"], shown["data-row"], shown["data-column"]], shown["data-kind"])
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


def test_a_measured_number_says_where_it_comes_from(page, documents, made):
    jobs = json.loads(re.search(r'<script type="application/json" id="jobs">(.*?)</script>', made[3], re.S)[1])
    cells = {(name, cell.row, cell.column): cell for name, one in documents.items() for cell in one.cells}
    for shown in page.cells:
        if shown["data-kind"] != "measured" or "data-value" not in shown:
            continue
        cell = cells[shown["name"], shown["data-row"], shown["data-column"]]
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


def test_every_claim_appears_once_for_each_scale_with_its_verdict_and_what_decides_it(page, made):
    store = made[0]
    groups = claim_groups(sections(store.plans()[0], ResultReader(store)), store)
    expected = [(f"claim-{group.scale}-{claim.name}", claim) for group in groups for claim in group.claims]
    assert [(claim["id"], claim["data-verdict"]) for claim in page.claims] == [(name, claim.verdict) for name, claim in expected]
    assert len(expected) > 10 and any(claim.contrasts and claim.contrasts[0].estimate is not None for _, claim in expected)
    for shown, (_, claim) in zip(page.claims, expected, strict=True):
        text = " ".join(shown["text"].split())
        assert claim.text in text and claim.verdict in text and claim.note in text and claim.reason[1:] in text
        assert all(contrast_in_words(each) in text for each in claim.contrasts) and p_in_words(claim) in text
        assert paper_in_words(claim) in text and exhibits_in_words(claim) in text


def test_claims_of_the_paper_are_counted_and_observations_apart(page, made):
    counts = dict(re.findall(r'data-verdict-count="([^"]+)">(\d+)<', made[3]))
    verdicts = [claim["data-verdict"] for claim in page.claims if claim["class"] == "claim"]
    assert {verdict: int(counts[verdict]) for verdict in VERDICTS} == {verdict: verdicts.count(verdict) for verdict in VERDICTS}
    ours = {claim["data-name"] for claim in page.claims if claim["class"] == "observation"}
    assert ours == {claim.name for claim in OBSERVATIONS if "table4" in claim.exhibits}


def test_each_exhibit_says_scale_data_and_seeds_and_its_notes(page, documents):
    words = " ".join(" ".join(page.words).split())
    assert "Measured at tiny scale, cifar10, 1 seed" in words
    assert "Measured at fast scale, cifar10-jpeg in place of cifar10, 3 seeds" in words
    for one in documents.values():
        assert f"{one.heading} {one.title}" in words
        assert all(note in words for note in one.notes)


def test_the_page_needs_nothing_else_and_its_links_lead_somewhere(page, made):
    _, out, files, html = made
    assert not re.search(r"""(src|href)=["'](https?:)?//|@import""", html)
    assert all(source.startswith("data:") for source in page.sources)
    for link in set(page.links) - {"data:,"}:
        assert link[1:] in page.ids if link.startswith("#") else out / link in files
    assert len(page.ids) == len(set(page.ids))


def test_files_are_named_after_exhibits_and_where_needed_scale_and_data(made):
    _, out, files, _ = made
    assert files[0] == out / "index.html"
    assert all(file.is_file() for file in files)
    assert sorted(path.name for path in (out / "tables").glob("*.tex")) == sorted(
        f"{name}.tex" for name in SHOWN if name != "figure8"
    )
    expected = {f"{name}.{form}" for name in ("figure5", "figure8") for form in ("svg", "pdf", "png")}
    assert {path.name for path in (out / "figures").iterdir()} == expected


def test_names_cannot_become_markup(page, made):
    html = made[3]
    for name in ("<machine>", "PGD <b>", "plain <i>", "<source>", "stem <u>"):
        assert name not in html
    assert "frog &amp; toad" in html and "stem &lt;u&gt;" in html
    assert set(ADDRESSES) <= set(page.sources)


def test_each_exhibit_says_where_it_lies_furthest_from_the_paper(page, documents):
    words = " ".join(" ".join(page.words).split())
    said = {name: largest_discrepancy(one) for name, one in documents.items()}
    assert {name for name, sentence in said.items() if sentence} == {"table4", "table7-fast-cifar10-jpeg", "table7-tiny-cifar10"}
    assert all(sentence in words for sentence in said.values())


def test_nothing_asked_for_is_an_error(tmp_path):
    with pytest.raises(InputError, match="holds no plan"):
        report.write_report(Store(tmp_path / "store"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
