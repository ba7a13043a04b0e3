import pytest
import torch
from torch import nn

from defective import Ensemble
from defective.attacks import lspga, quantize
from defective.baselines import Thermometer
from problems import seeded

EPS = 24 / 255


def linear(levels=16, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(Thermometer(levels), nn.Flatten(), nn.Linear(2 * levels * 36, 2)).double()


def convolutional(levels=16, seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(
        Thermometer(levels), nn.Conv2d(2 * levels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4)
    )
    return model.double().eval()


@pytest.fixture
def images():
    # Whole 8-bit levels, black and white among them.
    x = torch.randint(0, 256, (6, 2, 6, 6), generator=seeded(1)).double() / 255
    x[0, 0, 0, :2] = torch.tensor([0, 1])
    return x, torch.tensor([0, 1, 1, 0, 1, 0])


def levels_in_the_ball(model, x, eps):
    """Bool (N, C, L, H, W), found by looking at every 8-bit point."""
    points = torch.arange(256).double() / 255
    near = (points[:, None, None, None, None] - x).abs() <= eps + 1e-9
    level = model[0].level_of(points)
    return torch.stack([near[level == wanted].any(0) for wanted in range(model[0].levels)], 2)


@pytest.mark.parametrize("levels", [2, 51])
def test_linear_models_are_attacked_to_the_best_level_of_every_pixel(levels, images):
    x, y = images
    model = linear(levels)
    # Entry l of the code is on from level l on, so a level's worth is the sum of the weights up to it.
    weight = model[2].weight.detach().view(2, 2, levels, 6, 6).cumsum(2)
    worth = torch.stack([weight[1 - label] - weight[label] for label in y])
    best = worth.masked_fill(~levels_in_the_ball(model, x, EPS), -torch.inf).argmax(2)
    x_adv = lspga(model, x, y, eps=EPS, steps=200, anneal=1.02, generator=seeded(3))
    assert torch.equal(model[0].level_of(x_adv), best)
    assert torch.equal(model[0].level_of(quantize(x_adv, x, EPS)), best)
    assert (best != model[0].level_of(x)).double().mean() > 0.05


@pytest.mark.parametrize("eps", [0.0, 0.3 / 255, 1 / 255, 0.05, 1.0])
def test_rounding_to_8_bits_keeps_the_level_where_the_ball_allows(eps, images):
    x, y = images
    model = convolutional()
    x_adv = lspga(model, x, y, eps=eps, generator=seeded(3))
    level, own = model[0].level_of(x_adv), model[0].level_of(x)
    assert (x_adv - x).abs().max() <= eps + 1e-12
    points = torch.arange(256).double() / 255
    gaps = (points[:, None, None, None, None] - x).abs()
    gaps[model[0].level_of(points)[:, None, None, None, None] != level] = torch.inf
    # The 8-bit point of that level nearest to the image; the ball need not hold it.
    gap = gaps.amin(0)
    kept = model[0].level_of(quantize(x_adv, x, eps)) == level
    assert torch.equal(kept, gap <= eps + 1e-9) and kept.double().mean() > 0.8
    assert ((x_adv - x).abs() <= gap + 1 / 255).all()
    assert torch.equal(x_adv[0, 0, 0, :2], x[0, 0, 0, :2]) or eps > 0.05
    assert eps < 0.05 or (level != own).any()


def test_an_ensemble_is_attacked_through_every_encoder(images):
    x, y = images
    models = [linear(seed=seed) for seed in range(2)]
    once = linear(seed=0)
    with torch.no_grad():
        once[2].weight.copy_((models[0][2].weight + models[1][2].weight) / 2)
        once[2].bias.copy_((models[0][2].bias + models[1][2].bias) / 2)
    made, expected = (lspga(model, x, y, eps=EPS, generator=seeded(3)) for model in (Ensemble(models), once))
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-12)
