import json

import pytest

from defective.data.official import KINDS
from defective.experiments.json_files import write_json
from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.paper import CLAIMS, OBSERVATIONS
from defective.results.documents import ClaimsResult
from defective.results.export import export
from runs import SHAPE, filled_store, finish, plan_of


@pytest.fixture
def store(tmp_path):
    """Table 10, half of it measured, and a drawing, of which nothing is."""
    made, plan = Store(tmp_path / "store"), plan_of("table10", "figure2")
    made.note_plan(plan)
    for job in plan.jobs[:5]:
        finish(made, job)
    return made


def listing(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if "claims" not in file.relative_to(folder).parts)


def rest(store, **about):
    for job in plan_of("table10").jobs[5:]:
        finish(store, job, **about)


def named(files, folder):
    return [str(file.relative_to(folder)) for file in files if file.parent.name != "claims"]


def test_the_same_place_is_written_over(store, tmp_path):
    out, counts = tmp_path / "out", []
    for fill in (lambda: None, lambda: rest(store)):
        fill()
        written, removed = export([store], out)
        assert named(written, out) == ["few/tiny/cpu/table10.json"] and removed == {}
        counts.append(len(json.loads(written[0].read_text())["jobs"]))
    assert counts == [sum(job.kind == "score" for job in plan_of("table10").jobs[:end]) for end in (5, 10)]


def test_what_was_measured_on_one_device_is_not_left_beside_both(store, tmp_path):
    out = tmp_path / "out"
    export([store], out)
    rest(store, kind_of_device="cuda")
    written, removed = export([store], out)
    assert named(written, out) == ["few/tiny/cpu-cuda/table10.json"] and removed == {out / "few/tiny/cpu/table10.json": written[0]}
    assert listing(out) == ["few", "few/tiny", "few/tiny/cpu-cuda", "few/tiny/cpu-cuda/table10.json"]
    assert export([store], out) == (written, {})


def test_what_was_measured_on_one_data_set_is_not_left_beside_both(tmp_path):
    store, out, alone = Store(tmp_path / "store"), tmp_path / "out", plan_of("figure14")
    both = Plan(("figure14",), "tiny", {"cifar10": "few", "mnist": "mnist"}, {"cifar10": SHAPE, "mnist": KINDS["mnist"]})
    for plan in (alone, both):
        store.note_plan(plan)
        for job in plan.jobs:
            if store.result(job) is None:
                finish(store, job)
        written, removed = export([store], out)
    assert named(written, out) == ["few-mnist/tiny/cpu/figure14.json"] and removed == {
        out / "few/tiny/cpu/figure14.json": written[0]
    }
    assert listing(out) == ["few-mnist", "few-mnist/tiny", "few-mnist/tiny/cpu", "few-mnist/tiny/cpu/figure14.json"]


def test_what_another_store_measured_stays(store, tmp_path):
    """The same jobs, done elsewhere: on another day, or as fast as another machine."""
    out, whole = tmp_path / "out", plan_of("table10")
    for number, about in enumerate(({"seconds": 0.5}, {"finished": "2026-02-01"})):
        other = Store(tmp_path / f"other-{number}")
        other.note_plan(whole)
        for job in whole.jobs:
            finish(other, job, kind_of_device=f"cuda{number}", **about)
        export([other], out)
    rest(store)
    written, removed = export([store], out)
    assert removed == {} and [name for name in listing(out) if name.endswith("json")] == [
        f"few/tiny/{device}/table10.json" for device in ("cpu", "cuda0", "cuda1")
    ]
    assert written == [out / "few/tiny/cpu/table10.json", out / "claims/tiny.json"]


# What turns an export into another document, or into none.
CHANGES = (
    lambda document: document | {"exhibit": "table4"},
    lambda document: document | {"scale": "fast"},
    lambda document: document | {"jobs": document["jobs"] | {"train-0": next(iter(document["jobs"].values()))}},
    lambda document: document | {"jobs": {}},
    lambda document: document | {"jobs": 3},
    lambda document: document | {"jobs": dict.fromkeys(document["jobs"], 3)},
    lambda document: {"notes": "mine"},
    lambda document: [document],
)


