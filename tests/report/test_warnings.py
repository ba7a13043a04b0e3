"""What a page says of models that have learned nothing, and of results that cannot be read."""

import json
import re

import pytest

from defective.experiments.describe import describe
from defective.report import report
from runs import finish, plan_of

PLAN = plan_of("table8")
# Masks are drawn from trained models, of which there are none here.
PLAIN = [job for job in PLAN.jobs if not (job.kind == "train" and job.net.defects)]
WARNING = (
    "No better than chance, so that no claim about it is decided: resnet18 (tiny, seed 0) on few (accuracy 10.0 %, chance 10.0 %)."
)


@pytest.fixture(autouse=True)
def no_plots(monkeypatch):
    monkeypatch.setattr(report.plots, "plot", lambda *given: None)


def page(store):
    store.note_plan(PLAN)
    (file, *_), _ = report.write_report(store, store.folder.parent / "page")
    return re.sub(r"\s+", " ", file.read_text())


def fill(store, hits):
    values = {key: {"num_correct": hits, "num_evaluated": 1000} for key in ("test_accuracy", "fooled", "target-correct")}
    for job in PLAIN:
        finish(store, job, values=values)


def test_a_model_at_chance_is_a_warning_at_its_claims_and_its_table(store):
    fill(store, 100)
    text = page(store)
    claim = re.search(r'<li class="claim" id="claim-tiny-white-box".*?</li>', text)
    assert 'data-verdict="undecided"' in claim[0] and "No better than chance: resnet18 (tiny, seed 0) on few" in claim[0]
    section = text[text.index('<section class="exhibit" id="table8"') :]
    assert f'<p class="warning">{WARNING}</p>' in section.split("</section>")[0]
    for suffix in ("md", "tex"):
        said = (store.folder.parent / "page" / "tables" / f"table8.{suffix}").read_text()
        assert WARNING in said.replace("\\%", "%")


def test_corrupt_results_are_listed_at_the_end_and_images_of_such_a_set_are_not_shown(store):
    fill(store, 500)
    text = page(store)
    assert "whose result is corrupt" not in text and "No better than chance" not in text
    generated = next(job for job in PLAIN if job.kind == "generate")
    # How strongly its images were changed is in the result.
    (store.at(generated) / "pictures.safetensors").write_text("never read")
    for job in (PLAIN[0], generated):
        (store.at(job) / "result.json").write_text("{")
    end = page(store).partition("Jobs whose result is corrupt")[2].partition("</section>")[0]
    assert re.findall(r"<li>(.*?)</li>", end) == [describe(PLAIN[0]), describe(generated)]


def test_what_an_earlier_report_made_and_this_one_does_not_is_removed(store):
    folder = store.folder.parent / "page"
    page(store)
    of_user = folder / "tables" / "mine.md"
    of_user.write_text("notes")
    listed = folder / "files.json"
    assert sorted(json.loads(listed.read_text())) == ["tables/table8.md", "tables/table8.tex"]
    # As one of an exhibit that is not there now, and one that would lead out of the folder.
    (folder / "tables" / "table4.md").write_text("old")
    outside = folder.parent / "outside.md"
    outside.write_text("mine")
    listed.write_text(json.dumps(["tables/table4.md", "tables/table8.md", "tables/../../outside.md", "index.html"]))
    page(store)
    assert sorted(file.name for file in (folder / "tables").iterdir()) == ["mine.md", "table8.md", "table8.tex"]
    assert outside.is_file() and (folder / "index.html").is_file()
    # A corrupt list is no reason to fail.
    for text in ("{", "3", '{"a": 1}'):
        listed.write_text(text)
        page(store)
        assert sorted(json.loads(listed.read_text())) == ["tables/table8.md", "tables/table8.tex"]
