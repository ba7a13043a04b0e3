import math

import pytest
import torch

from defective import AttackSpec
from defective.attacks import boundary_details, boundary_score, hopskipjump_details
from defective.data import ImageSet, index_hash
from defective.evaluation import EvaluatedModel
from defective.evaluation.decision import decide
from defective.masks import named_generator
from problems import Brightness, level_set, plane

HOPSKIPJUMP = AttackSpec.parse("hopskipjump:steps=12,initial_queries=50")


def spec(steps, directions=1):
    return AttackSpec.parse(f"boundary:steps={steps},directions={directions}")


@pytest.fixture
def judged():
    """A two-class linear net, 8-bit images it is right about, and the squared distance of each to the decision boundary per pixel."""
    net = plane()
    data = level_set(net, 6)
    z, weight = net(data.x / 255).detach(), net[1].weight.detach()
    squared = (z[:, 0] - z[:, 1]).square() / (weight[0] - weight[1]).square().sum() / weight.shape[1]
    return EvaluatedModel.of("plane", net, data), squared


def grey(*levels, labels):
    x = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8).contiguous()
    return ImageSet("grey", "test", x, torch.tensor(labels), ("dark", "bright"))


def test_linear_nets_score_nearly_the_closed_form(judged):
    subject, squared = judged
    found = decide(subject, HOPSKIPJUMP, samples=6)
    best = squared[found.index]
    assert found.started.all() and (found.squared >= best * (1 - 1e-4)).all()
    # Within 1.25 times the least distance, as the attack alone.
    assert (found.squared <= 1.25**2 * best).all()


@pytest.mark.parametrize(
    ("attack", "act", "options"),
    [
        (spec(40), boundary_details, {"steps": 40, "schedule": "foolbox3"}),
        (spec(40, 25), boundary_details, {"steps": 40, "schedule": "foolbox1"}),
        (HOPSKIPJUMP, hopskipjump_details, {"steps": 12, "initial_queries": 50}),
    ],
    ids=["boundary", "boundary with directions", "hopskipjump"],
)
def test_the_score_is_that_of_the_attack_on_the_same_images(judged, attack, act, options):
    subject, _ = judged
    found = decide(subject, attack, samples=5, seed=6)
    assert torch.equal(found.index, subject.sample(5, seed=6))
    x, y = subject.data.take(found.index)
    walk = act(subject.model, x / 255, y, generator=named_generator(6, "decision"), **options)
    assert found.queries.tolist() == walk.queries.tolist() and found.started.all()
    result = found.result()
    assert result.score == pytest.approx(boundary_score(x / 255, walk.x_adv), rel=1e-6)
    assert (result.images, result.without_start) == (5, 0)
    assert result.median_queries == walk.queries.sort().values[2]


def test_images_without_a_start_are_left_out_and_counted():
    data = grey(50, 250, 60, 240, 245, labels=(0, 1, 0, 1, 1))
    found = decide(EvaluatedModel.of("brightness", Brightness(), data), spec(30), samples=5)
    started = found.started.nonzero().flatten()
    assert sorted(found.index[started].tolist()) == [1, 3, 4]
    assert (found.squared[~found.started] == 0).all()
    assert found.result().score == pytest.approx(found.squared[started].double().median().item())
    # No image is nearer than the boundary: all its pixels moved by what its mean must.
    for place in started.tolist():
        least = (data.x[found.index[place], 0, 0, 0].item() / 255 - 0.7) ** 2
        assert found.squared[place] >= least * (1 - 1e-4)
    assert (found.result().without_start, found.result().images) == (2, 5)


def test_a_model_that_noise_never_fools_has_no_score():
    data = grey(50, 60, labels=(0, 0))
    found = decide(EvaluatedModel.of("brightness", Brightness(), data), spec(5), samples=2)
    assert found.result().high == math.inf
    assert found.result().as_json() | {"median_queries": 0} == {
        "score": None,
        "low": 0.0,
        "high": None,
        "images": 2,
        "without_start": 2,
        "median_queries": 0,
        "sample": index_hash(found.index),
    }
