import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from defective import build
from defective.attacks import fgsm, mifgsm, pgd
from defective.attacks.gradient import cross_entropy_gradient
from evaluations import Around
from every_attack import ATTACKS, EPS, STEP, UNBOUNDED
from problems import best_linear_attack, linear_net, seeded
from refusals import refused


@pytest.fixture
def images():
    generator = seeded(1)
    return torch.rand(12, 3, 8, 8, generator=generator, dtype=torch.float64), torch.randint(0, 5, (12,), generator=generator)


# The others do not follow the gradient at the image alone: they smooth it or see the image shrunk.
@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in ("difgsm", "tifgsm", "lspga", *UNBOUNDED)])
def test_linear_models_are_attacked_to_the_closed_form_optimum(name):
    model = linear_net(classes=2)
    x = torch.rand(6, 2, 4, 4, generator=seeded(), dtype=torch.float64)
    y = torch.tensor([0, 1, 0, 1, 1, 0])
    torch.testing.assert_close(ATTACKS[name](model, x, y, seeded(3)), best_linear_attack(model, x, y, EPS), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["fgsm", "mifgsm", "vmifgsm"])
def test_images_of_another_dtype_are_attacked_as_the_model_sees_them(name, dtype, small_net, images):
    x, y = images[0].to(dtype), images[1]
    x_adv, exact = (ATTACKS[name](small_net, images, y, seeded(3)) for images in (x, x.double()))
    assert x_adv.dtype == dtype
    assert (x_adv.double() - x.double()).abs().max() <= EPS + 1e-7
    # Halves below 1 are 1/256 (bfloat16) apart at most; rounding inwards costs no more than one such step.
    assert (x_adv.double() - exact).abs().mean() <= {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 4e-3}[dtype]
    assert ATTACKS[name](small_net.float(), images[0], y, seeded(3)).dtype == torch.float64


def test_no_gradient_passes_through_dead_neurons(images):
    model = build("resnet18/0-bottom", num_classes=5, image_size=16, width_mult=0.125).double()
    x, y = torch.rand(2, 3, 16, 16, dtype=torch.float64), images[1][:2]
    # Every branch is dead and the identity path starts at the dead stem, so nothing can move the image.
    assert torch.equal(fgsm(model, x, y, eps=EPS), x)


def test_pgd_steps_follow_the_recursion(small_net, images):
    x, y = images
    expected = x.clone()
    for _ in range(3):
        expected.requires_grad_()
        loss = nn.functional.cross_entropy(small_net(expected), y)
        (gradient,) = torch.autograd.grad(loss, expected)
        expected = (expected.detach() + STEP * gradient.sign()).clamp(x - EPS, x + EPS).clamp(0, 1)
    torch.testing.assert_close(pgd(small_net, x, y, eps=EPS, step_size=STEP, steps=3), expected, rtol=0, atol=1e-12)


def test_agreement_with_foolbox(small_net, images):
    small_net = small_net.float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        foolbox = pytest.importorskip("foolbox")
        x, y = images[0].float(), images[1]
        theirs = foolbox.PyTorchModel(small_net, bounds=(0, 1), device="cpu")
        _, one_step, _ = foolbox.attacks.LinfFastGradientAttack(random_start=False)(theirs, x, y, epsilons=EPS)
        many = foolbox.attacks.LinfProjectedGradientDescentAttack(abs_stepsize=STEP, steps=10, random_start=False)
        _, many_steps, _ = many(theirs, x, y, epsilons=EPS)
    assert (fgsm(small_net, x, y, eps=EPS) - one_step).abs().max() <= 1e-6
    assert (pgd(small_net, x, y, eps=EPS, step_size=STEP, steps=10) - many_steps).abs().max() <= 1e-6


def test_agreement_with_art(small_net, images):
    small_net = small_net.float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("art")
        from art.attacks.evasion import MomentumIterativeMethod
        from art.estimators.classification import PyTorchClassifier

        x, y = images[0].float(), images[1]
        theirs = PyTorchClassifier(small_net, nn.CrossEntropyLoss(), (3, 8, 8), 5, clip_values=(0, 1), device_type="cpu")
        attack = MomentumIterativeMethod(theirs, eps=EPS, eps_step=STEP, max_iter=10, decay=1.0, batch_size=12, verbose=False)
        made = torch.from_numpy(attack.generate(x.numpy(), np.eye(5, dtype=np.float32)[y.numpy()]))
    assert (mifgsm(small_net, x, y, eps=EPS, step_size=STEP, steps=10) - made).abs().max() <= 1e-6


