"""Nets that have learned nothing decide no claim."""

import pytest

from defective.experiments.store import Store, name_of
from defective.paper import EXHIBITS
from defective.report.exhibit_table import exhibit_table
from defective.results.at_chance import AtChanceFilter
from defective.results.measured import document
from runs import finish, plan_of


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


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
    ],
)
def test_a_net_has_learned_something_if_its_whole_interval_is_above_chance(store, hits, total, more, learned):
    plan = plan_of("table8")
    net = trained(plan)[0]
    finish(store, net, right(hits, total), **more)
    found = AtChanceFilter(store).of(net)
    assert [each.job for each in found] == [] if learned else [name_of(net)]
    if not learned:
        assert found[0].model == "resnet18 (tiny, seed 0) on few"
        assert found[0].accuracy == pytest.approx(100 * hits / total)
        assert found[0].chance == pytest.approx(100 * more.get("chance", 0.1))


def test_without_a_known_share_of_the_largest_class_nothing_is_at_chance(store):
    net = trained(plan_of("table8"))[0]
    finish(store, net, right(0), chance=None)
    assert AtChanceFilter(store).of(net) == []


def test_what_is_not_measured_is_not_doubted(store):
    plan = plan_of("table8")
    assert [AtChanceFilter(store).of(job) for job in plan.jobs] == [[]] * len(plan.jobs)
    made = document(EXHIBITS["table8"], plan, store)
    assert made.at_chance == () and all(claim.at_chance == () for claim in made.claims)


@pytest.mark.parametrize(("plain", "defective", "verdict"), [(300, 900, "holds"), (900, 300, "fails")])
def test_a_claim_about_nets_that_learned_has_its_verdict(store, plain, defective, verdict):
    plan = fill(store, "table8", lambda net: plain if str(net.net) == "resnet18" else defective)
    made = document(EXHIBITS["table8"], plan, store)
    [claim] = made.claims
    assert (claim.verdict, claim.counts) == (verdict, {verdict: 12}) and made.at_chance == claim.at_chance == ()
    assert "chance" not in exhibit_table(made).caption


@pytest.mark.parametrize(("plain", "defective"), [(100, 900), (900, 100)])
def test_a_claim_about_a_net_at_chance_is_undecided_and_says_why(store, plain, defective):
    plan = fill(store, "table8", lambda net: plain if str(net.net) == "resnet18" else defective)
    made = document(EXHIBITS["table8"], plan, store)
    [claim] = made.claims
    low = [net for net in trained(plan) if (plain if str(net.net) == "resnet18" else defective) == 100]
    assert (claim.verdict, claim.counts) == ("undecided", {"undecided": 12})
    assert [each.job for each in claim.at_chance] == [each.job for each in made.at_chance] == list(map(name_of, low))
    caption = exhibit_table(made).caption
    assert "No better than chance, so that no comparison with" in caption
    assert "(tiny, seed 0) on few (accuracy 10.0 %, chance 10.0 %)" in caption


def test_comparisons_of_other_nets_keep_their_verdict(store):
    """And refute the claim, if one of them does."""
    hits = {"resnet18": 500, "resnet18/0.5-bottom": 300}
    plan = fill(store, "table8", lambda net: hits.get(str(net.net), 100))
    [claim] = document(EXHIBITS["table8"], plan, store).claims
    assert claim.verdict == "fails" and claim.counts == {"fails": 6, "undecided": 6}
    assert [each.model for each in claim.at_chance] == ["resnet18/0.3-bottom (tiny, seed 0) on few"]


def test_while_numbers_are_missing_the_claim_is_not_measured(store):
    plan = fill(store, "table8", lambda net: 900 if str(net.net) == "resnet18" else 100)
    missing = next(job for job in plan.jobs if job.kind == "score" and job.target.net.defects)
    (store.at(missing) / "result.json").unlink()
    [claim] = document(EXHIBITS["table8"], plan, store).claims
    assert (claim.verdict, claim.counts) == ("not measured", {"not measured": 1, "undecided": 11}) and claim.at_chance


def test_a_source_at_chance_is_doubted_too(store):
    plan = fill(store, "table10", lambda net: 500)
    source = next(net for net in trained(plan) if net.seed == 1)
    finished = store.at(source)
    (finished / "result.json").unlink()
    (finished / "spec.json").unlink()
    finished.rmdir()
    finish(store, source, right(100))
    made = document(EXHIBITS["table10"], plan, store)
    assert [each.job for each in made.at_chance] == [name_of(source)]


def test_a_cell_of_another_exhibit_is_doubted_too(store):
    """Table 9 compares its cells with one of Table 10, whose net it does not have itself."""
    plan, other = plan_of("table9"), plan_of("table10")
    for job in dict.fromkeys([*plan.jobs, *other.jobs]):
        nets = (job, getattr(job, "target", None))
        finish(store, job, right(100 if any(str(getattr(net, "net", "")) == "resnet18" for net in nets) else 500))
    made = document(EXHIBITS["table9"], plan, store)
    alike, against = made.claims
    assert made.at_chance == alike.at_chance == () and alike.verdict in ("holds", "undecided")
    assert {each.model for each in against.at_chance} == {f"resnet18 (tiny, seed {seed}) on few" for seed in (0, 1)}
    assert (against.verdict, against.counts) == ("undecided", {"undecided": 4})
