"""Plan, run what is missing, print published beside measured."""

import json

import pytest

from defective.cli import reproduce as command
from defective.errors import InputError
from defective.experiments import execute as jobs
from defective.experiments import step_times
from defective.experiments.cost import ImageCost
from defective.experiments.store import Store
from defective.paper import CLAIMS, EXHIBITS
from defective.progress import until
from defective.results.claims import evaluate_claims
from defective.results.exhibit_result import document
from defective.specs import ARCHITECTURES
from printed import parse, table
from runs import finish, listing, plan_of


def filled(folder, name, hits, seeds=1):
    """A store where an exhibit is measured: ``hits(net)`` of 1000 for each target."""
    store = Store(folder)
    for job in plan_of(name, data="data", seeds=seeds).jobs:
        net = job.net if job.kind == "train" else job.target.net if job.kind == "score" else ""
        values = {"num_correct": hits(str(net)), "num_evaluated": 1000}
        finish(store, job, dict.fromkeys(("test_accuracy", "fooled", "paper", "target-correct", "all"), values), chance=0.1)
    return store


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """Every image costs the same, on every machine."""
    asked = []
    monkeypatch.setattr(step_times, "measure_steps", lambda *about: asked.append(about) or ImageCost(0.03, 0.03, 0.01))
    return asked


@pytest.fixture
def reproduce(place, tmp_path, run):
    """Run the command on the small set, with a store of its own."""
    return lambda words: run(f"reproduce {words} --data folder:data --device cpu --store {tmp_path / 'store'}")


@pytest.fixture
def no_claims(monkeypatch):
    """Claims look at every exhibit, which takes a second."""
    monkeypatch.setattr(
        command, "measured", lambda plan, store: ([document(EXHIBITS[name], plan, store) for name in plan.exhibits], [])
    )


def test_a_dry_run_of_all_lists_every_exhibit_and_writes_nothing(tmp_path, cache, run):
    command = f"reproduce all --data imagenet=tiny-imagenet --store {tmp_path / 'store'} --dry-run --device cpu"
    document = parse(run(f"{command} --json"))
    papers = [name for name, exhibit in EXHIBITS.items() if not exhibit.optional]
    assert [row["exhibit"] for row in document["exhibits"]] == papers
    names = [job["job"] for job in document["jobs"]]
    assert len(set(names)) == len(names) == sum(row[key] for row in document["exhibits"] for key in ("train", "generate", "score"))
    assert not any(job["stored"] for job in document["jobs"])
    for key in ("seconds", "bytes"):
        assert sum(job[key] for job in document["jobs"]) == pytest.approx(sum(row[key] for row in document["exhibits"]))
    assert document["plan"]["data"]["imagenet"] == "tiny-imagenet"
    said = run(command)
    rows = [row for row in table(said) if len(row) == 7]
    assert [row[0] for row in rows] == [*papers, "all"] and rows[-1][4] == "0"
    assert int(rows[-1][1]) == sum(row["train"] for row in document["exhibits"])
    listed = [row[0] for row in table(said) if len(row) == 2]
    assert " ".join(listed).count("train ") == int(rows[-1][1])
    note = " ".join(said.out.split())
    measured = document["measured"]
    assert f"Estimated from 2 steps of training, attack and classification with each of {len(measured)} models" in note
    assert {row["net"].split("/")[0] for row in measured} == set(ARCHITECTURES) and document["machine"]["device"] in note
    assert "No job was run" in note and "tiny-imagenet (100,000 training images) is a substitute for imagenet" in note
    assert "measure steps" in said.err and "train" not in said.err
    assert not (tmp_path / "store").exists() and not (cache / "downloads").exists()


def test_a_dry_run_knows_what_is_stored(store, reproduce, measured):
    """Of what is all stored nothing is measured."""
    for job in plan_of("table8", data="data").jobs[:5]:
        finish(store, job)
    before = listing(store.folder)
    [row] = parse(reproduce("table8 --dry-run --json"))["exhibits"]
    assert (row["train"], row["generate"], row["score"], row["stored"]) == (3, 24, 22, 5)
    assert row["seconds"] > 0 and row["bytes"] > 0 and listing(store.folder) == before and measured
    measured.clear()
    filled(store.folder, "table8", lambda net: 500)
    document = parse(reproduce("table8 --dry-run --json"))
    assert measured == document["measured"] == [] and document["exhibits"][0]["seconds"] == 0


