import importlib
import sys
from types import SimpleNamespace

import pytest
import torch

from defective import AttackSpec, InputError
from defective.attacks import autoattack, from_spec, pgd
from evaluations import Around
from refusals import refused

EPS = 24 / 255


PACKAGES = ("pyautoattack", "autoattack")
NEEDS_PACKAGE = pytest.mark.skipif(not any(map(importlib.util.find_spec, PACKAGES)), reason="AutoAttack is not installed")


@pytest.fixture
def images(small_net):
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x, small_net(x).argmax(1)


@pytest.fixture
def steep_net(small_net):
    """As those of trained models, its decisions change within a small ball."""
    with torch.no_grad():
        small_net[0].weight *= 10
    return small_net


@NEEDS_PACKAGE
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_it_succeeds_inside_the_ball_and_leaves_no_trace(dtype, steep_net, images, capsys):
    model = steep_net.to(dtype).to(memory_format=torch.channels_last)
    x, y = images[0].to(dtype), model(images[0].to(dtype)).argmax(1)
    model.train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    state, tracer = torch.get_rng_state(), sys.gettrace()
    with torch.inference_mode():
        x_adv = autoattack(model, x, y, eps=EPS)
    assert x_adv.shape == x.shape and x_adv.dtype == dtype
    assert x_adv.min() >= 0 and x_adv.max() <= 1
    assert 0 < (x_adv.double() - x.double()).abs().max() <= EPS + 1e-7
    assert (model.eval()(x_adv).argmax(1) != y).sum() >= (
        model(pgd(model, x, y, eps=EPS, step_size=EPS / 4, steps=10)).argmax(1) != y
    ).sum()
    assert capsys.readouterr().out == ""
    assert torch.equal(torch.get_rng_state(), state) and sys.gettrace() is tracer
    assert not model[0].weight.requires_grad and model[0].bias.requires_grad
    assert all(weight.grad is None for weight in model.parameters())


@NEEDS_PACKAGE
def test_the_seed_decides(steep_net, images):
    x, y = images
    torch.manual_seed(1)
    first = autoattack(steep_net, x, y, eps=EPS, seed=1)
    torch.manual_seed(2)
    assert torch.equal(autoattack(steep_net, x, y, eps=EPS, seed=1), first)
    assert not torch.equal(autoattack(steep_net, x, y, eps=EPS, seed=2), first)


@NEEDS_PACKAGE
def test_misclassified_images_are_left_alone(small_net, images):
    x, y = images
    assert torch.equal(autoattack(small_net, x, (y + 1) % 5, eps=EPS), x)


class Package:
    """In place of AutoAttack: runs one function, given the model and the images."""

    def __init__(self, run):
        self.run = run

    def AutoAttack(self, forward, **options):  # noqa: N802 - as the package names it
        return SimpleNamespace(
            apgd_targeted=SimpleNamespace(),
            fab=SimpleNamespace(),
            run_standard_evaluation=lambda x, y: self.run(forward, x),
        )


def test_its_own_errors_are_reported(small_net, images, monkeypatch):
    def run(forward, x):
        raise KeyError("loss")

    monkeypatch.setattr("defective.attacks.auto.package", lambda: Package(run))
    with refused("^AutoAttack failed: KeyError: 'loss'$"):
        autoattack(small_net, *images, eps=EPS)


def test_logits_that_are_nan_do_not_count_as_fooled(small_net, images, monkeypatch):
    nan_for_one = Around(small_net, after=lambda z, x: z.index_fill(0, torch.tensor(1), torch.nan) if len(z) == 2 else z)
    monkeypatch.setattr("defective.attacks.auto.package", lambda: Package(lambda forward, x: forward(x)))
    with refused("^the model returned nan or inf for 1 of 2 images$"):
        autoattack(nan_for_one, *images, eps=EPS)


def test_without_it_the_way_out_is_named(small_net, images, monkeypatch):
    def refuse(name, *rest, found=importlib.import_module, **options):
        if name in PACKAGES:
            raise ImportError(name)
        return found(name, *rest, **options)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(InputError, match=r"pip install '\.\[autoattack\]' in a clone"):
        autoattack(small_net, *images, eps=EPS)
    with pytest.raises(InputError, match="not installed"):
        from_spec(AttackSpec.parse("autoattack"))
    assert small_net[0].weight.requires_grad
