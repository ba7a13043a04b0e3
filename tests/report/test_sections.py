"""What the page says around its numbers: how to read them, what they count, captions, galleries, masks."""

import re
from dataclasses import replace

import pytest

from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.paper import EXHIBITS
from defective.report import report, sections
from defective.report.galleries import Example, MaskPicture, Prediction
from defective.results.measured import document
from runs import filled_store, finish

SHAPES = {"cifar10": (3, 32, 32)}
ASKED = Plan(("table4", "table7", "figure6", "figure8"), "tiny", {"cifar10": "cifar10"}, SHAPES)
SEEDS = Plan(("table7",), "fast", {"cifar10": "cifar10-jpeg"}, SHAPES, seeds=3)
TABLES = ("table4", "table7-tiny-cifar10", "table7-fast-cifar10-jpeg", "figure6")
ADDRESS = "data:image/png;base64,AA=="
EXAMPLE = Example("one", "frog", ADDRESS, ADDRESS, ADDRESS, (Prediction("plain", "cat", False),), "pgd")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sections") / "store"
    for job in dict.fromkeys((*ASKED.jobs, *SEEDS.jobs)):
        if job.kind == "train":
            # 21.35 %: floats made in one way or another lie on either side of it.
            finish(Store(folder), job, values={"test_accuracy": {"num_correct": 427, "num_evaluated": 2000}})
    return filled_store(folder, ASKED, SEEDS, every=7)


@pytest.fixture(scope="module")
def out(store):
    """The folder of the report; of each exhibit the caption names it, of each plan the masks name its set."""
    made = sections.document
    with pytest.MonkeyPatch.context() as patch:
        rows = [replace(EXAMPLE, caption=caption) for caption in ("one", "one", "two", "six")]
        patch.setattr(report.galleries, "gallery", lambda *given: rows)
        patch.setattr(report.galleries, "examples", lambda document, *rest: rows[:1] if document.exhibit == "table4" else [])
        mask = MaskPicture("a net", "", "stem", 1, 2, ADDRESS)
        patch.setattr(report.galleries, "masks", lambda plan, reader: [replace(mask, data=plan.data["cifar10"])])
        patch.setattr(report.drawings, "drawing", lambda *given: None)
        patch.setattr(report.plots, "plot", lambda *given: None)
        patch.setattr(
            sections,
            "document",
            lambda exhibit, *rest: made(exhibit, *rest).model_copy(update={"caption": f"Rows & columns of {exhibit.name}."}),
        )
        report.write_report(store, store.folder.parent / "out")
    return store.folder.parent / "out"


@pytest.fixture(scope="module")
def html(out):
    return re.sub(r"\s+", " ", (out / "index.html").read_text(encoding="utf-8"))


def section(html: str, name: str) -> str:
    return html.partition(f'<section class="exhibit" id="{name}"')[2].partition("</section>")[0]


def test_what_a_reader_must_know_comes_before_the_claims(html):
    told = html.partition("How to read this page</summary>")[2].partition('id="claims"')[0]
    assert re.findall(r"<strong>(.*?)</strong>", told) == [
        *("defective network", "0.3-Bottom", "source", "target", "defence rate"),
        *("FGSM16", "PGD32", "CW40", "S(M)", "scale tiny"),
    ]
    assert all(f"{name} " in told for name in ("0.3-Top", "DC", "SM", "x2", "EN"))


@pytest.mark.parametrize("name", TABLES)
def test_each_exhibit_says_how_many_images_a_number_counts(store, html, name):
    plan = SEEDS if "fast" in name else ASKED
    one = document(EXHIBITS[name.partition("-")[0]], plan, store)
    counts = [
        (cell.jobs[0].startswith("train-"), each.num_evaluated)
        for cell in one.cells
        if cell.measured
        for each in cell.measured.counts
    ]
    others = [count for trained, count in counts if not trained]
    between = f"{min(others):,}–{max(others):,} images per number"
    expected = {
        "table4": f"{between}, 2,000 for test accuracies",
        "table7-tiny-cifar10": "5 images per number",
        "table7-fast-cifar10-jpeg": "5 images per number and seed",
        "figure6": between,
    }
    assert f"<li>{expected[name]}</li>" in section(html, name)


