import pytest

from defective.experiments.cost import RATES, Nominal, disk, each_job, estimate, outline, seconds
from defective.experiments.plan import KINDS, Plan
from defective.experiments.store import Store
from defective.paper import EXHIBITS
from runs import SHAPE, finish, plan_of

SHAPES = {"few": SHAPE}
CPU = Nominal(SHAPES, "cpu")


def work(job, shapes, counts=None):
    """In training images of a quarter-width ResNet-18."""
    return estimate(job, Nominal(shapes, "cpu"), counts) * RATES["cpu"]


def whole(*names, scale="tiny", seeds=1):
    return Plan(names, scale, {kind: kind for kind in KINDS}, KINDS, seeds)


def totals(rows):
    return {key: sum(row[key] for row in rows) for key in ("train", "generate", "score", "stored")}


@pytest.mark.parametrize("scale", ["tiny", "small", "fast", "paper"])
def test_every_job_of_the_paper_has_a_cost(store, scale):
    plan = whole("all", scale=scale)
    costs = seconds(plan.jobs, store, Nominal(plan.images, "cpu"))
    assert costs.keys() == set(plan.jobs) and min(costs.values()) > 0
    assert min(disk(job, plan.images) for job in plan.jobs) > 0


def test_cost_grows_with_what_is_asked_for():
    def cost(scale):
        plan = whole("table4", scale=scale)
        return sum(work(job, plan.images) for job in plan.jobs)

    assert cost("tiny") < cost("small") < cost("fast") < cost("paper")
    nets = {str(job.net): job for job in whole("table4", "table12").jobs if job.kind == "train"}
    plain = work(nets["resnet18"], KINDS)
    assert work(nets["resnet18/0.5-bottom"], KINDS) == plain
    assert work(nets["resnet18/0.5-bottom-x2"], KINDS) > plain
    assert work(nets["resnet18/0.5-bottom-x2-en"], KINDS) == pytest.approx(5 * work(nets["resnet18/0.5-bottom-x2"], KINDS))


def test_attacked_images_are_kept_as_bytes_and_so_are_their_chunks():
    crafted = next(job for job in whole("table8").jobs if job.kind == "generate")
    assert disk(crafted, KINDS) == 2 * 1000 * 3 * 32 * 32


def test_without_a_store_the_rates_of_the_machine_hold(store):
    plan = plan_of("table8")
    for device, rate in RATES.items():
        assert seconds(plan.jobs, store, Nominal(SHAPES, device)) == {
            job: pytest.approx(work(job, SHAPES) / rate) for job in plan.jobs
        }


def test_what_like_jobs_took_corrects_the_estimate(store):
    plan = plan_of("table8")
    trained, crafted = ([job for job in plan.jobs if job.kind == kind] for kind in ("train", "generate"))
    before = seconds(plan.jobs, store, CPU)
    for job, factor in zip(trained, (1, 3, 30), strict=True):
        finish(store, job, seconds=factor * before[job])
    after = seconds(plan.jobs, store, CPU)
    assert [after[job] / before[job] for job in trained] == pytest.approx([3, 3, 3])
    assert all(after[job] == before[job] for job in crafted)
    # A GPU's jobs take what a GPU's jobs took.
    assert seconds(trained, store, Nominal(SHAPES, "cuda")) == {
        job: pytest.approx(work(job, SHAPES) / RATES["cuda"]) for job in trained
    }


def test_an_outline_counts_each_job_for_the_first_that_needs_it(store):
    plan = whole(*EXHIBITS)
    rows = outline(plan, store, Nominal(plan.images, "cpu"))
    assert [row["exhibit"] for row in rows] == list(EXHIBITS)
    counts = totals(rows)
    assert counts["train"] + counts["generate"] + counts["score"] == len(plan.jobs) and counts["stored"] == 0
    by_name = {row["exhibit"]: row for row in rows}
    # A corner of Table 3, and a drawing.
    for name in ("table10", "figure4", "figure2"):
        assert [by_name[name][key] for key in ("train", "generate", "score", "seconds", "bytes")] == [0] * 5
    alone = outline(whole("table10"), store, Nominal(KINDS, "cpu"))
    assert [alone[0][key] for key in ("train", "generate", "score")] == [4, 2, 4]


def test_what_is_stored_costs_nothing_more(store):
    plan = plan_of("table10")
    [before] = outline(plan, store, Nominal(plan.images, "cpu"))
    for job in plan.jobs[:3]:
        finish(store, job)
    [row] = outline(plan, store, Nominal(plan.images, "cpu"))
    assert (row["stored"], before["stored"]) == (3, 0)
    assert row["bytes"] == sum(disk(job, SHAPES) for job in plan.jobs[3:]) < before["bytes"]
    for job in plan.jobs[3:]:
        finish(store, job)
    [row] = outline(plan, store, Nominal(plan.images, "cpu"))
    assert (row["stored"], row["seconds"], row["bytes"]) == (10, 0, 0)


def test_a_set_that_stands_in_costs_what_its_own_images_do(store):
    """Its number of images matters as much as theirs do; what is crafted on it does not depend on them."""

    def cost(size):
        plan = Plan(("table8",), "tiny", {"cifar10": "few"}, {"cifar10": SHAPE}, sizes={"cifar10": size} if size else {})
        return {each["job"]: each["seconds"] for each in each_job(plan, store, CPU)}

    official, tenth = cost(None), cost((5_000, 1_000))
    assert official == cost((50_000, 10_000))
    for name in official:
        assert tenth[name] == pytest.approx(official[name] / (10 if name.startswith("train-") else 1))
    by_noise = Plan(("figure5",), "tiny", {"cifar10": "few"}, {"cifar10": SHAPE}, sizes={"cifar10": (5_000, 1_000)})
    assert outline(by_noise, store, CPU)[0]["seconds"] < outline(plan_of("figure5"), store, CPU)[0]["seconds"] / 2


def test_a_spec_of_another_version_does_not_disturb(store):
    plan = plan_of("table10")
    finish(store, plan.jobs[0])
    (store.at(plan.jobs[0]) / "spec.json").write_text("{}")
    assert seconds(plan.jobs, store, CPU) == seconds(plan.jobs, Store(store.folder / "none", make=False), CPU)


def test_results_of_other_data_do_not_disturb(store):
    finish(store, plan_of("table10", data="other").jobs[0], seconds=1e9)
    plan = plan_of("table10")
    assert max(seconds(plan.jobs, store, CPU).values()) < 1e6
