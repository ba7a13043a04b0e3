"""A result that was cut off: reproduce does the job again, everything else leaves it out and says so."""

import json
import os
from pathlib import Path

import pytest

from defective.experiments.cost import ImageCost
from defective.experiments.describe import describe
from defective.experiments.json_files import write_json
from defective.experiments.store import Store
from printed import table
from runs import finish, listing, plan_of

PLAN = plan_of("figure14", data="data")
PLAIN, DEFECTIVE = PLAN.jobs
# What is corrupt.
FILE = f"jobs/{DEFECTIVE.name}/result.json"
LEFT_OUT = f"warning: store/{FILE} is corrupt: skipped; defective reproduce does the job again\n"
REPRODUCE = "reproduce figure14 --data folder:data --device cpu --store"


@pytest.fixture
def store(tmp_path, monkeypatch):
    made = Store(tmp_path / "store")
    made.note_plan(PLAN)
    for job in PLAN.jobs:
        finish(made, job, history=[{"epoch": 1, "test_accuracy": 0.5, "train_accuracy": 0.5}])
    whole = (made.folder / FILE).read_text()
    (made.folder / FILE).write_text(whole[: len(whole) // 2])
    monkeypatch.chdir(tmp_path)
    return made


def test_what_only_looks_leaves_it_out_and_says_so(store, run):
    before = listing(store.folder)
    code, out, err = run("store ls --store store --json")
    assert (code, err) == (0, LEFT_OUT) and [row["job"] for row in json.loads(out)["finished"]] == [PLAIN.name]
    said = run("store ls --store store")
    assert said.err == LEFT_OUT and [row[1] for row in table(said) if row[1]] == [PLAIN.name]
    code, out, err = run("store export --store store --out out --json")
    assert (code, err) == (0, LEFT_OUT)
    made, _ = (json.loads((store.folder.parent / file).read_text()) for file in json.loads(out)["files"])
    assert made["jobs"].keys() == {PLAIN.name}
    assert run(f"store show {PLAIN.name} --store store").err == LEFT_OUT
    code, out, err = run(f"store show {DEFECTIVE.name} --store store")
    assert (code, out) == (2, "") and err.splitlines()[0] + "\n" == LEFT_OUT
    assert (
        err.splitlines()[1] == f"error: the result of {DEFECTIVE.name} is corrupt or gone; defective reproduce does the job again"
    )
    assert listing(store.folder) == before


def test_the_report_leaves_it_out_and_says_so(store, run):
    before = listing(store.folder)
    code, _, err = run("report --store store --out page")
    assert (code, err.splitlines()[0] + "\n") == (0, LEFT_OUT)
    page = (store.folder.parent / "page" / "index.html").read_text()
    assert "Jobs whose result is corrupt" in page and f"<li>{describe(DEFECTIVE)}</li>" in page
    assert f"<li>{describe(PLAIN)}</li>" not in page and "1 of 4 numbers measured" in page
    assert listing(store.folder) == before


def test_a_plan_that_cannot_be_read_is_left_out_with_one_warning(store, run):
    finish(store, DEFECTIVE)
    expected = {command: run(command) for command in ("store ls --store store", "store export --store store --out out")}
    before = set((store.folder / "plans").iterdir())
    write_json(store.folder / "plans" / "0.json", PLAN.as_dict() | {"exhibits": ["tableX"]})
    (file,) = {*(store.folder / "plans").iterdir()} - before
    for command, said in expected.items():
        again = run(command)
        assert again[:2] == said[:2] and said.err == ""
        assert again.err.startswith(f"warning: store/plans/{file.name} is corrupt (no table or figure 'tableX'")
        assert again.err.endswith("): skipped\n")
        assert again.err.count("\n") == 1
    code, _, err = run("report --store store --out page")
    assert code == 0 and err.count("warning: ") == 1 and f"store/plans/{file.name} is corrupt" in err


def test_several_are_one_line(store, run):
    for job in plan_of("table8", data="data").jobs[:5]:
        if job not in PLAN.jobs:
            finish(store, job)
            (store.at(job) / "result.json").write_text("")
    corrupt = len(store.corrupt())
    err = run("store ls --store store").err
    assert corrupt > 3 and err.count("\n") == 1 and f" and {corrupt - 3} more are corrupt: " in err


def test_reproduce_does_it_again_and_keeps_what_was_there(store, place, run, monkeypatch):
    monkeypatch.setattr("defective.experiments.step_times.measure_steps", lambda *_: ImageCost(0.03, 0.03, 0.01))
    before = listing(store.at(DEFECTIVE))
    command = f"{REPRODUCE} {store.folder}"
    said = run(f"{command} --dry-run --json")
    assert f"{FILE} is corrupt: " in said.err and said.err.count("is corrupt") == 1
    assert [job["stored"] for job in json.loads(said.out)["jobs"]] == [True, False]
    said = run(f"{command} --json")
    assert said.err.count("is corrupt") == 1 and json.loads(said.out)["jobs"]["executed"] == 1
    assert store.result(DEFECTIVE)["values"]["test_accuracy"]["num_evaluated"] == 8
    assert listing(store.folder / "corrupt" / f"{DEFECTIVE.name}-1") == before


@pytest.mark.parametrize(
    "made", [os.mkfifo, Path.mkdir, lambda file: file.symlink_to("/dev/zero"), lambda file: file.symlink_to(file)]
)
def test_what_is_no_file_is_neither_waited_for_nor_read_without_end(store, run, made):
    (store.folder / FILE).unlink()
    made(store.folder / FILE)
    code, out, err = run("store ls --store store --json")
    assert code == 0 and [row["job"] for row in json.loads(out)["finished"]] == [PLAIN.name]
    assert err in ("", LEFT_OUT)
