"""What a page says of nets that have learned nothing, and of results that cannot be read."""

import re

import pytest

from campaigns import plan_of
from defective.campaign.describe import describe
from defective.report.campaign import write_report
from filled_store import filled_store, finish

PLAN = plan_of("table8")
# Masks are drawn from trained nets, of which there are none here.
PLAIN = [job for job in PLAN.jobs if not (job.kind == "train" and job.net.defects)]
CLAIM = "Defective layers help against white-box attacks too."
WARNING = (
    "No better than chance, so that no comparison with it is decided: resnet18 (tiny, seed 0) on few (10.0 % right, chance 10.0 %)."
)


@pytest.fixture
def store(tmp_path):
    made = filled_store(tmp_path / "store")
    made.note_plan(PLAN.as_dict())
    return made


def page(store):
    file, *_ = write_report(store, store.folder.parent / "page")
    return re.sub(r"\s+", " ", file.read_text())


def fill(store, hits):
    for job in PLAIN:
        finish(store, job, values={name: {"hits": hits, "total": 1000} for name in ("test_accuracy", "fooled", "target-correct")})


def test_a_net_at_chance_is_a_warning_at_its_claims_and_its_table(store):
    fill(store, 100)
    text = page(store)
    claim = re.search(r'<li class="claim" data-verdict="([^"]+)".*?</li>', text)
    assert CLAIM in claim[0] and f'<p class="warning">{WARNING}</p>' in claim[0]
    section = text[text.index('<section class="exhibit" id="table8"') :]
    assert f'<p class="warning">{WARNING}</p>' in section.split("</section>")[0]
    assert "A comparison with a net that is no better than chance is undecided" in text
    for suffix in ("md", "tex"):
        said = (store.folder.parent / "page" / "tables" / f"table8.{suffix}").read_text()
        assert WARNING in said.replace("\\%", "%")


def test_without_such_a_net_nothing_is_said_of_chance(store):
    fill(store, 500)
    text = page(store)
    assert "chance" not in re.sub(r"<style>.*?</style>", "", text).replace("Defects are placed by chance", "")


def test_a_damaged_result_is_listed_at_the_end(store):
    fill(store, 500)
    assert "whose result is damaged" not in page(store)
    (store.at(PLAIN[0]) / "result.json").write_text("{")
    end = page(store).partition("Jobs whose result is damaged")[2].partition("</section>")[0]
    assert re.findall(r"<li>(.*?)</li>", end) == [describe(PLAIN[0])]


def test_a_set_attacked_by_a_job_whose_result_is_damaged_shows_no_images(store):
    """How strongly its images were changed is in the result."""
    fill(store, 500)
    crafted = next(job for job in PLAIN if job.kind == "craft")
    (store.at(crafted) / "pictures.safetensors").write_text("never read")
    (store.at(crafted) / "result.json").write_text("{")
    assert describe(crafted) in page(store)