def test_it_runs_what_is_missing_and_shows_what_it_measured(tmp_path, reproduce, no_claims):
    code, out, err = reproduce("figure14 --json")
    first = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and "[1/2] train resnet18 (tiny, seed 0) on data" in err
    assert first["jobs"] == {"finished": 2, "failed": 0, "blocked": 0, "pending": 0, "executed": 2} and first["failed"] == []
    [made] = first["exhibits"]
    store = Store.open(tmp_path / "store")
    stored = {job.net: store.result(job)["values"]["test_accuracy"] for job in plan_of("figure14", data="data").jobs}
    measured = [cell["measured"] for cell in made["cells"] if cell["measured"]]
    counts = [[(each["num_correct"], each["num_evaluated"]) for each in one["counts"]] for one in measured]
    assert counts == [[(each["num_correct"], each["num_evaluated"])] for each in stored.values()]
    assert made["data"] == {"cifar10": "data"} and made["scale"] == "tiny"
    before = listing(store.folder)
    again = parse(reproduce("figure14 --json"))
    assert again["jobs"] | {"executed": 2} == first["jobs"] and again["jobs"]["executed"] == 0
    assert again["exhibits"] == first["exhibits"] and listing(store.folder) == before
    said = reproduce("figure14")
    # The paper prints no numbers for Figure 14.
    shown = [f"{each['mean']:.1f}" for each in measured]
    assert table(said) == [["ResNet-18", shown[0], "–"], ["0.5-Bottom", shown[1], "–"]]
    assert "2 jobs finished, 0 of them now; 0 failed, 0 blocked, 0 pending. Page: defective report --store" in said.out


def test_a_chosen_row_is_run_alone_and_shown_in_its_table(tmp_path, reproduce, no_claims):
    said = reproduce("figure14 --rows '*/0.5-bottom' --dry-run")
    assert "Plan at scale tiny, 1 seed, rows */0.5-bottom" in said.out and table(said)[-1][:5] == ["all", "1", "0", "0", "0"]
    said = reproduce("figure14 --rows '*/0.5-bottom'")
    [[plain, *nothing], [defective, share, _]] = table(said)
    assert (plain, nothing, defective) == ("ResNet-18", ["–", "–"], "0.5-Bottom") and float(share) >= 0
    assert "1 job finished, 1 of them now; 0 failed, 0 blocked, 0 pending" in said.out
    # What the store remembers of it is the whole table.
    [plan] = Store.open(tmp_path / "store").plans()[0]
    assert plan.rows == () and len(plan.jobs) == 2
    assert json.loads(reproduce("figure14 --json").out)["jobs"]["executed"] == 1


@pytest.mark.parametrize(("defective", "code", "verdict"), [(900, 0, "holds"), (505, 0, "undecided"), (200, 1, "fails")])
def test_a_claim_that_fails_is_1(tmp_path, reproduce, defective, code, verdict):
    filled(tmp_path / "store", "table8", lambda net: 500 if net == "resnet18" else defective, seeds=2)
    said = reproduce("table8 --seeds 2")
    assert said.code == code and "train" not in said.err
    [line] = [line for line in said.out.splitlines() if "Defective layers improve the defence under various" in line]
    assert line.startswith(f"  {verdict}") and line.count("mean of 2 comparisons, 2 seeds") == 6
    assert [cell.partition(" (")[0] for cell in table(said._replace(code=0))[0]] == [
        "ResNet-18",
        *(f"{number} | 50.0" for number in (81.2, 65.8, 51.2, 23.8, 3.2, 0.0, 95.3)),
    ]


def test_a_claim_about_models_as_they_are_built_is_no_failure_of_a_run(tmp_path, reproduce, monkeypatch):
    filled(tmp_path / "store", "table8", lambda net: 500)
    built = next(claim for claim in CLAIMS if claim.name == "channel-operations")
    fails = [claim.model_copy(update={"verdict": "fails"}) for claim in evaluate_claims([], [built])]
    monkeypatch.setattr(command, "measured", lambda plan, store: ([], fails))
    said = reproduce("table8")
    assert said.code == 0 and f"  fails. {built.text} (Section 4.2) {built.note}\n" in said.out


def test_a_claim_about_a_model_at_chance_says_so(tmp_path, reproduce):
    filled(tmp_path / "store", "table8", lambda net: 100 if net == "resnet18" else 900)
    document = parse(reproduce("table8 --json"))
    assert {claim["name"]: claim["verdict"] for claim in document["claims"]}["white-box"] == "undecided"
    said = reproduce("table8")
    assert said.code == 0
    assert "  undecided: no better than chance: resnet18 (tiny, seed 0) on data. Defective layers improve" in said.out
    assert (
        "  warning: No better than chance, so that no claim about it is decided: resnet18 (tiny, seed 0) on data (accuracy 10.0 %, "
        "chance 10.0 %).\n" in said.out
    )