@pytest.mark.parametrize("name", TABLES)
def test_a_caption_stands_above_its_table_and_in_its_file(out, html, name):
    told, exhibit = section(html, name), name.partition("-")[0]
    assert told.count(f'<p class="about">Rows &amp; columns of {exhibit}.</p>') == 1
    assert told.index('<p class="about">') < told.index("<table")
    assert f"Rows & columns of {exhibit}. " in (out / "tables" / f"{name}.md").read_text()
    assert '<p class="about">Rows &amp; columns of figure8.</p>' in section(html, "figure8")


def test_of_a_gallery_the_first_row_is_open_and_of_examples_none(html):
    assert re.findall(r"<details data-caption=\"\w+\"( open)?><summary[^>]*>([^<]*)</summary> <div class=\"examples\"", html) == [
        ("", "Adversarial examples on which the models differ most: one"),
        (" open", "one"),
        ("", "two"),
        ("", "six"),
    ]


def test_masks_are_one_section_with_the_set_of_each_model(html):
    told = html.partition('aria-labelledby="masks"')[2].partition("</section>")[0]
    assert html.count(">The masks<") == told.count(">The masks<") == 1
    assert re.findall(r"<h3>([^<]*)</h3>", told) == ["Tiny scale, cifar10", "Fast scale, cifar10-jpeg"]


def test_a_model_has_the_same_accuracy_in_the_list_of_models_as_in_tables(html):
    listed = re.findall(r'data-kind="model" data-job="([^"]+)" data-value="[^"]+"[^>]*>([^<]+)<', html)
    shown = re.findall(r'data-kind="measured"[^>]* data-jobs="(train-\w+)"[^>]*>([^<]+)<', html)
    assert len(shown) > 10 and set(shown) <= set(listed)
    assert {accuracy for _, accuracy in listed} == {"21.3"}


def test_the_contents_come_first_and_name_every_exhibit(html):
    body = html.partition("<body>")[2]
    assert body.index('<nav id="contents"') < body.index("<h1>")
    links = re.findall(r'<a href="#([^"]+)"', body.partition("<nav")[2].partition("</nav>")[0])
    shown = re.findall(r'<section class="exhibit" id="([^"]+)"', html)
    assert links == ["top", "claims", *shown, "measured", "differences", "next"]


def test_claims_are_folded_by_table_with_their_verdicts_counted(html):
    groups = re.findall(r'<details class="claimed" id="claims-([^"]+)"> <summary>(.*?)</summary>(.*?)</ul> </details>', html)
    assert [name for name, _, _ in groups] == [*("tiny-table4", "tiny-table7", "tiny-eye", "fast-table7", "fast-eye", "tiny-ours")]
    for _, head, inside in groups:
        counted = sum(int(count) for count in re.findall(r"</span> (\d+) <span", head))
        assert counted == len(re.findall(r'<li class="(?:claim|observation)"', inside))


def test_the_page_ends_with_what_to_do_next(html):
    end = html.partition('<section id="next"')[2].partition("<details")[0]
    commands = re.findall(r"<pre[^>]*>([^<]*)</pre>", end)
    assert commands[0] == "defective reproduce table4 --scale tiny --store runs/store"
    assert commands[1] == "defective reproduce table4 --scale tiny --seeds 3 --store runs/store"
    assert commands[2] == "defective reproduce table4 --scale small --store runs/store"
    assert commands[3] == "defective evaluate --help"
    assert "Nothing has run yet" not in html


def test_before_anything_has_run_the_page_says_so_and_how_to_begin(tmp_path):
    store = Store(tmp_path / "store")
    store.note_plan(Plan(("table7",), "tiny", {"cifar10": "cifar10"}, SHAPES))
    report.write_report(store, tmp_path / "out")
    text = re.sub(r"\s+", " ", (tmp_path / "out" / "index.html").read_text(encoding="utf-8"))
    notice = text.partition('<div class="empty"')[2].partition("</div>")[0]
    assert "Nothing has run yet." in notice and "6 jobs, and no result" in notice
    assert "<pre>defective reproduce table7 --scale tiny --store runs/store</pre>" in notice
    assert "Measured at tiny" not in text and "To be measured at tiny scale" in text
