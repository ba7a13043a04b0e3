"""What the page says around its numbers: how to read them, what they count, captions, galleries, masks."""

import pytest
from bs4 import BeautifulSoup

from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.report.report import write_report

TABLES = ("table4", "table7-tiny-cifar10", "table7-fast-cifar10-jpeg", "figure6")


def texts(page, selector):
    return [" ".join(each.get_text().split()) for each in page.select(selector)]


def test_what_a_reader_must_know_comes_before_the_claims(report_page, made):
    assert texts(report_page, ".reading strong") == [
        *("defective network", "0.3-Bottom", "source", "target", "defence rate"),
        *("FGSM16", "PGD32", "CW40", "S(M)", "scale tiny"),
    ]
    (told,) = texts(report_page, ".reading")
    assert all(f"{name} " in told for name in ("0.3-Top", "DC", "SM", "x2", "EN"))
    assert made.html.index("How to read this page</summary>") < made.html.index('id="claims"')


@pytest.mark.parametrize("name", TABLES)
def test_each_exhibit_says_how_many_images_a_number_counts(documents, report_page, name):
    cells = [cell for cell in documents[name].cells if cell.measured]
    counts = [each.num_evaluated for cell in cells if not cell.jobs[0].startswith("train-") for each in cell.measured.counts]
    between = f"{min(counts):,}–{max(counts):,} images per number"
    expected = {
        "table4": f"{between}, 2,000 for test accuracies",
        "table7-tiny-cifar10": "5 images per number",
        "table7-fast-cifar10-jpeg": "5 images per number and seed",
        "figure6": between,
    }
    assert expected[name] in texts(report_page, f"#{name} .facts li")


@pytest.mark.parametrize("name", [*TABLES, "figure8"])
def test_a_caption_stands_above_its_table_and_in_its_file(made, report_page, name):
    caption = f"Rows & columns of {name.partition('-')[0]}."
    assert texts(report_page, f"#{name} .about") == [caption]
    if name != "figure8":
        assert report_page.select_one(f"#{name} .about ~ .numbers table")
        assert f"{caption} " in (made.out / "tables" / f"{name}.md").read_text()


def test_of_a_gallery_the_first_row_is_open_and_of_examples_none(report_page):
    rows = [(row.get("open"), row.summary.text) for row in report_page.select("details[data-caption]")]
    assert rows == [
        (None, "Adversarial examples on which the models differ most: PGD <b>"),
        *(("", "one"), (None, "two"), (None, "six")),
    ]


def test_masks_are_one_section_with_the_set_of_each_model(report_page):
    assert texts(report_page, "h2").count("The masks") == 1
    assert texts(report_page, "section[aria-labelledby=masks] h3") == ["Tiny scale, cifar10", "Fast scale, cifar10-jpeg"]


def test_a_model_has_the_same_accuracy_in_the_list_of_models_as_in_tables(report_page):
    listed = {each["data-job"]: next(each.strings) for each in report_page.select("[data-kind=model]")}
    shown = {each["data-jobs"]: next(each.strings) for each in report_page.select("[data-kind=measured][data-jobs^=train-]")}
    single = {job: text for job, text in shown.items() if " " not in job}
    assert len(single) > 10 and single.items() <= listed.items()
    assert {*listed.values()} == {"21.3"}


def test_the_contents_come_first_and_name_every_exhibit(report_page, made):
    assert made.html.index('<nav id="contents"') < made.html.index("<h1>")
    links = [each["href"] for each in report_page.select("#contents a")]
    assert links == ["#top", "#claims", *(f"#{name}" for name in made.shown), "#measured", "#differences", "#next"]


def test_claims_are_folded_by_table_with_their_verdicts_counted(report_page):
    groups = report_page.select("details.claimed")
    names = ["tiny-table4", "tiny-table7", "tiny-figure5", "tiny-unmeasured", "fast-table7", "fast-unmeasured", "tiny-ours"]
    assert [group["id"] for group in groups] == [f"claims-{name}" for name in names]
    for group in groups:
        counted = sum(int(badge.text.split()[1]) for badge in group.select("summary .badge"))
        assert counted == len(group.select("li.claim, li.observation")) > 0


def test_the_page_ends_with_what_to_do_next(report_page):
    assert texts(report_page, "#next ~ pre") == [
        "defective reproduce table4 --scale tiny --store runs/store",
        "defective reproduce table4 --scale tiny --seeds 3 --store runs/store",
        "defective reproduce table4 --scale small --store runs/store",
        "defective evaluate --help",
    ]
    assert texts(report_page, ".empty") == []


def test_before_anything_has_run_the_page_says_so_and_how_to_begin(tmp_path):
    store = Store(tmp_path / "store")
    store.note_plan(Plan(("table7",), "tiny", {"cifar10": "cifar10"}, {"cifar10": (3, 32, 32)}))
    write_report(store, tmp_path / "out")
    page = BeautifulSoup((tmp_path / "out" / "index.html").read_text(encoding="utf-8"), "html.parser")
    (notice,) = texts(page, ".empty")
    assert "Nothing has run yet." in notice and "6 jobs and no result" in notice
    assert texts(page, ".empty pre") == ["defective reproduce table7 --scale tiny --store runs/store"]
    (text,) = texts(page, "body")
    assert "Measured at tiny" not in text and "To be measured at tiny scale" in text
