"""Plans, records of failures and of data sets in a store, and what becomes of those that cannot be read."""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from defective.errors import InputError
from defective.experiments import store as module
from defective.experiments.json_files import sealed, write_json
from defective.experiments.store import Store
from runs import blank, net, plan_of

JOB = net()


def test_plans_are_remembered_once(store):
    for seeds in (1, 2, 1):
        store.note_plan(plan_of("table10", seeds=seeds))
    plans, unread = store.plans()
    assert sorted(plan.seeds for plan in plans) == [1, 2] and unread == []


PLAN = plan_of("table10").as_dict()


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ({key: value for key, value in PLAN.items() if key != "shapes"}, "shapes: is missing"),
        (PLAN | {"shapes": {}}, "no image shape for cifar10"),
        (PLAN | {"shapes": {"cifar10": [3, 32]}}, "shapes.cifar10.2: is missing"),
        (PLAN | {"exhibits": "table10"}, "exhibits: must be a tuple"),
        (PLAN | {"exhibits": ["tableX"]}, "(no table or figure 'tableX')"),
        (PLAN | {"scale": "huge"}, "(no scale 'huge')"),
        (PLAN | {"seeds": 0}, "seeds 0 must be 1 to 1000"),
        (PLAN | {"seeds": 1 << 63}, "seeds 9223372036854775808 must be 1 to 1000"),
        (PLAN | {"data": {"cifar10": "../../x"}}, "is not a file name"),
        (PLAN | {"data": {"cifar10": "/x"}}, "is not a file name"),
        (PLAN | {"seeds": 2}, "not the plan that its file is named after"),
        (PLAN | {"data": {}, "shapes": {}}, "table10 needs a data set for cifar10"),
        ([], "no JSON object"),
        ("{", "EOF while parsing"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_plan_that_cannot_be_read_is_left_out_and_named(store, document, wrong):
    store.note_plan(plan_of("table10"))
    file = store.folder / "plans" / "0.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    plans, [said] = store.plans()
    assert plans == [plan_of("table10")]
    assert said.startswith(f"{file} is corrupt (") and wrong in said and said.endswith(")")


@pytest.mark.parametrize("document", ["{}", "{", "[]", '{"job": "train-0"}', '{"error": "no"}', '{"job": "train-0", "error": 3}'])
def test_a_record_of_a_failure_that_cannot_be_read_is_told_in_its_place(store, document):
    store.fail(JOB, ValueError("no"))
    file = store.folder / "failed" / f"{JOB.name}.json"
    file.write_text(document)
    told = store.failure(JOB)
    assert store.failures() == [told] and told["job"] == JOB.name
    assert re.fullmatch(f"{file} is corrupt .*: move it out of the store, and it will be made again", told["error"])
    with store.working(JOB) as place:
        write_json(place / "result.json", sealed(JOB.name, blank(JOB)))
    assert store.failures() == []


@pytest.mark.parametrize("document", ["{}", "{", "[]", '{"digest": 3}'])
def test_a_record_of_a_data_set_that_cannot_be_read_is_named(store, document):
    store.check_data("few", "abc")
    file = store.folder / "data" / "few.json"
    file.write_text(document)
    with pytest.raises(InputError, match=f"{file} is corrupt .*: move it out of the store, and it will be made again"):
        store.check_data("few", "abc")
    file.unlink()
    store.check_data("few", "abc")


@pytest.mark.parametrize("name", ["../x", "/x", "", ".."])
def test_a_data_set_whose_name_leads_elsewhere_is_refused(store, name):
    with pytest.raises(InputError, match="is not a file name"):
        store.check_data(name, "abc")
    assert not list(store.folder.rglob("x*"))


def test_a_process_that_keeps_the_record_of_a_data_set_is_named(store, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    named = rf"{store.folder / 'locks' / 'few'}\.lock: process {os.getpid()} on .* has been at it since 2.*: end that process"
    with store.locked("few"), pytest.raises(InputError, match=named):
        Store(store.folder).check_data("few", "abc")
    store.check_data("few", "abc")


def test_locks_and_notes_are_those_of_a_group_where_the_umask_says_so(tmp_path):
    """Two users of a group share a store if both may write all that the other one made."""
    before = os.umask(0o002)
    try:
        store = Store(tmp_path / "store")
        store.check_data("few", "abc")
        with store.locked("train-0"):
            made = [place for place in store.folder.rglob("*") if place.suffix in (".lock", ".json")]
            assert {place.name for place in made} == {"few.lock", "few.json", "train-0.lock", "train-0.json"}
            assert {oct(place.stat().st_mode & 0o777) for place in made} == {"0o664"}
    finally:
        os.umask(before)


def test_of_two_sets_begun_at_once_one_gets_in(store, monkeypatch):
    """The second begins after the first has looked and before it writes."""
    with ThreadPoolExecutor() as threads:
        later = []

        def late(path, document):
            if not later:
                later.append(threads.submit(Store(store.folder).check_data, "few", "other"))
                assert not wait(later, timeout=0.2).done
            write_json(path, document)

        monkeypatch.setattr(module, "write_json", late)
        store.check_data("few", "abc")
        with pytest.raises(InputError, match="few: its images differ"):
            later[0].result()
    assert [file.name for file in (store.folder / "data").iterdir()] == ["few.json"]


def test_a_changed_byte_of_a_result_or_spec_is_found(store):
    with store.working(JOB) as place:
        write_json(place / "result.json", sealed(JOB.name, blank(JOB)))
    assert store.result(JOB) == blank(JOB) and store.spec(JOB.name) == JOB
    spec, result = (store.at(JOB) / name for name in ("spec.json", "result.json"))
    spec.write_text(spec.read_text().replace('"seed": 0', '"seed": 7'))
    with pytest.raises(InputError, match=r"spec.json is corrupt \(it is not the job that its folder is named after\)"):
        Store(store.folder).spec(JOB.name)
    text = result.read_text()
    result.write_text(text.replace('"seconds": 1.0', '"seconds": 2.0'))
    assert store.result(JOB) is None and Store(store.folder).corrupt() == [result]
    result.write_text(text)
    assert store.result(JOB) == blank(JOB)
    other = net(seed=1)
    store.at(JOB).rename(store.at(other))
    assert store.result(other) is None and store.corrupt() == [store.at(other) / "result.json"]


def test_a_document_is_read_once_until_it_changes(store, monkeypatch):
    with store.working(JOB) as place:
        write_json(place / "result.json", sealed(JOB.name, blank(JOB)))
    reads = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda file: reads.append(file) or read(file))
    looked = Store.open(store.folder)
    for _ in range(3):
        assert looked.result(JOB) and list(looked.specs()) == [(JOB.name, JOB)] and looked.corrupt() == []
    assert sorted(file.name for file in reads) == ["result.json", "spec.json"]
    write_json(store.at(JOB) / "result.json", sealed(JOB.name, blank(JOB) | {"seconds": 3.0}))
    assert looked.result(JOB)["seconds"] == 3.0
