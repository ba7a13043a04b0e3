"""What the tests of evaluations share: attacks, small settings, nets with a flaw, images and nets that say what they are told."""

import json

import torch
from torch import nn

from defective import AttackSpec, defect_
from defective.attacks import fgsm
from defective.data import ImageSet
from defective.evaluation import CustomAttack
from defective.evaluation.settings import WHITE_BOX
from defective.experiments.store import Store
from defective.experiments.stored_run import StoredRun
from problems import plane

EPS = 8 / 255
FGSM, PGD = AttackSpec.parse("fgsm:eps=8/255"), AttackSpec.parse("pgd:eps=8/255,step_size=4/255,steps=2")
OWN = WHITE_BOX[::3]
TRANSFER = ("transfer",)
SMALL = {
    "samples": 12,
    "decision": AttackSpec.parse("boundary:steps=5"),
    "decision_samples": 5,
    "check_samples": 8,
    "confidence": 0.6,
}


class Around(nn.Module):
    """A model behind a change of its images, before a change of its logits."""

    def __init__(self, net, before=lambda x: x, after=lambda z, x: z):
        super().__init__()
        self.net, self.before, self.after = net, before, after

    def forward(self, x):
        return self.after(self.net(self.before(x)), x)


def wrong(seed=0):
    """Always the other class."""
    return Around(plane(seed), after=lambda z, x: -z)


def numb(seed=0):
    """Without a gradient."""
    return Around(plane(seed), after=lambda z, x: z.detach())


class Answers(nn.Module):
    """Says of ten classes the one whose number is the first pixel in levels of 255."""

    def forward(self, x):
        return nn.functional.one_hot((x[:, 0, 0, 0] * 255).round().long().clamp(max=9), 10).float()


def images(*labels):
    """For each an image that :class:`Answers` takes for this class."""
    x = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    x[:, 0, 0, 0] = torch.tensor(labels, dtype=torch.uint8)
    return x


def masked(seed=0):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(2, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 2)).eval()
    defect_(net, 0.5, sites=["1"], example_inputs=torch.zeros(1, 2, 4, 4), seed=seed)
    return net


def plain(found):
    """The JSON document, read again: it holds nothing but JSON, no nan among it."""
    document = found.as_json()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    return document


def small_net():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 5))
    defect_(net, 0.5, sites=["2"], example_inputs=torch.zeros(1, 3, 8, 8))
    return net.eval()


def pictures(count=20, seed=0):
    x = torch.randint(256, (count, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return ImageSet("pictures", "test", x, torch.arange(count) % 5, tuple("abcde"))


class Lambda(Around):
    """A model without parameters."""

    def __init__(self, function):
        super().__init__(nn.Identity(), function)


class Says(nn.Module):
    """Class ``k`` with a margin for the first pixel ``2 k`` or ``2 k + 1``: odd ones are sure of themselves."""

    asked = 0

    def forward(self, x):
        self.asked += len(x)
        pixel = (x[:, 0, 0, 0] * 255).round().long()
        return nn.functional.one_hot(pixel // 2, 3) * (1.0 + 99 * (pixel % 2))[:, None]


def saying(*pixels, labels):
    return ImageSet("pixels", "test", images(*pixels), torch.tensor(labels), tuple("abc"))


# A class 0 at 0, 1, a class 1 at 2, 3: right, right and sure, wrong, right, right and sure, wrong, wrong, right and sure.
MIXED = saying(0, 1, 2, 2, 3, 4, 1, 5, labels=(0, 0, 0, 1, 1, 1, 1, 2))
RIGHT, SURE = [0, 1, 3, 4, 7], [1, 4, 7]


def stored(folder):
    """Measurements through a store."""
    return StoredRun(Store(folder / "measurements"))


def cells(found):
    return [(each.target, each.adversarial.source, each.adversarial.attack, each.threat_model) for each in found.outcomes]


class Counted:
    """FGSM that counts the images of each call."""

    def __init__(self):
        self.calls = []

    def __call__(self, model, x, y):
        self.calls.append(len(x))
        return fgsm(model, x, y, eps=EPS)


def own(attack, **options):
    return CustomAttack("mine", attack, **{"version": "1", **options})


def assert_equal(one, other):
    for name in ("x", "y", "x_adv", "predicted", "index"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert (one.source, one.attack, one.settings) == (other.source, other.attack, other.settings)