def test_files_that_are_no_earlier_export_of_it_stay(store, tmp_path):
    out = tmp_path / "out"
    export([store], out)
    written = out / "few/tiny/cpu/table10.json"
    for number, change in enumerate(CHANGES):
        write_json(out / f"few/tiny/gpu{number}/table10.json", change(json.loads(written.read_text())))
    (out / "few/tiny/x").mkdir()
    (out / "few/tiny/x/table10.json").write_text("no JSON")
    (out / "few/tiny/cpu/notes.json").write_text(written.read_text())
    (out / "few/fast/gpu").mkdir(parents=True)
    (out / "few/fast/gpu/table10.json").write_text(written.read_text())
    before = listing(out)
    assert export([store], out) == ([written, out / "claims/tiny.json"], {}) and listing(out) == before


def test_the_claims_of_a_scale_are_one_file(store, tmp_path):
    rest(store)
    written, _ = export([store], tmp_path / "out")
    assert written[-1] == tmp_path / "out" / "claims" / "tiny.json"
    found = ClaimsResult.model_validate_json(written[-1].read_text())
    assert [claim.name for claim in found.claims] == [claim.name for claim in (*CLAIMS, *OBSERVATIONS)]
    # Models as they are built are counted without a store.
    assert {claim.verdict for claim in found.claims if claim.kind not in ("equal", "fewer")} == {"not measured"}


def test_claims_rest_on_the_documents_of_other_stores_too(tmp_path):
    out, files = tmp_path / "out", []
    for name in ("table8", "figure5"):
        files, _ = export([filled_store(tmp_path / name, plan_of(name, seeds=2))], out)
        write_json(out / "few/small/cpu" / f"{name}.json", json.loads(files[0].read_text()) | {"scale": "small"})
    found = {claim.name: claim for claim in ClaimsResult.model_validate_json(files[-1].read_text()).claims}
    assert files == [out / "few/tiny/cpu/figure5.json", out / "claims/tiny.json"]
    for name in ("white-box", "noise"):
        assert {part.seeds for part in found[name].contrasts} == {2} and found[name].p is not None


def test_several_stores_are_exported_as_one_that_holds_all_of_them(tmp_path):
    plans = [plan_of(name, seeds=2) for name in ("table8", "figure5")]
    apart, _ = export([filled_store(tmp_path / plan.exhibits[0], plan) for plan in plans], tmp_path / "apart")
    together, _ = export([filled_store(tmp_path / "whole", *plans)], tmp_path / "together")
    assert len(apart) == 3
    assert {file.name: file.read_text() for file in apart} == {file.name: file.read_text() for file in together}


def test_an_empty_store_writes_nothing(tmp_path):
    assert export([Store(tmp_path / "store")], tmp_path / "out") == ([], {}) and not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "..", "a/b", "a\\b", "x\n", "", "\ud800"])
def test_names_of_a_store_never_lead_out_of_the_folder(store, tmp_path, name):
    """A plan and a result with such a name are refused when they are read; what is whole is written."""
    before = sorted(str(file) for file in tmp_path.rglob("*"))
    write_json(store.folder / "plans" / "0.json", plan_of("table8", data=name).as_dict())
    rest(store, kind_of_device=name)
    written, _ = export([store], tmp_path / "deep" / "out")
    assert named(written, tmp_path / "deep" / "out") == ["few/tiny/cpu/table10.json"] and len(store.plans()[1]) == 1
    assert len(store.corrupt()) == len(plan_of("table10").jobs) - 5
    after = {str(file) for file in tmp_path.rglob("*")} - set(before)
    assert all(file.startswith((str(store.folder), str(tmp_path / "deep"))) for file in after)
