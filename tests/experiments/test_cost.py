"""Estimates: the arithmetic of a job, what is measured once, and what a plan costs beside what is stored."""

import pytest
import torch

from defective import progress
from defective.data.official import KINDS
from defective.experiments import step_times
from defective.experiments.cost import ImageCost, disk, each_job, estimate, outline
from defective.experiments.plan import Plan
from defective.experiments.step_times import STEPS, MeasuredCosts, measure_steps
from defective.paper import EXHIBITS
from defective.specs import AttackSpec, DecisionJob, GenerateJob, NoiseJob, ScoreJob, ShuffleJob
from runs import SHAPE, finish, net, plan_of, whole

SHAPES, COUNTS, CPU = {"few": SHAPE}, {"few": (100, 30)}, torch.device("cpu")
# Of a model by its architecture: seconds in a training step, in a gradient and in a forward pass.
COST = {"resnet18": ImageCost(0.5, 0.25, 0.125), "vgg19": ImageCost(8.0, 4.0, 2.0)}
PLAIN, OTHER = net("resnet18", epochs=3), net("vgg19/0.5-bottom", epochs=3)


def even(job):
    """Every image costs every model the same."""
    return ImageCost(0.5, 0.25, 0.125)


def costs(plan, store, device="cpu"):
    return {row["job"]: row["seconds"] for row in each_job(plan, store, even, device)}


def outlined(plan, store):
    return outline(plan, each_job(plan, store, even, "cpu"))


def craft(attack, *sources):
    return GenerateJob(sources=sources, attack=AttackSpec.parse(attack), samples=10)


MADRY = net("resnet18", epochs=3, adversarial=AttackSpec.parse("pgd:steps=7"))


@pytest.mark.parametrize(
    ("job", "seconds"),
    [
        # 3 epochs of 100 training and 30 test images.
        (PLAIN, 3 * (100 * 0.5 + 30 * 0.125)),
        (MADRY, 3 * (100 * (0.5 + 7 * 0.25) + 30 * 0.125)),
        # One gradient more for the images themselves.
        (craft("fgsm", PLAIN), 10 * 2 * 0.25),
        (craft("pgd:steps=20", PLAIN, OTHER), 10 * 21 * (0.25 + 4.0)),
        (craft("cw:steps=100,search_steps=9", PLAIN), 10 * 901 * 0.25),
        (craft("sifgsm:steps=10,scales=5", PLAIN), 10 * 51 * 0.25),
        (craft("vmifgsm:steps=10,neighbors=20", PLAIN), 10 * 211 * 0.25),
        (ScoreJob(target=OTHER, adversarial=craft("fgsm", PLAIN)), 10 * 3 * 2.0),
        (DecisionJob(target=OTHER, attack=AttackSpec.parse("boundary:steps=50,directions=25"), samples=10), 10 * 1250 * 1.5 * 2.0),
        (NoiseJob(targets=(PLAIN, OTHER), sigmas=(1, 2, 4), samples=10), (30 + 3 * 10) * (0.125 + 2.0)),
        (ShuffleJob(targets=(PLAIN,), grids=(2,), confidence=0.9, samples=10), (30 + 10) * 0.125),
    ],
    ids=lambda each: getattr(each, "kind", None),
)
def test_a_job_costs_its_images_times_what_one_took(job, seconds):
    assert estimate(job, lambda job: COST[job.net.arch], COUNTS) == seconds


def test_each_architecture_width_shape_and_batch_is_measured_once(monkeypatch):
    asked = []
    monkeypatch.setattr(step_times, "measure_steps", lambda *about: asked.append(about) or COST[about[0].net.arch])
    ensemble = net("resnet18/0.5-bottom-en")
    alike = [net(), net(seed=1), net("resnet18/0.5-bottom"), net("resnet18/0.9-dropout"), ensemble]
    others = [net("vgg19"), net("resnet18/0.5-bottom-x2"), net(width_mult=0.5), net(batch_size=32), net(data="larger")]
    shapes = SHAPES | {"larger": (3, 64, 64)}
    found = MeasuredCosts([*alike, *others], shapes, CPU)
    assert asked == [(each, shapes[each.data], CPU) for each in (alike[0], *others)]
    assert found(alike[2]) == found(net(seed=7)) == COST["resnet18"] and found(ensemble) == ImageCost(2.5, 1.25, 0.625)
    for unknown in (net(width_mult=1.0), net(data="unknown")):
        with pytest.raises(KeyError):
            found(unknown)
    rows = found.as_rows()
    assert [(row["net"], row["batch_size"]) for row in rows[:2]] == [("resnet18", 8), ("vgg19", 8)]
    assert {key: rows[1][key] for key in ("train", "gradient", "forward")} == {"train": 8.0, "gradient": 4.0, "forward": 2.0}


