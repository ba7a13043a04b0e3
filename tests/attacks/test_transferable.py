import pytest
import torch
import torch.nn.functional as F
from scipy.stats import norm
from torch import nn

from defective.attacks import difgsm, mifgsm, nifgsm, sifgsm, tifgsm, vmifgsm
from problems import seeded

EPS, STEP = 8 / 255, 2 / 255
NUMBERS = {"eps": EPS, "step_size": STEP, "steps": 5}


def one_each(images, seed=3):
    """What the attacks make of a generator: one for each image, seeded in turn."""
    parent = seeded(seed)
    return [seeded(int(torch.randint(2**63 - 1, (), generator=parent))) for _ in images]


@pytest.fixture
def model():
    """A smooth model on images that are not square."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 6, 3, stride=2), nn.Tanh(), nn.Flatten())
    model.append(nn.Linear(6 * 3 * 4, 5))
    return model.double().eval()


@pytest.fixture
def images():
    return torch.rand(6, 3, 8, 10, generator=seeded(1), dtype=torch.float64), torch.randint(0, 5, (6,), generator=seeded(1))


def gradient(model, x, y, see=lambda x: x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(sum(F.cross_entropy(model(see(x)[i : i + 1]), y[i : i + 1]) for i in range(len(x))), x)[0]


def followed(x, direction):
    """Five steps of momentum 0.9 along ``direction(x_adv, momentum)``."""
    x_adv, momentum = x, torch.zeros_like(x)
    for _ in range(5):
        found = direction(x_adv, momentum)
        momentum = 0.9 * momentum + found / found.abs().sum((1, 2, 3), keepdim=True)
        x_adv = (x_adv + STEP * momentum.sign()).clamp(x - EPS, x + EPS).clamp(0, 1)
    return x_adv


def assert_same(made, expected):
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-12)


NEUTRAL = {
    "difgsm, never shrunk": lambda m, x, y: difgsm(m, x, y, **NUMBERS, diversity_prob=0, generator=seeded(3)),
    "tifgsm, kernel of one pixel": lambda m, x, y: tifgsm(m, x, y, **NUMBERS, kernel_size=1),
    "sifgsm, one scale": lambda m, x, y: sifgsm(m, x, y, **NUMBERS, scales=1),
    "vmifgsm, the image itself as neighbour": lambda m, x, y: vmifgsm(m, x, y, **NUMBERS, neighbors=1, beta=0, generator=seeded(3)),
}


@pytest.mark.parametrize("case", NEUTRAL)
def test_neutral_settings_are_mifgsm(case, model, images):
    assert torch.equal(NEUTRAL[case](model, *images), mifgsm(model, *images, **NUMBERS))


def test_no_look_ahead_without_a_past(model, images):
    assert torch.equal(nifgsm(model, *images, **NUMBERS, decay=0.0), mifgsm(model, *images, **NUMBERS, decay=0.0))
    first = {**NUMBERS, "steps": 1}
    assert torch.equal(nifgsm(model, *images, **first), mifgsm(model, *images, **first))


def test_difgsm_sees_resized_and_padded_images(model, images):
    x, y = images
    generators, shrunk = one_each(x), []

    def direction(x_adv, momentum):
        draws = [torch.rand(4, generator=generator, dtype=torch.float64).tolist() for generator in generators]
        shrunk.extend(chance < 0.7 for chance, *_ in draws)

        def see(x):
            seen = []
            for image, (chance, size, top, left) in zip(x, draws, strict=True):
                # At least half of 8 and of 10 pixels: 4 to 8, 5 to 10.
                h, w = 4 + int(size * 5), 5 + int(size * 6)
                top, left = int(top * (8 - h + 1)), int(left * (10 - w + 1))
                small = F.interpolate(image[None], size=(h, w), mode="bilinear", align_corners=False)
                padded = F.pad(small, (left, 10 - w - left, top, 8 - h - top))[0]
                seen.append(padded if chance < 0.7 else image)
            return torch.stack(seen)

        return gradient(model, x_adv, y, see)

    made = difgsm(model, x, y, **NUMBERS, decay=0.9, resize_rate=0.5, diversity_prob=0.7, generator=seeded(3))
    assert_same(made, followed(x, direction))
    assert 10 < sum(shrunk) < 30


def test_tifgsm_convolves_with_a_gaussian_of_three_sigma(model, images):
    x, y = images
    bell = torch.tensor([norm.pdf(place) for place in (-3, -1.5, 0, 1.5, 3)], dtype=torch.float64)
    kernel = (torch.outer(bell, bell) / bell.sum() ** 2).expand(3, 1, 5, 5)

    def direction(x_adv, momentum):
        return F.conv2d(gradient(model, x_adv, y), kernel, padding=2, groups=3)

    assert_same(tifgsm(model, x, y, **NUMBERS, decay=0.9, kernel_size=5), followed(x, direction))


def test_sifgsm_averages_over_darker_copies(model, images):
    x, y = images

    def direction(x_adv, momentum):
        return sum(gradient(model, x_adv, y, see) for see in (lambda x: x, lambda x: x / 2, lambda x: x / 4)) / 3

    assert_same(sifgsm(model, x, y, **NUMBERS, decay=0.9, scales=3), followed(x, direction))


def test_nifgsm_looks_ahead_as_far_as_the_released_code(model, images):
    x, y = images
    # Where the released code divides by the mean, its momentum is that of the sum times the number of values.
    expected = followed(x, lambda x_adv, momentum: gradient(model, x_adv + STEP * 0.9 * momentum * x[0].numel(), y))
    made = nifgsm(model, x, y, **NUMBERS, decay=0.9)
    assert_same(made, expected)
    assert not torch.equal(made, mifgsm(model, x, y, **NUMBERS, decay=0.9))


def test_vmifgsm_follows_the_recursion(model, images):
    x, y = images
    generators, variance = one_each(x), torch.zeros_like(x)

    def direction(x_adv, momentum):
        nonlocal variance
        found, before, around = gradient(model, x_adv, y), variance, torch.zeros_like(x)
        for _ in range(4):
            draws = torch.stack([torch.rand(3, 8, 10, generator=generator) for generator in generators]).double()
            around += gradient(model, x_adv + EPS * (3 * draws - 1.5), y) / 4
        variance = around - found
        return found + before

    made = vmifgsm(model, x, y, **NUMBERS, decay=0.9, neighbors=4, beta=1.5, generator=seeded(3))
    assert_same(made, followed(x, direction))
