from dataclasses import fields

import pytest

from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.paper import Scale
from defective.report import deviations as module
from defective.report.deviations import deviations, seed_notes
from defective.report.provenance import how_measured
from defective.report.sections import sections
from defective.report.wording import setting
from defective.specs import Recipe
from runs import filled_store, finish

SHAPES = {"cifar10": (3, 32, 32), "mnist": (1, 28, 28), "imagenet": (3, 224, 224)}


def plan(*exhibits: str, scale: str = "tiny", seeds: int = 1, readers: dict[str, str] | None = None, **data: str) -> Plan:
    return Plan(exhibits, scale, data or {"cifar10": "cifar10"}, SHAPES, seeds, readers or {})


def plans(store: Store) -> list[Plan]:
    return store.plans()[0]


@pytest.fixture
def shown(store):
    # Nothing is finished: what is shown does not depend on it.
    return lambda *asked: sections(plans(filled_store(store.folder, *asked, every=1)), store)


def test_exhibits_come_in_the_papers_order_and_the_largest_scale_first(shown):
    sets = [plan("table7", cifar10=name) for name in ("my set 1", "my set,1")]
    found = shown(plan("figure2", "table4", "table7"), plan("table7", scale="fast"), *sets)
    assert [section.name for section in found] == [
        "table4",
        "table7-fast-cifar10",
        "table7-tiny-cifar10",
        "table7-tiny-my-set-1",
        "table7-tiny-my-set-1-2",
        "figure2",
    ]


@pytest.fixture
def told(store, shown):
    """What is said to be done otherwise under plans."""
    return lambda *asked: deviations(shown(*asked), store)


def test_a_scale_other_than_the_papers_says_what_it_does_otherwise(told):
    (found,) = told(plan("table7"), plan("table6", mnist="mnist"))
    assert found.data == ["mnist", "cifar10"] and found.notes == []
    rows = {what: (paper, here) for what, paper, here in found.rows}
    assert rows["images for the boundary attack, at most"] == ("500", "50")
    assert rows["adversarial examples of FGSM, PGD and their like, at most (Table 2: twice as many)"] == ("5,000", "1,000")
    assert rows["epochs (cifar10)"] == ("350", "5")
    assert rows["epochs (mnist)"] == ("50", "3")
    assert rows["width of the models (mnist)"] == ("1", "0.25")
    assert rows["learning rate (cifar10)"] == ("0.1", "0.2")


def test_every_amount_and_number_of_a_recipe_has_words():
    assert all(module._AMOUNTS.values()) and module._AMOUNTS.keys() == {field.name for field in fields(Scale)} - {"name"}
    assert module._RECIPE.keys() == Recipe.model_fields.keys() - {"name", "adversarial"}


def test_at_the_papers_scale_nothing_is_done_otherwise(told):
    (found,) = told(plan("table7", scale="paper"))
    assert found.rows == []


def test_the_recipe_shown_is_the_one_that_was_used(told):
    asked = Plan(("table1",), "paper", {"imagenet": "few"}, {"imagenet": (3, 64, 64)}, readers={"imagenet": "tiny-imagenet"})
    (found,) = told(asked)
    assert asked.setups[0].recipes["imagenet"].epochs == 350
    expected = {("epochs", "100", "350"), ("augmentation", "resized-crop-flip", "crop-flip"), ("images in a batch", "256", "128")}
    assert expected <= set(found.rows)


def test_a_data_set_that_stands_in_is_named(told):
    asked = [plan("table7", cifar10="cifar10-jpeg"), plan("table7", cifar10="shapes", readers={"cifar10": "shapes"})]
    (found,) = told(*asked)
    assert found.data == ["cifar10-jpeg", "shapes"]
    assert found.notes[0].startswith("cifar10-jpeg in place of cifar10: its name says")
    assert found.notes[1].startswith("shapes in place of cifar10: other images")


@pytest.mark.parametrize(
    ("name", "count", "note"),
    [
        ("mnist", 60_000, []),
        ("mnist", 17_000, ["The official files of mnist (17,000 training images; the official set has 60,000)."]),
        (
            "mnist-17k",
            60_000,
            ["mnist-17k (60,000 training images) in place of mnist: files of the official form under another name."],
        ),
        (
            "mnist-17k",
            17_000,
            [
                "mnist-17k (17,000 training images; the official set has 60,000) in place of mnist: files of the official form under "
                "another name."
            ],
        ),
        ("mnist-17k", None, ["mnist-17k in place of mnist: files of the official form under another name."]),
    ],
)
def test_official_files_of_another_name_stand_in(store, name, count, note):
    asked = plan("table6", mnist=name, readers={"mnist": "mnist"})
    for job in asked.jobs:
        if job.kind == "train" and count:
            finish(store, job, train_images=count)
    (section,) = sections([asked], store)
    (found,) = deviations([section], store)
    assert found.notes == note
    assert ("mnist-17k in place of mnist" in setting(section.result)) == (name == "mnist-17k")


def test_the_name_of_the_folder_that_imagenet_is_read_from_says_nothing(store):
    asked = plan("table1", imagenet="ILSVRC2012", readers={"imagenet": "imagenet"})
    (section,) = sections([asked], store)
    (found,) = deviations([section], store)
    assert found.notes == ["The official files of imagenet, called ILSVRC2012."]
    assert setting(section.result) == "tiny scale, imagenet called ILSVRC2012, 1 seed"


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
    assert how["finished"] == len(done) == int(how["machines"].rows[0][1])
    assert len(how["models"].rows) == sum(name.startswith("train-") for name in done)
    assert [failure["error"] for failure in how["failed"]] == ["no <luck>"]
