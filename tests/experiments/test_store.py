import errno
import json

import pytest

from defective import files
from defective.errors import InputError
from defective.experiments.json_files import sealed, write_json
from defective.experiments.store import Store
from runs import blank, listing, net, plan_of

JOB, OTHER = net(), net(seed=1)
DONE = blank(JOB) | {"values": {"test_accuracy": {"num_correct": 1, "num_evaluated": 2}}}


def finish(store, job=JOB, result=None):
    with store.working(job) as place:
        (place / "net").mkdir(exist_ok=True)
        (place / "net" / "weights").write_bytes(b"some")
        write_json(place / "result.json", sealed(job.name, result or DONE))


def test_a_job_is_finished_when_its_result_is_written(store):
    with pytest.raises(ZeroDivisionError), store.working(JOB) as place:
        (place / "half").write_text("so far")
        assert (store.result(JOB), list(store.finished()), store.unfinished()) == (None, [], [JOB.name])
        raise ZeroDivisionError
    # No result: what is there stays for the next one.
    with store.working(JOB) as place:
        assert (place / "half").read_text() == "so far"
        write_json(place / "result.json", sealed(JOB.name, DONE))
        assert store.result(JOB) is None
    assert (store.result(JOB), list(store.finished()), store.unfinished()) == (DONE, [JOB.name], [])
    assert (store.at(JOB) / "half").read_text() == "so far"
    assert store.spec(JOB.name) == JOB
    before = listing(store.folder)
    with store.working(JOB) as place:
        assert place is None
    assert listing(store.folder) == before


def test_a_job_killed_after_its_result_is_finished_as_it_is(store):
    place = store.folder / "running" / JOB.name
    write_json(place / "result.json", sealed(JOB.name, DONE))
    with store.working(JOB) as given:
        assert given is None
    assert store.result(JOB) == DONE and store.spec(JOB.name) == JOB and store.unfinished() == []


def test_what_a_killed_process_was_writing_is_not_kept(store):
    half = store.folder / "running" / JOB.name / "net" / ".model.safetensors.123-abcdef"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half of it")
    finish(store)
    assert sorted(listing(store.at(JOB))) == ["net/weights", "result.json", "spec.json"]


def test_a_job_whose_result_was_taken_away_is_done_again(store):
    finish(store)
    (store.at(JOB) / "result.json").unlink()
    (store.at(JOB) / "old").write_text("stale")
    assert store.result(JOB) is None and list(store.finished()) == []
    finish(store)
    assert "old" not in listing(store.at(JOB)) and store.result(JOB) == DONE
    assert (store.folder / "corrupt" / f"{JOB.name}-1" / "old").read_text() == "stale"


def test_one_process_at_a_time(store):
    with store.working(JOB) as first, Store(store.folder).working(JOB) as second, store.working(OTHER) as other:
        assert second is None and None not in (first, other)
    with store.working(JOB) as place:
        assert place is not None


def test_a_failure_is_recorded_until_the_job_succeeds(store):
    store.fail(JOB, ValueError("two\nlines"))
    store.fail(OTHER, KeyError())
    about = store.failure(JOB)
    assert (about["job"], about["error"], about["type"]) == (JOB.name, "two lines", "ValueError")
    assert about["spec"] == JOB.model_dump(mode="json")
    assert sorted(each["error"] for each in store.failures()) == ["KeyError", "two lines"]
    finish(store)
    assert store.failure(JOB) is None and [each["job"] for each in store.failures()] == [OTHER.name]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"values": \x00}', '{"values": {}}', '{"values": 3}', json.dumps(DONE | {"values": {}})]
)
def test_a_job_whose_result_is_corrupt_is_done_again_and_nothing_of_it_is_lost(store, text):
    for job in (JOB, OTHER):
        finish(store, job)
    file = store.at(JOB) / "result.json"
    for number in (1, 2):
        file.write_text(text)
        assert store.result(JOB) is None and list(store.finished()) == [OTHER.name]
        assert store.corrupt() == store.corrupt([OTHER, JOB]) == [file] and store.corrupt([OTHER]) == []
        before = listing(store.at(JOB))
        with store.working(JOB) as place:
            # Until there is another.
            assert listing(store.at(JOB)) == before
            write_json(place / "result.json", sealed(JOB.name, DONE))
        assert store.result(JOB) == DONE and store.corrupt() == []
        assert listing(store.folder / "corrupt" / f"{JOB.name}-{number}") == before
    assert list(store.finished()) == sorted([JOB.name, OTHER.name])


def test_a_spec_that_cannot_be_read_is_named_and_hides_no_other(store):
    for job in (JOB, OTHER):
        finish(store, job)
    for text, wrong in (('{"kind": "train", "colour": "red"}', "it is not a job of this version"), ("{", "EOF while parsing .*")):
        (store.at(JOB) / "spec.json").write_text(text)
        with pytest.raises(InputError, match=rf"spec.json is corrupt \({wrong}\): move .*{JOB.name} out of the store"):
            store.spec(JOB.name)
        assert list(store.specs()) == [(OTHER.name, OTHER)]


def test_a_stray_file_is_no_job(store):
    for folder in ("jobs", "running"):
        (store.folder / folder).mkdir(exist_ok=True)
        (store.folder / folder / ".DS_Store").touch()
    assert store.corrupt() == [] and list(store.finished()) == [] and store.begun(".DS_Store") is None


def test_an_unfinished_job_says_what_it_is(store):
    with store.working(JOB):
        assert store.begun(JOB.name) == JOB
    assert store.begun(JOB.name) == JOB and store.begun(OTHER.name) is None
    for text in ("{", '{"kind": "train"}'):
        (store.folder / "running" / JOB.name / "spec.json").write_text(text)
        assert store.begun(JOB.name) is None


def test_another_kind_of_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for make in (True, False):
        with pytest.raises(InputError, match="is not empty and not a store"):
            Store(tmp_path, make=make)
        with pytest.raises(InputError, match="is a file, not a folder"):
            Store(tmp_path / "notes.txt", make=make)
        with pytest.raises(InputError, match="is a file, not a folder"):
            Store(tmp_path / "notes.txt" / "deeper", make=make)
    assert listing(tmp_path) == {"notes.txt": b"mine"} and len(list(tmp_path.iterdir())) == 1


def test_an_empty_folder_becomes_a_store_and_a_look_does_not_make_one(tmp_path):
    for folder in (tmp_path / "empty", tmp_path / "new"):
        with pytest.raises(InputError, match="there is no store; defective reproduce --store"):
            Store.open(folder)
        looked = Store(folder, make=False)
        assert not folder.exists()
        assert [*looked.finished(), *looked.unfinished(), *looked.failures()] == [] and looked.plans() == ([], [])
        assert looked.result(JOB) is None
        folder.mkdir()
        Store(folder, make=False)
        assert list(folder.iterdir()) == []
        Store(folder)
        assert Store.open(folder).folder == folder


def test_a_full_disk_leaves_the_store_as_it_was(store, monkeypatch):
    store.note_plan(plan_of("table10"))
    before = listing(store.folder)

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    for write in (lambda: finish(store), lambda: store.fail(OTHER, ValueError("no")), lambda: store.note_plan(plan_of("table9"))):
        with pytest.raises(OSError, match="No space left"):
            write()
    assert {name: each for name, each in listing(store.folder).items() if not name.endswith(".lock")} == before
