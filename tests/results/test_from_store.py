"""Claims of a store: what is planned, finished and reached into."""

import pytest

from defective.data.official import KINDS
from defective.experiments.plan import Plan
from defective.paper import CLAIMS, EXHIBITS, OBSERVATIONS
from defective.results import from_store
from runs import finish, plan_of


@pytest.fixture
def few_exhibits(monkeypatch):
    """Those that the tests fill; planning all others takes a while."""
    monkeypatch.setattr(from_store, "EXHIBITS", {name: EXHIBITS[name] for name in ("table2", "table8", "table9", "table10")})


def claims(plan, store):
    return {each.name: each for each in from_store.measured(plan, store)[1]}


def fill(store, plan, hits):
    for job in plan.jobs:
        name = str(getattr(job, "target", job).net) if job.kind in ("train", "score") else ""
        rate = {"num_correct": hits(name) + job.key.count("a") if name else 500, "num_evaluated": 1000}
        finish(store, job, dict.fromkeys(("test_accuracy", "paper", "target-correct", "all", "fooled"), rate))
    return claims(plan, store)


@pytest.mark.usefixtures("few_exhibits")
@pytest.mark.parametrize(("defective", "verdict"), [(900, "holds"), (300, "fails")])
def test_a_claim_of_a_store_has_its_verdict(store, defective, verdict):
    found = fill(store, plan_of("table8", seeds=3), lambda net: defective if "bottom" in net else 600)
    assert found["white-box"].verdict == verdict and sum(each.measured for each in found["white-box"].contrasts) == 12
    assert set(found) == {claim.name for claim in (*CLAIMS, *OBSERVATIONS) if "table8" in claim.exhibits}
    assert (found["masking"].verdict, found["masking"].reason) == ("undecided", "a part is not run yet")


@pytest.mark.usefixtures("few_exhibits")
def test_a_claim_reaches_into_exhibits_that_were_not_asked_for(store):
    plan = plan_of("table9", seeds=2)
    assert fill(store, plan, lambda net: 900)["gray-box"].verdict == "not measured"
    for job in plan_of("table10", seeds=2).jobs:
        if store.result(job) is None:
            rates = {"paper": 100, "test_accuracy": 900}
            finish(store, job, {name: {"num_correct": hits, "num_evaluated": 1000} for name, hits in rates.items()})
    assert claims(plan, store)["gray-box"].verdict == "holds"


@pytest.mark.usefixtures("few_exhibits")
def test_at_scale_tiny_adversarial_training_decides_no_claim(store):
    found = fill(store, plan_of("table2", seeds=2), lambda net: 900 if "bottom" in net else 300)
    assert found["defences"].verdict == "undecided" and "(2 against 5)" in found["defences"].reason
    assert found["dropout"].verdict == "holds"


@pytest.mark.parametrize("scale", ["fast", "paper"])
def test_at_the_other_scales_every_comparison_is_of_models_trained_alike(scale):
    plan = Plan(tuple(EXHIBITS), scale, {kind: kind for kind in KINDS}, KINDS)
    epochs = {
        (name, *place): cells[0].job.target.recipe.trained_epochs if hasattr(cells[0].job, "target") else None
        for name in ("table2", "table3", "table4", "table8")
        for place, cells in plan.of(EXHIBITS[name]).items()
    }
    for block in (block for claim in CLAIMS for part in claim.parts for block in part.blocks):
        assert len({epochs.get(place) for place, _ in block} - {None}) <= 1
