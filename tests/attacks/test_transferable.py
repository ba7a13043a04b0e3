import pytest
import torch
import torch.nn.functional as F
from scipy.stats import norm
from torch import nn

from defective import InputError
from defective.attacks import difgsm, mifgsm, nifgsm, sifgsm, tifgsm, vmifgsm

EPS, STEP = 8 / 255, 2 / 255
NUMBERS = {"eps": EPS, "step_size": STEP, "steps": 5}


def seeded(seed=3):
    return torch.Generator().manual_seed(seed)


def one_each(images, seed=3):
    """What the attacks make of a generator: one for each image, seeded in turn."""
    parent = seeded(seed)
    return [seeded(int(torch.randint(2**63 - 1, (), generator=parent))) for _ in images]


@pytest.fixture
def net():
    """A smooth model on images that are not square."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 6, 3, stride=2), nn.Tanh(), nn.Flatten())
    net.append(nn.Linear(6 * 3 * 4, 5))
    return net.double().eval()


@pytest.fixture
def images():
    return torch.rand(6, 3, 8, 10, generator=seeded(1), dtype=torch.float64), torch.randint(0, 5, (6,), generator=seeded(1))


def gradient(net, x, y, see=lambda x: x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(sum(F.cross_entropy(net(see(x)[i : i + 1]), y[i : i + 1]) for i in range(len(x))), x)[0]


def step(x_adv, x, momentum):
    return (x_adv + STEP * momentum.sign()).clamp(x - EPS, x + EPS).clamp(0, 1)


def l1(direction):
    return direction.abs().flatten(1).sum(1)[:, None, None, None]


NEUTRAL = {
    "difgsm, never shrunk": lambda m, x, y: difgsm(m, x, y, **NUMBERS, diversity_prob=0, generator=seeded()),
    "tifgsm, kernel of one pixel": lambda m, x, y: tifgsm(m, x, y, **NUMBERS, kernel_size=1),
    "sifgsm, one scale": lambda m, x, y: sifgsm(m, x, y, **NUMBERS, scales=1),
    "vmifgsm, no neighbours": lambda m, x, y: vmifgsm(m, x, y, **NUMBERS, neighbors=0, generator=seeded()),
    "vmifgsm, the image itself as neighbour": lambda m, x, y: vmifgsm(m, x, y, **NUMBERS, neighbors=1, beta=0, generator=seeded()),
}


@pytest.mark.parametrize("case", NEUTRAL)
def test_neutral_settings_are_mifgsm(case, net, images):
    assert torch.equal(NEUTRAL[case](net, *images), mifgsm(net, *images, **NUMBERS))


def test_no_look_ahead_without_a_past(net, images):
    assert torch.equal(nifgsm(net, *images, **NUMBERS, decay=0.0), mifgsm(net, *images, **NUMBERS, decay=0.0))
    first = {**NUMBERS, "steps": 1}
    assert torch.equal(nifgsm(net, *images, **first), mifgsm(net, *images, **first))


def test_difgsm_sees_resized_and_padded_images(net, images):
    x, y = images
    generators, x_adv, momentum, shrunk = one_each(x), x, torch.zeros_like(x), []
    for _ in range(5):
        draws = [torch.rand(4, generator=generator, dtype=torch.float64).tolist() for generator in generators]

        def see(x, draws=draws):
            seen = []
            for image, (chance, size, top, left) in zip(x, draws, strict=True):
                # At least half of 8 and of 10 pixels: 4 to 8, 5 to 10.
                h, w = 4 + int(size * 5), 5 + int(size * 6)
                top, left = int(top * (8 - h + 1)), int(left * (10 - w + 1))
                small = F.interpolate(image[None], size=(h, w), mode="bilinear", align_corners=False)
                padded = F.pad(small, (left, 10 - w - left, top, 8 - h - top))[0]
                seen.append(padded if chance < 0.7 else image)
            return torch.stack(seen)

        shrunk += [chance < 0.7 for chance, *_ in draws]
        found = gradient(net, x_adv, y, see)
        momentum = 0.9 * momentum + found / l1(found)
        x_adv = step(x_adv, x, momentum)
    assert 10 < sum(shrunk) < 30
    made = difgsm(net, x, y, **NUMBERS, decay=0.9, resize_rate=0.5, diversity_prob=0.7, generator=seeded())
    torch.testing.assert_close(made, x_adv, rtol=0, atol=1e-12)


def test_tifgsm_convolves_with_a_gaussian_of_three_sigma(net, images):
    x, y = images
    bell = torch.tensor([norm.pdf(place) for place in (-3, -1.5, 0, 1.5, 3)], dtype=torch.float64)
    kernel = torch.outer(bell, bell) / bell.sum() ** 2
    x_adv, momentum = x, torch.zeros_like(x)
    for _ in range(5):
        found = F.conv2d(gradient(net, x_adv, y), kernel.expand(3, 1, 5, 5), padding=2, groups=3)
        momentum = 0.9 * momentum + found / l1(found)
        x_adv = step(x_adv, x, momentum)
    torch.testing.assert_close(tifgsm(net, x, y, **NUMBERS, decay=0.9, kernel_size=5), x_adv, rtol=0, atol=1e-12)


def test_sifgsm_averages_over_darker_copies(net, images):
    x, y = images
    x_adv, momentum = x, torch.zeros_like(x)
    for _ in range(5):
        found = sum(gradient(net, x_adv, y, see) for see in (lambda x: x, lambda x: x / 2, lambda x: x / 4)) / 3
        momentum = 0.9 * momentum + found / l1(found)
        x_adv = step(x_adv, x, momentum)
    torch.testing.assert_close(sifgsm(net, x, y, **NUMBERS, decay=0.9, scales=3), x_adv, rtol=0, atol=1e-12)


def test_nifgsm_looks_ahead_as_far_as_the_released_code(net, images):
    x, y = images
    x_adv, momentum = x, torch.zeros_like(x)
    for _ in range(5):
        found = gradient(net, x_adv + STEP * 0.9 * momentum, y)
        momentum = 0.9 * momentum + found / found.abs().mean((1, 2, 3), keepdim=True)
        x_adv = step(x_adv, x, momentum)
    made = nifgsm(net, x, y, **NUMBERS, decay=0.9)
    torch.testing.assert_close(made, x_adv, rtol=0, atol=1e-12)
    assert not torch.equal(made, mifgsm(net, x, y, **NUMBERS, decay=0.9))


def test_vmifgsm_follows_the_recursion(net, images):
    x, y = images
    generators, x_adv, momentum, variance = one_each(x), x, torch.zeros_like(x), torch.zeros_like(x)
    for _ in range(5):
        found = gradient(net, x_adv, y)
        momentum = 0.9 * momentum + (found + variance) / l1(found + variance)
        around = torch.zeros_like(x)
        for _ in range(4):
            draws = torch.stack([torch.rand(3, 8, 10, generator=generator) for generator in generators]).double()
            around += gradient(net, x_adv + EPS * (3 * draws - 1.5), y) / 4
        variance = around - found
        x_adv = step(x_adv, x, momentum)
    made = vmifgsm(net, x, y, **NUMBERS, decay=0.9, neighbors=4, beta=1.5, generator=seeded())
    torch.testing.assert_close(made, x_adv, rtol=0, atol=1e-12)


BAD = {
    "rate": (lambda m, x, y: difgsm(m, x, y, **NUMBERS, resize_rate=1.1), "resize_rate 1.1"),
    "chance": (lambda m, x, y: difgsm(m, x, y, **NUMBERS, diversity_prob=-0.5), "diversity_prob -0.5"),
    "even kernel": (lambda m, x, y: tifgsm(m, x, y, **NUMBERS, kernel_size=4), "kernel_size 4"),
    "no scale": (lambda m, x, y: sifgsm(m, x, y, **NUMBERS, scales=0), "scales 0"),
    "no decay": (lambda m, x, y: nifgsm(m, x, y, **NUMBERS, decay=float("nan")), "decay nan"),
    "neighbours": (lambda m, x, y: vmifgsm(m, x, y, **NUMBERS, neighbors=-1), "neighbors -1"),
    "beta": (lambda m, x, y: vmifgsm(m, x, y, **NUMBERS, beta=-1), "beta -1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(case, net, images):
    act, said = BAD[case]
    with pytest.raises(InputError, match=said):
        act(net, *images)
