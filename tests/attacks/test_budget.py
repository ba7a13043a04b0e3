import importlib
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from defective.attacks import boundary, cw, from_spec, gaussian_noise, hopskipjump, pgd, project, quantize, tifgsm, vmifgsm
from defective.attacks.budget import cast_into_ball
from defective.baselines import Thermometer
from defective.specs import ATTACK_DEFAULTS, AttackSpec
from problems import seeded


@given(st.integers(0, 2**20), st.floats(0, 0.3))
@settings(max_examples=50)
def test_rounding_stays_in_the_ball_and_on_the_levels(seed, eps):
    generator = seeded(seed)
    x = (torch.rand(1, 1, 8, 8, generator=generator) * 255).round() / 255
    x_adv = project(x + eps * (2 * torch.rand(x.shape, generator=generator) - 1), x, eps)
    rounded = quantize(x_adv, x, eps)
    assert torch.equal((rounded * 255).round() / 255, rounded)
    assert (rounded - x).abs().max() <= eps + 1e-5
    assert (rounded - x_adv).abs().max() <= 1 / 255 + 1e-6


def test_a_whole_number_of_levels_is_reached_exactly():
    x = torch.tensor([0, 10, 250, 255]).div(255)
    assert (quantize(project(x + 16 / 255, x, 16 / 255), x, 16 / 255) * 255).round().tolist() == [16, 26, 255, 255]


def test_balls_without_a_level_give_what_saving_the_clean_image_would():
    x = torch.tensor([100.3, 100.3, 100.6, 100.6]) / 255
    x_adv = x + torch.tensor([0.2, -0.2, 0.2, -0.2]) / 255
    assert (quantize(x_adv, x, 0.25 / 255) * 255).round().tolist() == [100, 100, 101, 101]
    # With a level in the ball, that one.
    assert (quantize(x_adv, x, 0.35 / 255) * 255).round().tolist() == [100, 100, 101, 101]
    assert (quantize(x_adv, x, 0.65 / 255) * 255).round().tolist() == [100, 100, 101, 100]
    assert (quantize(x + 0.7 / 255, x, 0.7 / 255) * 255).round().tolist() == [101, 101, 101, 101]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_images_are_rounded_to_exact_levels(dtype):
    x = (torch.arange(256) / 255).to(dtype)
    assert torch.equal(quantize(x) * 255, torch.arange(256.0)) and quantize(x).dtype == torch.float32


def test_uint8_is_rounded_already():
    x = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(quantize(x) * 255, torch.arange(256.0))
    # No more than two levels away from black.
    assert (quantize(x, torch.zeros_like(x), 2 / 255) * 255).round().tolist() == [0, 1] + [2] * 254


@given(st.integers(0, 2**20), st.floats(1e-5, 0.3), st.sampled_from([torch.float16, torch.bfloat16]))
@settings(max_examples=50)
def test_half_precision_is_rounded_inwards(seed, eps, dtype):
    generator = seeded(seed)
    x = torch.rand(1, 1, 16, 16, generator=generator).to(dtype)
    x_adv = project(x + eps * (3 * torch.rand(x.shape, generator=generator) - 1.5), x.float(), eps)
    settled = cast_into_ball(x_adv, x, eps)
    assert settled.dtype == dtype and settled.min() >= 0 and settled.max() <= 1
    assert (settled.float() - x.float()).abs().max() <= eps + 1e-7
    spacing = torch.finfo(dtype).eps
    assert (settled.float() - x_adv).abs().max() <= spacing
    inner = (x_adv - x.float()).abs() <= eps - spacing
    assert torch.equal(settled[inner], x_adv.to(dtype)[inner])


def test_noise_is_clipped_at_two_sigma_and_has_the_right_spread():
    x = torch.full((4, 3, 64, 64), 0.5)
    noise = gaussian_noise(x, sigma=0.05, generator=seeded()) - x
    assert noise.abs().max() <= 0.1 + 1e-6
    # Variance of a standard normal clipped to [-2, 2]: 0.9205.
    torch.testing.assert_close(noise.var() / 0.05**2, torch.tensor(0.9205), rtol=0.02, atol=0)
    assert abs(noise.mean()) < 0.001
    assert (noise.abs() > 0.0999).float().mean().item() == pytest.approx(0.0455, abs=0.003)


def test_noise_does_not_depend_on_batches():
    x = torch.rand(5, 3, 7, 7)
    whole = gaussian_noise(x, sigma=0.1, generator=seeded(5))
    generator = seeded(5)
    parts = torch.cat([gaussian_noise(part, sigma=0.1, generator=generator) for part in x.split(2)])
    assert torch.equal(whole, parts)


