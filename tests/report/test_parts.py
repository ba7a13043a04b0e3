import pytest

from defective.campaign.plan import Plan
from defective.report.departures import departures, seed_notes
from defective.report.parts import Shelf, parts, plans
from defective.report.provenance import how_measured
from filled_store import filled_store

SHAPES = {"cifar10": (3, 32, 32), "mnist": (1, 28, 28), "imagenet": (3, 224, 224)}
OFFICIAL = {kind: kind for kind in SHAPES}


def plan(*exhibits: str, scale: str = "tiny", seeds: int = 1, **data: str) -> Plan:
    return Plan(exhibits, scale, data or {"cifar10": "cifar10"}, SHAPES, seeds)


@pytest.fixture
def shown(tmp_path):
    def show(*asked: Plan):
        # Nothing is finished: what is shown does not depend on it.
        store = filled_store(tmp_path / "store", *asked, every=1)
        return parts(plans(store), Shelf(store))

    return show


def test_a_plan_comes_back_as_it_was_noted(tmp_path):
    asked = plan("table7", "table4", seeds=2)
    assert plans(filled_store(tmp_path / "store", asked, every=1)) == [asked]


def test_of_plans_alike_the_one_with_most_seeds_is_shown(shown):
    (part,) = shown(plan("table7", seeds=3), plan("table7"), plan("table7", seeds=2))
    assert part.name == "table7"
    assert part.document["seeds"] == 3


def test_exhibits_come_in_the_papers_order_and_the_largest_scale_first(shown):
    found = shown(plan("figure2", "table4", "table7"), plan("table7", scale="fast"), plan("table7", cifar10="my set/1"))
    assert [part.name for part in found] == [
        "table4",
        "table7-fast-cifar10",
        "table7-tiny-cifar10",
        "table7-tiny-my-set-1",
        "figure2",
    ]


def test_all_is_every_exhibit(shown):
    everything = Plan(("all",), "tiny", OFFICIAL | {"tiny-imagenet": "t"}, SHAPES | {"tiny-imagenet": (3, 64, 64)})
    assert len(shown(everything)) == 30


def test_a_scale_other_than_the_papers_says_what_it_does_otherwise(shown):
    (found,) = departures(shown(plan("table7"), plan("table6", mnist="mnist")))
    assert found["sets"] == ["mnist", "cifar10"] and found["notes"] == []
    rows = {what: (paper, here) for what, paper, here in found["rows"]}
    assert rows["images for the boundary attack"] == ("500", "100")
    assert rows["epochs (cifar10)"] == ("350", "5")
    assert rows["epochs (mnist)"] == ("50", "3")
    assert rows["width of the nets (mnist)"] == ("1", "0.25")


def test_at_the_papers_scale_nothing_is_done_otherwise(shown):
    (found,) = departures(shown(plan("table7", scale="paper")))
    assert found["rows"] == []


def test_a_data_set_that_stands_in_is_named(shown):
    asked = [plan("table7", cifar10="cifar10-jpeg"), plan("table7", cifar10="shapes")]
    jpeg, shapes = sorted(departures(shown(*asked)), key=lambda one: one["sets"])
    assert "JPEG" in jpeg["notes"][0] and jpeg["notes"][0].startswith("cifar10-jpeg")
    assert shapes["notes"][0].startswith("shapes stands in for cifar10")


def test_what_intervals_cover_is_said_for_each_number_of_seeds(shown):
    notes = seed_notes(shown(plan("table7", seeds=3), plan("table4")))
    assert len(notes) == 2 and notes[0].startswith("One seed") and notes[1].startswith("3 seeds")


def test_cost_is_that_of_each_job_once(tmp_path):
    asked = [plan("table7"), plan("table7", "table4")]
    store = filled_store(tmp_path / "store", *asked, every=3)
    store.fail(next(job for job in asked[1].jobs if store.result(job) is None), RuntimeError("no <luck>"))
    how = how_measured(plans(store), store)
    done = list(store.finished())
    assert how["jobs"] == len({job for each in asked for job in each.jobs})
    assert how["finished"] == len(done) == how["machines"][0]["jobs"]
    assert len(how["nets"]) == sum(name.startswith("train-") for name in done)
    assert [failure["error"] for failure in how["failed"]] == ["no <luck>"]