@pytest.mark.parametrize("job", [net("resnet18/0.5-bottom", batch_size=16, width_mult=0.0625), net("vgg19", width_mult=0.0625)])
def test_a_measurement_is_a_few_steps_whatever_the_recipe(monkeypatch, job):
    """Adversarial training, the best epoch and a streamed augmentation are not what is measured; nobody sees its bars."""
    steps, attacks, fit, pgd = [], [], step_times.fit, step_times.pgd

    def trained(model, data, recipe, **options):
        assert not progress.shown.get() and recipe.adversarial is None and recipe.augment in ("crop-flip", "none")
        steps.append(recipe.epochs * len(data) // recipe.batch_size)
        return fit(model, data, recipe, **options)

    def attacked(model, x, y, **numbers):
        attacks.append(numbers["steps"])
        return pgd(model, x, y, **numbers)

    monkeypatch.setattr(step_times, "fit", trained)
    monkeypatch.setattr(step_times, "pgd", attacked)
    changes = {"adversarial": AttackSpec.parse("pgd"), "selection": "best-on-test", "augment": "resized-crop-flip"}
    hard = job.model_copy(update={"recipe": job.recipe.model_copy(update=changes)})
    token = progress.shown.set(True)
    found = measure_steps(hard, SHAPE, CPU)
    progress.shown.reset(token)
    assert steps == [2 * STEPS] and attacks == [STEPS, STEPS] and min(found) > 0


@pytest.mark.parametrize("scale", ["tiny", "paper"])
def test_every_job_of_the_paper_has_a_cost(store, scale):
    plan = Plan(("all",), scale, {kind: kind for kind in KINDS}, KINDS)
    rows = each_job(plan, store, even, "cpu")
    assert len(rows) == len(plan.jobs) and min(min(row["seconds"], row["bytes"]) for row in rows) > 0


def test_attacked_images_are_kept_as_bytes():
    generated = next(job for job in whole("table8").jobs if job.kind == "generate")
    assert disk(generated, KINDS) == 1000 * 3 * 32 * 32


def test_what_like_jobs_took_corrects_the_estimate(store):
    """Those of this kind of device and of these data, whose spec can be read."""
    plan = plan_of("table8", seeds=2)
    done = [job for job in plan.jobs if job.kind == "train"][:3]
    for job, factor in zip(done, (1, 3, 30), strict=True):
        finish(store, job, seconds=factor * estimate(job, even, plan.counts))
    finish(store, plan_of("table8", data="other").jobs[0], seconds=1e9)

    def factors(kind, device="cpu"):
        jobs = [job for job in plan.jobs if job.kind == kind and job not in done]
        found = costs(plan, store, device)
        return {round(found[job.name] / estimate(job, even, plan.counts), 6) for job in jobs}

    assert (factors("train"), factors("generate"), factors("train", "cuda")) == ({3}, {1}, {1})
    assert costs(plan, store)[done[2].name] == store.result(done[2])["seconds"]
    (store.at(done[0]) / "spec.json").write_text("{}")
    assert factors("train") == {16.5}


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


def test_what_is_stored_costs_nothing_more(store):
    plan = plan_of("table10")
    [before] = outlined(plan, store)
    assert [before[key] for key in ("train", "generate", "score", "stored")] == [4, 2, 4, 0]
    for number, job in enumerate(plan.jobs):
        finish(store, job)
        [row] = outlined(plan, store)
        assert row["stored"] == number + 1 and row["bytes"] == sum(disk(job, SHAPES) for job in plan.jobs[number + 1 :])
    assert (row["seconds"], row["bytes"]) == (0, 0) and before["seconds"] > 0


def test_a_set_that_stands_in_costs_what_its_own_images_do(store):
    """Its number of images matters as much as theirs do; what is generated on it does not depend on them."""

    def cost(name, **sizes):
        return costs(Plan((name,), "tiny", {"cifar10": "few"}, {"cifar10": SHAPE}, sizes=sizes), store)

    official, tenth = cost("table8"), cost("table8", cifar10=(5_000, 1_000))
    assert official == cost("table8", cifar10=(50_000, 10_000))
    for name in official:
        assert tenth[name] == pytest.approx(official[name] / (10 if name.startswith("train-") else 1))
    assert sum(cost("figure5", cifar10=(5_000, 1_000)).values()) < sum(cost("figure5").values()) / 2