@pytest.fixture
def x():
    return torch.rand(2, 3, 8, 8, generator=seeded(), dtype=torch.float64)


@pytest.mark.parametrize("name", ATTACK_DEFAULTS)
def test_every_named_attack_can_be_made(name, small_net, x):
    if name == "autoattack" and not any(importlib.util.find_spec(package) for package in ("pyautoattack", "autoattack")):
        pytest.skip("AutoAttack is not installed")
    model = small_net
    if name == "lspga":
        model = nn.Sequential(Thermometer(16), nn.Conv2d(48, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).double()
    # So large a ball that AutoAttack is done soon; so few steps as the others need to move.
    options = {"autoattack": ":eps=32/255", "noise": "", "fgsm": ""}
    spec = AttackSpec.parse(name + options.get(name, ":steps=20" if name in ("cw", "boundary") else ":steps=3"))
    y = model(x).argmax(1)
    x_adv = from_spec(spec)(model, x, y)
    assert x_adv.shape == x.shape and x_adv.dtype == x.dtype
    bound = {"noise": 2 * 16 / 255, "cw": 1, "boundary": 1, "hopskipjump": 1, "hopskipjump-linf": 1}.get(
        name, spec.parameters.get("eps")
    )
    assert 0 < (x_adv - x).abs().max() <= bound + 1e-6


def test_options_of_a_spec_reach_the_attack(small_net, x):
    y = small_net(x).argmax(1)
    made = from_spec(AttackSpec.parse("pgd:eps=8/255,steps=3,random_start=1"), seed=7)(small_net, x, y)
    numbers = {"eps": 8 / 255, "step_size": 1 / 255, "steps": 3}
    assert torch.equal(made, pgd(small_net, x, y, **numbers, random_start=True, generator=seeded(7)))
    made = from_spec(AttackSpec.parse("boundary:steps=20,directions=25"), seed=7)(small_net, x, y)
    assert torch.equal(made, boundary(small_net, x, y, steps=20, generator=seeded(7), schedule="foolbox1"))


def test_gradient_attacks_run_on_a_surrogate_and_others_verify_on_the_model(small_net, x):
    y = small_net(x).argmax(1)
    surrogate = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 5)).double()

    def refuse(module, args):
        raise AssertionError("the model was called")

    fgsm, generator = from_spec(AttackSpec.parse("fgsm:eps=8/255"), surrogate=surrogate), seeded(7)
    wanted = pgd(surrogate, x, y, eps=8 / 255, step_size=1 / 255, steps=2, random_start=True, generator=generator)
    drawn = from_spec(AttackSpec.parse("pgd:eps=8/255,steps=2,random_start=1"), seed=7, surrogate=surrogate)
    handle = small_net.register_forward_pre_hook(refuse)
    assert torch.equal(fgsm(small_net, x, y), from_spec(AttackSpec.parse("fgsm:eps=8/255"))(surrogate, x, y))
    assert torch.equal(drawn(small_net, x, y), wanted)
    handle.remove()
    for name in ("cw:steps=20", "boundary:steps=20", "hopskipjump:steps=3"):
        x_adv = from_spec(AttackSpec.parse(name), surrogate=surrogate)(small_net, x, y)
        moved = (x_adv != x).flatten(1).any(1)
        assert moved.any() and (small_net(x_adv).argmax(1) != y)[moved].all()


def test_counts_may_come_from_json_as_floats(small_net, x):
    text = '{"name": "sifgsm", "parameters": {"eps": 0.1, "step_size": 0.01, "steps": 2.0, "decay": 1.0, "scales": 2.0}}'
    attack = from_spec(AttackSpec.model_validate_json(text))
    assert attack(small_net, x, small_net(x).argmax(1)).shape == x.shape


def test_counts_may_be_whole_numbers_of_numpy(small_net, x):
    y, two = small_net(x).argmax(1), np.int64(2)
    for attack in (pgd, partial(tifgsm, kernel_size=np.int64(3)), partial(vmifgsm, neighbors=two, generator=seeded())):
        assert attack(small_net, x, y, eps=0.1, step_size=0.01, steps=two).shape == x.shape
    for attack in (boundary, partial(hopskipjump, initial_queries=two, max_queries=two)):
        assert attack(small_net, x, y, steps=two, batch_size=two).shape == x.shape
    assert cw(small_net, x, y, steps=two, search_steps=two).shape == x.shape


def test_noise_has_no_gradient(x):
    assert not gaussian_noise(x.requires_grad_(), sigma=0.1).requires_grad
