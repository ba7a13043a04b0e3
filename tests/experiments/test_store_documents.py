"""Plans, records of failures and of data sets in a store, and what becomes of those that cannot be read."""

import json
import re

import pytest

from defective.errors import InputError
from defective.experiments.plan import read_plan
from defective.experiments.schema import blank
from defective.experiments.store import Store, name_of, write_json
from runs import net, plan_of

JOB = net()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_plans_are_remembered_once(store):
    for seeds in (1, 2):
        plan = plan_of("table10", seeds=seeds).as_dict()
        store.note_plan(plan)
        store.note_plan(dict(reversed(plan.items())))
    assert sorted(plan["seeds"] for plan in store.plans()) == [1, 2] and store.unread_plans() == []


PLAN = plan_of("table10").as_dict()


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ({key: value for key, value in PLAN.items() if key != "shapes"}, "shapes: Field required"),
        (PLAN | {"shapes": {}}, "no shape of cifar10"),
        (PLAN | {"shapes": {"cifar10": [3, 32]}}, "shapes.cifar10.2: Field required"),
        (PLAN | {"exhibits": "table10"}, "exhibits: Input should be a valid list"),
        (PLAN | {"exhibits": ["tableX"]}, "(no exhibit 'tableX')"),
        (PLAN | {"scale": "huge"}, "(no scale 'huge')"),
        (PLAN | {"seeds": 0}, "seeds 0 must be at least 1"),
        (PLAN | {"data": {}, "shapes": {}}, "table10 needs a data set that stands for cifar10"),
        ([], "no JSON object"),
        ("{", "Expecting"),
        ("[" * 100_000, "nested too deeply"),
        (PLAN | {"data": {"cifar10": "../../x"}}, "is no name of a file"),
    ],
)
def test_a_plan_that_cannot_be_read_is_left_out_and_named(store, document, wrong):
    store.note_plan(PLAN)
    file = store.folder / "plans" / "0.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    assert [read_plan(plan) for plan in store.plans()] == [plan_of("table10")]
    (said,) = store.unread_plans()
    assert said.startswith(f"{file} is corrupt (") and wrong in said and said.endswith(")")


@pytest.mark.parametrize("document", ["{}", "{", "[]", '{"job": "train-0"}', '{"error": "no"}', '{"job": "train-0", "error": 3}'])
def test_a_record_of_a_failure_that_cannot_be_read_is_told_in_its_place(store, document):
    store.fail(JOB, ValueError("no"))
    file = store.folder / "failed" / f"{name_of(JOB)}.json"
    file.write_text(document)
    told = store.failure(JOB)
    assert store.failures() == [told] and told["job"] == name_of(JOB)
    assert re.fullmatch(f"{file} is corrupt .*: move it out of the store, it will be made again", told["error"])
    with store.working(JOB) as place:
        write_json(place / "result.json", blank(JOB))
    assert store.failures() == []


@pytest.mark.parametrize("document", ["{}", "{", "[]", '{"digest": 3}'])
def test_a_record_of_a_data_set_that_cannot_be_read_is_named(store, document):
    store.check_data("few", "abc")
    file = store.folder / "data" / "few.json"
    file.write_text(document)
    with pytest.raises(InputError, match=f"{file} is corrupt .*: move it out of the store, it will be made again"):
        store.check_data("few", "abc")
    file.unlink()
    store.check_data("few", "abc")
