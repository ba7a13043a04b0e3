import pytest

from defective.experiments.cost import RATES, Nominal, disk, each_job, estimate, outline, seconds
from defective.experiments.plan import KINDS, SIZES, Plan
from defective.experiments.store import Store
from defective.paper import EXHIBITS
from runs import SHAPE, finish, plan_of

SHAPES, COUNTS = {"few": SHAPE}, {"few": (50_000, 10_000)}
CPU = Nominal(SHAPES, "cpu")


def work(job, shapes, counts):
    """In training images of a quarter-width ResNet-18."""
    return estimate(job, Nominal(shapes, "cpu"), counts) * RATES["cpu"]


def whole(*names, scale="tiny"):
    return Plan(names, scale, {kind: kind for kind in KINDS}, KINDS)


def outlined(plan, store):
    return outline(plan, each_job(plan, store, Nominal(plan.images, "cpu")))


@pytest.mark.parametrize("scale", ["tiny", "small", "fast", "paper"])
def test_every_job_of_the_paper_has_a_cost(store, scale):
    plan = whole("all", scale=scale)
    costs = seconds(plan.jobs, store, Nominal(plan.images, "cpu"), plan.counts)
    assert costs.keys() == set(plan.jobs) and min(costs.values()) > 0
    assert min(disk(job, plan.images) for job in plan.jobs) > 0


def test_cost_grows_with_what_is_asked_for():
    def cost(scale):
        plan = whole("table4", scale=scale)
        return sum(work(job, plan.images, plan.counts) for job in plan.jobs)

    assert cost("tiny") < cost("small") < cost("fast") < cost("paper")
    nets = {str(job.net): job for job in whole("table4", "table12").jobs if job.kind == "train"}
    plain, defective, wide, five = (
        work(nets[f"resnet18{variant}"], KINDS, SIZES) for variant in ("", "/0.5-bottom", "/0.5-bottom-x2", "/0.5-bottom-x2-en")
    )
    assert defective == plain < wide and five == pytest.approx(5 * wide)


def test_attacked_images_are_kept_as_bytes_and_so_are_their_chunks():
    crafted = next(job for job in whole("table8").jobs if job.kind == "generate")
    assert disk(crafted, KINDS) == 2 * 1000 * 3 * 32 * 32


def test_without_a_store_the_rates_of_the_machine_hold(store):
    plan = plan_of("table8")
    for device, rate in RATES.items():
        assert seconds(plan.jobs, store, Nominal(SHAPES, device), COUNTS) == {
            job: pytest.approx(work(job, SHAPES, COUNTS) / rate) for job in plan.jobs
        }


def test_what_like_jobs_took_corrects_the_estimate(store):
    plan = plan_of("table8")
    trained, crafted = ([job for job in plan.jobs if job.kind == kind] for kind in ("train", "generate"))
    before = seconds(plan.jobs, store, CPU, COUNTS)
    for job, factor in zip(trained, (1, 3, 30), strict=True):
        finish(store, job, seconds=factor * before[job])
    after = seconds(plan.jobs, store, CPU, COUNTS)
    assert [after[job] / before[job] for job in trained] == pytest.approx([3, 3, 3])
    assert all(after[job] == before[job] for job in crafted)
    # A GPU's jobs take what a GPU's jobs took.
    assert seconds(trained, store, Nominal(SHAPES, "cuda"), COUNTS) == {
        job: pytest.approx(work(job, SHAPES, COUNTS) / RATES["cuda"]) for job in trained
    }


def test_an_outline_counts_each_job_for_the_first_that_needs_it(store):
    plan = whole(*EXHIBITS)
    rows = outlined(plan, store)
    assert [row["exhibit"] for row in rows] == list(EXHIBITS)
    assert sum(row[kind] for row in rows for kind in ("train", "generate", "score")) == len(plan.jobs)
    assert not any(row["stored"] for row in rows)
    by_name = {row["exhibit"]: row for row in rows}
    # A corner of Table 3, and a drawing.
    for name in ("table10", "figure4", "figure2"):
        assert [by_name[name][key] for key in ("train", "generate", "score", "seconds", "bytes")] == [0] * 5
    [alone] = outlined(whole("table10"), store)
    assert [alone[key] for key in ("train", "generate", "score")] == [4, 2, 4]


def test_what_is_stored_costs_nothing_more(store):
    plan = plan_of("table10")
    [before] = outlined(plan, store)
    for job in plan.jobs[:3]:
        finish(store, job)
    [row] = outlined(plan, store)
    assert (row["stored"], before["stored"]) == (3, 0)
    assert row["bytes"] == sum(disk(job, SHAPES) for job in plan.jobs[3:]) < before["bytes"]
    for job in plan.jobs[3:]:
        finish(store, job)
    [row] = outlined(plan, store)
    assert (row["stored"], row["seconds"], row["bytes"]) == (10, 0, 0)


def test_a_set_that_stands_in_costs_what_its_own_images_do(store):
    """Its number of images matters as much as theirs do; what is crafted on it does not depend on them."""

    def cost(name, **sizes):
        plan = Plan((name,), "tiny", {"cifar10": "few"}, {"cifar10": SHAPE}, sizes=sizes)
        return {each["job"]: each["seconds"] for each in each_job(plan, store, CPU)}

    official, tenth = cost("table8"), cost("table8", cifar10=(5_000, 1_000))
    assert official == cost("table8", cifar10=(50_000, 10_000))
    for name in official:
        assert tenth[name] == pytest.approx(official[name] / (10 if name.startswith("train-") else 1))
    assert sum(cost("figure5", cifar10=(5_000, 1_000)).values()) < sum(cost("figure5").values()) / 2


def test_a_spec_of_another_version_does_not_disturb(store):
    plan = plan_of("table10")
    finish(store, plan.jobs[0])
    (store.at(plan.jobs[0]) / "spec.json").write_text("{}")
    empty = Store(store.folder / "none", make=False)
    assert seconds(plan.jobs, store, CPU, COUNTS) == seconds(plan.jobs, empty, CPU, COUNTS)


def test_results_of_other_data_do_not_disturb(store):
    finish(store, plan_of("table10", data="other").jobs[0], seconds=1e9)
    plan = plan_of("table10")
    assert max(seconds(plan.jobs, store, CPU, COUNTS).values()) < 1e6
