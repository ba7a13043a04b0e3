"""What attacks refuse beside bad images and labels: one line that names the value."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from defective import Ensemble, InputError
from defective.attacks import (
    autoattack,
    boundary,
    cw,
    difgsm,
    fgsm,
    gaussian_noise,
    hopskipjump,
    lspga,
    mifgsm,
    nifgsm,
    pgd,
    sifgsm,
    tifgsm,
    vmifgsm,
)
from defective.attacks.boundary import boundary_score
from defective.baselines import Thermometer
from evaluations import Around
from problems import seeded

ONE = {"eps": 8 / 255, "step_size": 2 / 255, "steps": 1}


def linear(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(192, classes)).double()


def scores(z, x):
    return {"scores": z, "x": x}


def broken(z, x):
    raise KeyError("z")


def thermometer(levels=16):
    return nn.Sequential(Thermometer(levels), nn.Flatten(), nn.Linear(192 * levels, 5)).double()


CASES = [
    (lambda m, x, y: fgsm(m, x, y, eps=8), "eps 8"),
    (lambda m, x, y: fgsm(m, x, y, eps=-0.1), "-0.1"),
    (
        lambda m, x, y: fgsm(m[:5], x, y, eps=0.1),
        r"\(6, 6, 4, 4\) for 6 images, not logits \(N, K\): return them from its forward$",
    ),
    (lambda m, x, y: fgsm(Around(m, after=lambda z, x: (z, x)), x, y, eps=0.1), r"tuple for 6 .*lambda output: output\[0\]\)$"),
    (lambda m, x, y: fgsm(Around(m, after=scores), x, y, eps=0.1), r"lambda output: output\['scores'\]\) \(keys: scores, x\)$"),
    (
        lambda m, x, y: fgsm(Around(m, after=broken), x, y, eps=0.1),
        r"the model failed on images of shape \(6, 3, 8, 8\): KeyError: 'z'",
    ),
    (lambda m, x, y: autoattack(m.forward, x, y, eps=0.1), "the model is method, not a torch.nn.Module: wrap it in a module"),
    (lambda m, x, y: fgsm(Around(m, after=lambda z, x: z.detach()), x, y, eps=0.1), "no gradient"),
    (lambda m, x, y: fgsm(Around(m, before=lambda x: x.round().detach()), x, y, eps=0.1), "no gradient"),
    (lambda m, x, y: pgd(m, x, y, **ONE | {"steps": 0}), "steps 0"),
    (lambda m, x, y: pgd(m, x, y, **ONE | {"steps": True}), "steps True"),
    (lambda m, x, y: pgd(m, x, y, **ONE | {"step_size": 2}), "step_size 2"),
    (lambda m, x, y: fgsm(m, x, y, eps="8/255"), "eps '8/255' is not a number such as 0.5: pass an int or a float"),
    (lambda m, x, y: vmifgsm(m, x, y, **ONE | {"eps": "8/255"}), "eps '8/255' is not a number such as"),
    (lambda m, x, y: fgsm(m, x, y, eps=Fraction(8, 255)), r"eps Fraction\(8, 255\) is not a number such as"),
    (lambda m, x, y: fgsm(m, x, y, eps=np.array(8 / 255)), r"eps array\(0.03137255\) is not"),
    (lambda m, x, y: fgsm(m, x, y, eps=True), "eps True is not"),
    (lambda m, x, y: fgsm(m, x, y, eps=torch.tensor(0.5, requires_grad=True)), r"eps tensor\(0.5000, requires_grad=True\) is not"),
    (lambda m, x, y: mifgsm(m, x, y, **ONE, decay="1"), "decay '1' is not a number such as"),
    (lambda m, x, y: pgd(m, x, y, **ONE, random_start="no"), "random_start 'no' is neither True nor False"),
    (lambda m, x, y: pgd(m, x, y, **ONE, random_start=True, generator=3), r"generator is int, not .*pass torch.Generator\(\).man"),
    (lambda m, x, y: pgd(m, x, y, **ONE | {"steps": "3"}), "steps '3' must be a whole number"),
    (lambda m, x, y: mifgsm(m, x, y, **ONE, decay=-1), "decay -1"),
    (lambda m, x, y: difgsm(m, x, y, **ONE, resize_rate=1.1), "resize_rate 1.1"),
    (lambda m, x, y: difgsm(m, x, y, **ONE, diversity_prob=-0.5), "diversity_prob -0.5"),
    (lambda m, x, y: tifgsm(m, x, y, **ONE, kernel_size=4), "kernel_size 4"),
    (lambda m, x, y: sifgsm(m, x, y, **ONE, scales=0), "scales 0"),
    (lambda m, x, y: nifgsm(m, x, y, **ONE, decay=float("nan")), "decay nan"),
    (lambda m, x, y: vmifgsm(m, x, y, **ONE, neighbors=-1), "neighbors -1"),
    (lambda m, x, y: vmifgsm(m, x, y, **ONE, neighbors=0), "neighbors 0 must be a whole number, at least 1"),
    (lambda m, x, y: vmifgsm(m, x, y, **ONE, neighbors=None), "neighbors None must"),
    (lambda m, x, y: vmifgsm(m, x, y, **ONE, beta=-1), "beta -1"),
    (lambda m, x, y: cw(linear(1), x, y), "1 class"),
    (lambda m, x, y: cw(m, x, y, confidence=-1), "confidence -1"),
    (lambda m, x, y: cw(m, x, y, confidence=float("nan")), "confidence nan"),
    (lambda m, x, y: cw(m, x, y, steps=0), "steps 0"),
    (lambda m, x, y: cw(m, x, y, search_steps=0), "search_steps 0"),
    (lambda m, x, y: cw(m, x, y, lr=0), "lr 0"),
    (lambda m, x, y: cw(m, x, y, initial_const=0.0), "initial_const 0.0"),
    (lambda m, x, y: cw(Around(m, after=lambda z, x: z.detach()), x, y), "no gradient"),
    (lambda m, x, y: lspga(m, x, y, eps=0.1), "therm16.*use pgd"),
    (lambda m, x, y: lspga(Ensemble([thermometer(16), thermometer(32)]), x, y, eps=0.1), r"\[16, 32\] levels"),
    (lambda m, x, y: lspga(thermometer(), x, y, eps=0.1, steps=0), "steps 0"),
    (lambda m, x, y: lspga(thermometer(), x, y, eps=0.1, logit_step=0.0), "logit_step 0.0"),
    (lambda m, x, y: lspga(thermometer(), x, y, eps=0.1, anneal=-1), "anneal -1"),
    (lambda m, x, y: lspga(thermometer(), x, y, eps=8), "eps 8"),
    (lambda m, x, y: autoattack(linear(3), x, y * 0, eps=0.1), "the model has 3"),
    (lambda m, x, y: autoattack(m, x, y + 5, eps=0.1), "the model knows 5 classes"),
    (lambda m, x, y: autoattack(m, x, y, eps=8), "eps 8"),
    (lambda m, x, y: gaussian_noise(x, sigma=16), "sigma 16 .* write 16/255"),
    (lambda m, x, y: gaussian_noise(x, sigma=0.1, generator=3), "the generator is int"),
    (lambda m, x, y: boundary(m, x, y, steps=0), "steps 0"),
    (lambda m, x, y: boundary(m, x, y, generator=3), "the generator is int"),
    (lambda m, x, y: boundary(m, x, y, schedule="foolbox2"), "foolbox2.*foolbox3, foolbox1"),
    (lambda m, x, y: boundary(m, x, y, schedule=["quick"]), r"no schedule \['quick'\]; there are foolbox3"),
    (lambda m, x, y: boundary(m, x, y, batch_size=0), "batch_size 0"),
    (lambda m, x, y: hopskipjump(m, x, y, batch_size=-1), "batch_size -1"),
    (lambda m, x, y: boundary(m, x, y, spherical_step=0), "spherical_step 0"),
    (lambda m, x, y: boundary(m, x, y, source_step=1.5), "source_step 1.5"),
    (lambda m, x, y: boundary_score(x, x[:2]), r"\(2, 3, 8, 8\)"),
    (lambda m, x, y: boundary_score(x, x * float("nan")), "images hold nan or inf"),
    (lambda m, x, y: boundary_score(x, [x]), "images are list"),
    (lambda m, x, y: hopskipjump(m, x, y, steps=0), "steps 0"),
    (lambda m, x, y: hopskipjump(m, x, y, initial_queries=2.5), "initial_queries 2.5"),
    (lambda m, x, y: hopskipjump(m, x, y, max_queries=0), "max_queries 0"),
    (lambda m, x, y: hopskipjump(m, x, y, norm="l1"), "no norm 'l1'; there are l2, linf"),
    (lambda m, x, y: hopskipjump(m, x, y, radius=0.0), "radius 0"),
    (lambda m, x, y: hopskipjump(m, x, y, radius=float("nan")), "radius nan"),
]


@pytest.mark.parametrize(("attack", "said"), CASES, ids=[said for _, said in CASES])
def test_bad_arguments_are_refused(attack, said, small_net):
    x = torch.rand(6, 3, 8, 8, generator=seeded(1), dtype=torch.float64)
    with pytest.raises(InputError, match=said):
        attack(small_net, x, torch.arange(6) % 5)
