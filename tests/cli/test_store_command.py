"""Look into a store, take results out, clean up."""

import json
import os
import time

import pytest

from defective.experiments.describe import describe
from defective.experiments.json_files import sealed, unsealed, write_json
from defective.experiments.store import Store
from defective.paper import EXHIBITS
from defective.results.exhibit_result import document
from printed import one_line, parse, table
from runs import finish, listing, plan_of

PLAN = plan_of("table7", "table10", "figure2")
NET = PLAN.jobs[0]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Three plans; one job failed, one is begun, the others are done."""
    made = Store(tmp_path / "store")
    for seeds in (1, 2):
        made.note_plan(plan_of("table7", "table10", "figure2", seeds=seeds))
    *done, begun, failed = PLAN.jobs
    for job in done:
        finish(made, job)
    made.fail(failed, ValueError("it broke"))
    write_json(made.folder / "running" / begun.name / "half.json", {})
    monkeypatch.chdir(tmp_path)
    return made


def test_ls_lists_finished_unfinished_and_failed(store, run):
    *done, begun, failed = PLAN.jobs
    write_json(store.folder / "running" / begun.name / "spec.json", begun.model_dump(mode="json"))
    before = listing(store.folder)
    document = parse(run("store ls --store store --json"))
    assert [row["job"] for row in document["finished"]] == sorted(job.name for job in done)
    assert {row["job"]: row["about"] for row in document["finished"]} == {job.name: describe(job) for job in done}
    assert document["finished"][0]["values"] == store.result(document["finished"][0]["job"])["values"]
    assert document["unfinished"] == [{"job": begun.name, "about": describe(begun), "epochs": None, "of_epochs": None}]
    assert [(row["job"], row["error"]) for row in document["failed"]] == [(failed.name, "it broke")]
    rows = table(run("store ls --store store"))
    assert sorted(row[1] for row in rows if row[1]) == sorted(job.name for job in PLAN.jobs) and rows[0][2:] == [
        "1.5 s",
        "2026-01-31",
    ]
    said = " ".join(row[0] for row in rows)
    assert f"unfinished: {describe(begun)}" in said and f"failed: {describe(failed)}: it broke" in said
    assert listing(store.folder) == before


@pytest.mark.parametrize("width", [72, 200])
def test_ls_is_readable_at_any_width(store, run, monkeypatch, width):
    """What a job is folds: names of jobs are whole, and no column is squeezed to nothing."""
    monkeypatch.setenv("COLUMNS", str(width))
    out = run("store ls --store store").out
    assert all(len(line) <= width for line in out.splitlines()) and all(job.name in out for job in PLAN.jobs)
    assert all(len(row[0]) >= 5 for row in table(run("store ls --store store")) if row[1])


def test_ls_says_what_it_cannot_describe(store, run):
    """Jobs of another version: an unfinished one is listed by its name, a failed one with its error, a finished one is left out."""
    (store.folder / "running" / "train-0123456789abcdef").mkdir()
    store.fail(NET, ValueError("no"))
    file = store.folder / "failed" / f"{NET.name}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"spec": {"kind": "other"}}))
    (store.at(NET) / "spec.json").write_text("{}")
    code, out, err = run("store ls --store store --json")
    assert code == 0 and NET.name not in [row["job"] for row in json.loads(out)["finished"]]
    place, wrong = f"store/jobs/{NET.name}", "spec.json is corrupt (it is not a job of this version)"
    assert err == f"warning: {place}/{wrong}: move {place} out of the store, and it will be made again\n"
    said = run("store ls --store store")
    rows = {row[1]: row[0] for row in table(said) if row[1]}
    assert rows["train-0123456789abcdef"] == "unfinished: begun by another version" and "failed: no" in said.out


def test_a_store_that_can_only_be_read_is_read(store, run, monkeypatch):
    monkeypatch.setattr(os, "access", lambda place, mode: mode != os.W_OK)
    assert run("store ls --store store").code == run("reproduce figure2 --store store --dry-run --device cpu").code == 0
    assert run("reproduce figure2 --store store --device cpu").err == "error: store is not writable: choose another folder\n"


def test_show_prints_spec_and_result(store, run):
    name = NET.name
    document = parse(run(f"store show {name} --store store --json"))
    assert document == {"job": name, "spec": NET.model_dump(mode="json"), "result": store.result(NET)}
    assert parse(run(f"store show {name[:14]} --store store --json")) == document
    said = run(f"store show {name} --store store").out
    counts = ", ".join(f"{key} {number}" for key, number in store.result(NET)["values"]["test_accuracy"].items())
    assert describe(NET) in said and counts in said and "1.5 s" in said
    assert "jobs begin with 'train', train-" in one_line(run("store show train --store store"))


def test_export_writes_a_document_for_each_exhibit_that_has_anything(store, run, tmp_path):
    before = listing(store.folder)
    files = parse(run("store export --store store --out out --json"))["files"]
    assert sorted(run("store export --store store --out out").out.split()) == sorted(files)
    assert sorted(f"out/{name}" for name in listing(tmp_path / "out")) == sorted(files)
    claims = files.pop()
    assert claims == "out/claims/tiny.json" and json.loads((tmp_path / claims).read_text())["scale"] == "tiny"
    assert sorted(file.rsplit("/", 1)[1] for file in files) == ["table10.json", "table7.json"]
    assert all(file.startswith("out/few/tiny/") for file in files)
    for file in files:
        made = json.loads((tmp_path / file).read_text(), parse_constant=pytest.fail)
        own = document(EXHIBITS[made["exhibit"]], plan_of(made["exhibit"], seeds=2), store)
        assert made["seeds"] == 2 and made["jobs"].keys() == own.jobs.keys()
        for cell, expected in zip(made["cells"], own.as_json()["cells"], strict=True):
            assert (cell["measured"] or {}).get("values") == (expected["measured"] or {}).get("values")
    assert listing(store.folder) == before


def test_what_was_taken_out_is_the_same_from_a_copy(store, run, tmp_path):
    """Without its empty folders, as git keeps it."""
    for name, content in listing(store.folder).items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(content)
    for name in ("store", "copy"):
        assert run(f"store export --store {name} --out out-{name}").code == 0
    assert listing(tmp_path / "out-store") == listing(tmp_path / "out-copy") != {}
    assert parse(run("store ls --store copy --json")) == parse(run("store ls --store store --json"))


def test_export_says_which_earlier_file_it_removes(store, run, tmp_path):
    (first, *rest) = parse(run("store export --store store --out out --json"))["files"]
    file = store.folder / "jobs" / next(iter(json.loads((tmp_path / first).read_text())["jobs"])) / "result.json"
    # As if the job had been done on a GPU while the first export was made without it.
    old = json.loads((tmp_path / first).read_text())
    old["jobs"].pop(file.parent.name)
    write_json(tmp_path / first, old)
    name = file.parent.name
    write_json(file, sealed(name, unsealed(name, json.loads(file.read_text())) | {"kind_of_device": "cuda"}))
    code, out, err = run("store export --store store --out out --json")
    moved = first.replace("/cpu/", "/cpu-cuda/")
    assert code == 0 and sorted(json.loads(out)["files"]) == sorted([moved, *rest])
    assert err == f"warning: {first} is removed: all of it is in {moved}\n"
    assert sorted(f"out/{name}" for name in listing(tmp_path / "out")) == sorted([moved, *rest])


def test_gc_removes_what_is_old_and_needed_by_nothing(store, run):
    """A chunk and an unfinished job, both ten days old; a new chunk stays."""
    old, new = (store.folder / "chunks" / f"{name}.safetensors" for name in ("ab/1", "ab/2"))
    old.parent.mkdir(parents=True)
    for file in (old, new):
        file.write_bytes(b"0123456789")
    for file in set(store.folder.rglob("*")) - {new}:
        os.utime(file, (time.time() - 864_000,) * 2)
    before = listing(store.folder)
    removed = {f"running/{PLAN.jobs[-2].name}/half.json", "chunks/ab/1.safetensors"}
    freed = sum(len(before[name]) for name in removed)
    assert parse(run("store gc --store store --days 1 --dry-run --json")) == {"bytes": freed, "paths": 2, "removed": False}
    assert parse(run("store gc --store store --days 20 --json"))["paths"] == 0 and before.items() <= listing(store.folder).items()
    assert parse(run("store gc --store store --days 1 --json")) == {"bytes": freed, "paths": 2, "removed": True}
    after = {name: each for name, each in listing(store.folder).items() if "locks" not in name}
    assert after == {name: each for name, each in before.items() if name not in removed} and store.unfinished() == []
    assert "in 0 paths" in run("store gc --store store --days 1").out


def test_copy_brings_what_was_measured_to_another_store(store, run):
    finished = sorted(store.finished())
    assert parse(run("store copy --store store --out measured --json")) == {"store": "measured", "copied": len(finished)}
    assert sorted(Store.open(store.folder.parent / "measured").finished()) == finished
    assert run("store copy --store store --out measured").out == "copied 0 jobs to measured\n"
    assert run("store copy --store store --out ./store").err == "error: --out store is the store itself: name another folder\n"
