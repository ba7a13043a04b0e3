import warnings

import pytest
import torch

from defective.attacks.boundary import boundary, boundary_details, boundary_score
from problems import Brightness, distances, linear_case, seeded, trained_on_patterns


@pytest.fixture
def plane():
    """A linear model, images, labels, and the exact distances to the decision boundary."""
    model, x, y = linear_case()
    return model, x, y, model(x).detach().diff(dim=1).abs().squeeze(1) / (model[1].weight[0] - model[1].weight[1]).norm().item()


@pytest.fixture
def colours():
    """A small model trained for a moment to tell four coloured patterns apart, and images that it gets right."""
    model, x, y = trained_on_patterns()
    right = model(x).argmax(1) == y
    assert right.sum() >= 40
    return model, x[right][:40], y[right][:40]


@pytest.mark.parametrize(("schedule", "steps"), [("foolbox3", 3000), ("foolbox1", 300), ("quick", 400)])
def test_linear_models_are_attacked_nearly_to_the_optimum(schedule, steps, plane):
    model, x, y, best = plane
    x_adv = boundary(model, x, y, steps=steps, generator=seeded(), schedule=schedule)
    assert (model(x_adv).argmax(1) != y).all()
    assert (distances(x, x_adv) >= best * (1 - 1e-9)).all()
    assert (distances(x, x_adv) <= 1.25 * best).all()


def test_a_step_is_a_query_and_every_tenth_two(plane):
    queries = [boundary_details(*plane[:3], steps=steps, generator=seeded()).queries for steps in (1, 50)]
    assert (queries[1] - queries[0] == 49 + 5).all()


@pytest.mark.parametrize("low", [0.4, 0.0])
def test_proposals_are_on_the_sphere_and_one_step_nearer(low, plane):
    model = plane[0]
    # From 0 the box cuts the sphere, and the step towards the image has to make up for what it cuts off.
    x = low + 0.02 * torch.rand(1, 2, 4, 4, generator=seeded(1), dtype=torch.float64)
    y = model(x).argmax(1)
    start = boundary(model, x, y, steps=1, generator=seeded(), spherical_step=1e-9, source_step=1e-9)
    seen = []
    model.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output.argmax(1) != y)))
    boundary(model, x, y, steps=10, generator=seeded(), spherical_step=0.6, source_step=0.3)
    distance = distances(x, start).item()
    for step, (proposal, success) in enumerate(seen[-11:], 1):
        assert proposal.min() >= 0 and proposal.max() <= 1
        if step < 10 or step == 11:
            assert distances(x, proposal).item() == pytest.approx(0.7 * distance, rel=1e-6)
            distance *= 0.7 if success else 1
        elif low:
            assert distances(x, proposal).item() == pytest.approx(distance, rel=1e-6)


def test_the_start_is_the_first_level_of_the_blend_that_is_misclassified():
    model, x = Brightness().double(), torch.full((3, 1, 8, 8), 0.9, dtype=torch.float64)
    y = torch.ones(3, dtype=torch.long)
    result = boundary_details(model, x, y, steps=1, generator=seeded(), source_step=1e-6, spherical_step=1e-6)
    mean = result.x_adv.flatten(1).mean(1)
    # A blend with noise of mean m has the mean 0.9 + share (m - 0.9); shares are thousandths.
    assert ((mean < 0.7) & (mean > 0.7 - 0.6e-3)).all()
    # The image, a noise, 40 coarse levels, 25 fine ones, a step.
    assert (result.queries <= 1 + 1 + 40 + 25 + 1).all()


def test_the_quick_schedule_is_nearer_after_fewer_queries(colours):
    """Foolbox's steps are far too long or too short for the first thousand queries."""
    model, x, y = (colours[0], *(part[:15] for part in colours[1:]))
    usual = boundary_details(model, x, y, steps=900, generator=seeded())
    quick = boundary_details(model, x, y, steps=600, generator=seeded(), schedule="quick")
    assert quick.queries.sum() < usual.queries.sum()
    assert distances(x, quick.x_adv).median() < 0.8 * distances(x, usual.x_adv).median()


def test_the_score_is_the_median_of_mean_squares():
    x = torch.zeros(4, 3, 2, 2)
    x_adv = torch.tensor([0.4, 0.1, 0.2, 0.3])[:, None, None, None].expand(4, 3, 2, 2)
    assert boundary_score(x, x_adv) == pytest.approx((0.04 + 0.09) / 2)
    assert boundary_score(x[:3], x_adv[:3]) == pytest.approx(0.04)
    levels = torch.tensor([0, 51], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 2, 2)
    assert boundary_score(levels[:1], levels[1:]) == boundary_score(x[:1], levels[1:]) == pytest.approx(0.04)
    assert boundary_score(x[:1].half(), x_adv[1:2].half()) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.slow
def test_as_close_as_foolbox(colours):
    # Each image three times, since each walk is another.
    model, x, y = (colours[0], *(part.repeat(3, *[1] * (part.dim() - 1)) for part in colours[1:]))
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        foolbox = pytest.importorskip("foolbox")
        torch.manual_seed(0)
        attack = foolbox.attacks.BoundaryAttack(steps=3000)
        theirs = attack(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), x, y, epsilons=None)[0]
    ours = boundary(model, x, y, steps=3000, generator=seeded())
    assert (model(ours).argmax(1) != y).all()
    assert distances(x, ours).median() <= 1.1 * distances(x, theirs).median()