@pytest.mark.parametrize(("exhibit", "kept"), [("figure14", 2 + 0.005 * 2), ("table8", 2 + 0.005 * 49)])
def test_time_is_kept_for_writing_down_what_is_there(reproduce, monkeypatch, no_claims, exhibit, kept):
    given = []
    monkeypatch.setattr(command, "process_uptime", lambda: 1.0)
    monkeypatch.setattr(command, "until", lambda seconds: given.append(seconds) or until(0))
    for budget in ("20s", "10m"):
        reproduce(f"{exhibit} --time-budget {budget}")
    assert given == pytest.approx([20 - kept - 1, 600 - 0.03 * 600 - 1])


def test_a_dry_run_goes_by_the_images_that_are_there(tmp_path, run, reproduce):
    """Eight training images and eight test images, not CIFAR-10's."""
    [official] = parse(run(f"reproduce figure14 --device cpu --store {tmp_path / 'store'} --dry-run --json"))["exhibits"]
    [small] = parse(reproduce("figure14 --dry-run --json"))["exhibits"]
    epochs, nets = 5, 2
    assert official["seconds"] == pytest.approx(nets * epochs * (50_000 * 0.03 + 10_000 * 0.01))
    assert small["seconds"] == pytest.approx(nets * epochs * (8 * 0.03 + 8 * 0.01))


def test_a_job_that_fails_is_1_and_the_rest_is_done(reproduce, no_claims, monkeypatch):
    def train(spec, *rest, **options):
        if str(spec) != "resnet18":
            raise InputError("the loss is nan\nat step 1")
        return original(spec, *rest, **options)

    original = jobs.train
    monkeypatch.setattr(jobs, "train", train)
    code, out, err = reproduce("figure14")
    [_, failing] = plan_of("figure14", data="data").jobs
    assert code == 1 and "failed: train resnet18/0.5-bottom (tiny, seed 0) on data: the loss is nan" in err
    assert f"failed: {failing.name}: the loss is nan at step 1" in out and "1 job finished, 1 of them now; 1 failed" in out
    code, out, _ = reproduce("figure14 --json")
    document = json.loads(out)
    assert code == 1 and document["jobs"] == {"finished": 1, "failed": 1, "blocked": 0, "pending": 0, "executed": 0}
    assert [(each["job"], each["error"]) for each in document["failed"]] == [(failing.name, "the loss is nan at step 1")]
    monkeypatch.setattr(jobs, "train", original)
    assert parse_jobs(reproduce("figure14 --json")) == {"finished": 2, "failed": 0, "blocked": 0, "pending": 0, "executed": 1}


def parse_jobs(said):
    assert said.code == 0
    return json.loads(said.out)["jobs"]


def test_a_time_budget_leaves_the_rest_for_the_same_command(tmp_path, reproduce, no_claims):
    assert parse_jobs(reproduce("figure14 --seeds 3 --time-budget 0.001s --json"))["pending"] == 6
    code, out, err = reproduce("figure14 --time-budget 0.001s")
    assert code == 0 and "train" not in err
    assert "0 jobs finished, 0 of them now; 0 failed, 0 blocked, 2 pending: the same command resumes." in out
    store = Store.open(tmp_path / "store")
    assert (list(store.finished()), store.unfinished()) == ([], [])


def test_a_drawing_needs_neither_data_nor_jobs(tmp_path, run):
    document = parse(run(f"reproduce figure2 figure8 --store {tmp_path / 'store'} --json --device cpu"))
    assert [made["exhibit"] for made in document["exhibits"]] == ["figure2", "figure8"]
    assert document["claims"] == []
    assert all(made["cells"] == [] and made["data"] == made["jobs"] == {} for made in document["exhibits"])
    said = run(f"reproduce figure2 --store {tmp_path / 'store'} --device cpu")
    drawn, jobs = said.out.splitlines()[:2]
    assert said.code == 0 and drawn.endswith("drawn by defective report") and jobs.startswith("0 jobs finished")
    nothing = f"warning: {tmp_path / 'store'} holds no measured number: nothing was written\n"
    assert run(f"store export --store {tmp_path / 'store'} --out {tmp_path / 'out'}") == (0, "", nothing)
    assert not (tmp_path / "out").exists()
