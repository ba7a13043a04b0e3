"""Models that have learned nothing are found."""

import pytest

from defective.paper import EXHIBITS
from defective.report.exhibit_table import exhibit_table
from defective.results.exhibit_result import at_chance, document
from runs import finish, plan_of


def right(hits, total=1000):
    return {
        name: {"num_correct": hits, "num_evaluated": total}
        for name in ("test_accuracy", "paper", "target-correct", "all", "fooled")
    }


def fill(store, name, hits):
    """An exhibit of which each net is right so often, and each score of it as high."""
    plan = plan_of(name)
    for job in plan.jobs:
        net = job if job.kind == "train" else getattr(job, "target", None)
        finish(store, job, right(hits(net) if net else 500))
    return plan


def trained(plan):
    return [job for job in plan.jobs if job.kind == "train"]


@pytest.mark.parametrize(
    ("hits", "total", "more", "learned"),
    [
        (100, 1000, {}, False),
        (0, 1000, {}, False),
        (118, 1000, {}, False),
        (140, 1000, {}, True),
        (1050, 10_000, {}, False),
        (1100, 10_000, {}, True),
        # Two classes: twice chance would be all.
        (700, 1000, {"chance": 0.5}, True),
        (510, 1000, {"chance": 0.5}, False),
        # Always the largest of ten unequal classes.
        (1135, 10_000, {"chance": 0.1135}, False),
        (0, 0, {}, True),
        (0, 1000, {"chance": None}, True),
    ],
)
def test_a_net_has_learned_something_if_its_whole_interval_is_above_chance(store, hits, total, more, learned):
    plan = plan_of("table8")
    net = trained(plan)[0]
    finish(store, net, right(hits, total), **more)
    found = at_chance(net, store)
    assert [each.job for each in found] == [] if learned else [net.name]
    if not learned:
        assert found[0].model == "resnet18 (tiny, seed 0) on few"
        assert found[0].accuracy == pytest.approx(100 * hits / total)
        assert found[0].chance == pytest.approx(100 * more.get("chance", 0.1))


@pytest.mark.parametrize(("plain", "doubted"), [(300, False), (100, True)])
def test_a_model_at_chance_is_named_at_its_table_and_at_its_numbers(store, plain, doubted):
    plan = fill(store, "table8", lambda net: plain if str(net.net) == "resnet18" else 900)
    made = document(EXHIBITS["table8"], plan, store)
    low = [net for net in trained(plan) if str(net.net) == "resnet18"] if doubted else []
    assert [each.job for each in made.at_chance] == [job.name for job in low]
    assert all(bool(cell.at_chance) == (doubted and cell.row == "resnet18") for cell in made.cells)
    caption = exhibit_table(made).caption
    assert ("No better than chance, so that no claim about it is decided: resnet18 (tiny, seed 0) on few" in caption) == doubted


def test_a_source_at_chance_is_doubted_too(store):
    plan = plan_of("table10")
    source = next(net for net in trained(plan) if net.seed == 1)
    for job in plan.jobs:
        finish(store, job, right(100 if job == source else 500))
    made = document(EXHIBITS["table10"], plan, store)
    assert [each.job for each in made.at_chance] == [source.name]
