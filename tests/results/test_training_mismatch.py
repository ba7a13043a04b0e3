"""Nets that were trained for unequal numbers of epochs are not compared."""

import pytest

from defective.experiments.plan import KINDS, Plan
from defective.experiments.store import Store, name_of
from defective.paper import EXHIBITS, Cell
from defective.results.measured import document
from defective.results.training_mismatch import training_mismatch
from defective.specs import AttackSpec, DecisionJob, GenerateJob, NoiseJob, ScoreJob
from runs import finish, net, plan_of

SHORT, LONG, ALSO_LONG = net(seed=1, epochs=2), net(seed=2, epochs=5), net(seed=3, epochs=5)
CRAFT = GenerateJob(sources=(SHORT,), attack=AttackSpec.parse("fgsm:eps=8/255"), samples=5)


def about(kind, job):
    """A number of each kind that is about a net."""
    match kind:
        case "accuracy":
            return Cell(job, "test_accuracy")
        case "score":
            return Cell(ScoreJob(target=job, adversarial=CRAFT), "paper")
        case "decision":
            return Cell(DecisionJob(target=job, attack=AttackSpec.parse("boundary:steps=5"), samples=5), "score")
    return Cell(NoiseJob(targets=(ALSO_LONG, job), sigmas=(8,), samples=5), "1/8")


@pytest.mark.parametrize("kind", ["accuracy", "score", "decision", "noise"])
def test_the_net_with_fewer_epochs_is_named(kind):
    short, long, also_long = (about(kind, job) for job in (SHORT, LONG, ALSO_LONG))
    for pair in ((short, long), (long, short)):
        entry = training_mismatch(*pair)
        assert (entry.job, entry.epochs, entry.other_epochs) == (name_of(SHORT), 2, 5) and "seed 1" in entry.model
    assert training_mismatch(long, also_long) is None


def test_sources_may_be_trained_as_they_like():
    assert training_mismatch(about("score", LONG), about("score", ALSO_LONG)) is None
    assert training_mismatch(Cell(CRAFT, "fooled"), about("score", LONG)) is None


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_at_scale_tiny_adversarial_training_decides_no_claim(store):
    plan = plan_of("table2")
    for job in plan.jobs:
        hits = 900 if job.kind == "score" and job.target.net.defects else 300
        finish(
            store, job, {each: {"num_correct": hits, "num_evaluated": 1000} for each in ("test_accuracy", "paper", "all", "fooled")}
        )
    against_adversarial, against_dropout, _ = document(EXHIBITS["table2"], plan, store).claims
    assert (against_adversarial.verdict, against_adversarial.counts) == ("undecided", {"undecided": 7})
    assert [each.epochs for each in against_adversarial.training_mismatch] == [2, 2, 2]
    assert against_adversarial.comparisons[0].difference.mean == 60
    assert (against_dropout.verdict, against_dropout.training_mismatch) == ("holds", ())


@pytest.mark.parametrize("scale", ["fast", "paper"])
def test_at_the_other_scales_every_comparison_is_of_nets_trained_alike(store, scale):
    plan = Plan(tuple(EXHIBITS), scale, {kind: kind for kind in KINDS}, KINDS)
    for exhibit in EXHIBITS.values():
        cells = plan.of(exhibit)
        for comparison in (each for claim in exhibit.claims for each in claim.comparisons):
            if isinstance(comparison.right, tuple) and len(comparison.left) == len(comparison.right) == 2:
                assert training_mismatch(cells[comparison.left][0], cells[comparison.right][0]) is None