class Shifted(nn.Module):
    """A net with something added to the logits of the last image and class."""

    def __init__(self, net, shift):
        super().__init__()
        self.net, self.shift = net, shift

    def forward(self, x):
        z = self.net(x)
        return z + torch.zeros_like(z).index_put_((torch.tensor(len(z) - 1), torch.tensor(4)), torch.tensor(self.shift).to(z))


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in ("lspga", *UNBOUNDED[1:])])
def test_logits_that_are_nan_are_refused(name, small_net, images):
    x, y = images
    model = Shifted(small_net, 0.0)
    # At the first image alone, cw looks before it starts.
    model.register_forward_pre_hook(lambda _, args: setattr(model, "shift", math.nan if len(args[0]) > 1 else 0.0))
    with refused("^the model returned nan or inf for 1 of [0-9]+ images$"):
        ATTACKS[name](model, x, y, seeded(3))


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in ("lspga", *UNBOUNDED[1:])])
def test_a_gradient_that_is_nan_is_refused(name, small_net, images):
    """The sign of nan is 0: images would come back as they are, and the model would look robust."""

    def root_of_zero_where_dark(z, x):
        bright = x.detach().mean((1, 2, 3)) > 0.2
        return z + (bright * x.mean((1, 2, 3))).sqrt()[:, None]

    # Brighter than the limit even where difgsm puts a frame of 0 around them.
    x = 0.9 + 0.1 * images[0]
    x[:2] = 0.1 * images[0][:2]
    model = Around(small_net, after=root_of_zero_where_dark)
    with refused("^the gradient of the model is nan for 2 of 12 images .*: boundary, hopskipjump and noise do without$"):
        ATTACKS[name](model, x, model(x).argmax(1), seeded(3))


@pytest.mark.parametrize("name", ["pgd", "mifgsm", "difgsm", "tifgsm", "sifgsm", "nifgsm", "vmifgsm"])
def test_a_gradient_that_becomes_nan_on_the_way_is_refused(name, small_net, images):
    x, calls = images[0], []

    def after(z, x):
        calls.append(None)
        # The first point is checked at once.
        return z + (0 * x.mean()).sqrt() if len(calls) > 2 else z

    with refused("^the gradient of the model is nan for 12 of 12 images "):
        ATTACKS[name](Around(small_net, after=after), x, small_net(x).argmax(1), seeded(3))


def test_confident_images_are_attacked_in_float16_too():
    model = linear_net(classes=2)
    x = torch.rand(6, 2, 4, 4, generator=seeded())
    y = model(x.double()).argmax(1)
    with torch.no_grad():
        model[1].weight.mul_(20 / model(x.double()).diff(dim=1).abs().min())
    # The gradient of the cross-entropy is at most exp(-19), which float16 rounds to 0.
    margins = model.half()(x.half()).diff(dim=1).abs()
    assert margins.min() > 19 and margins.max() < 100
    assert torch.equal(fgsm(model, x, y, eps=EPS), best_linear_attack(model.float(), x, y, EPS))


def test_the_gradient_of_float16_logits_is_that_of_the_cross_entropy(small_net, images):
    x, y = images[0].half().float(), images[1]
    half = small_net.half()
    found = cross_entropy_gradient(half, y)(x)
    exact = cross_entropy_gradient(half.float(), y)(x)
    assert (found - exact).norm() < 0.01 * exact.norm()


def test_a_wrong_class_that_is_excluded_leaves_the_attack_as_it_is(small_net, images):
    x, y = images[0], torch.zeros(12, dtype=torch.long)
    found = pgd(Shifted(small_net, -math.inf), x, y, eps=EPS, step_size=STEP, steps=2)
    assert torch.equal(found[:-1], pgd(small_net, x, y, eps=EPS, step_size=STEP, steps=2)[:-1])
    assert (found[-1] - x[-1]).abs().max() > STEP
