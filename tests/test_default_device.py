"""Nothing may land on torch's default device by chance: a default of ``meta``, which holds no numbers, changes no result."""

from functools import partial

import pytest
import torch
from torch import nn

from defective import attacks, build
from defective.data import ImageSet, pick, shapes
from defective.data.patches import shuffle_patches
from defective.inference import logits
from defective.specs import AttackSpec, Recipe
from defective.training.loop import fit

NUMBERS = {"eps": 8 / 255, "step_size": 2 / 255, "steps": 3}
ATTACKS = {
    "fgsm": partial(attacks.fgsm, eps=8 / 255),
    "pgd": partial(attacks.pgd, random_start=True, **NUMBERS),
    "mifgsm": partial(attacks.mifgsm, **NUMBERS),
    "difgsm": partial(attacks.difgsm, resize_rate=0.5, diversity_prob=1.0, **NUMBERS),
    "tifgsm": partial(attacks.tifgsm, **NUMBERS),
    "sifgsm": partial(attacks.sifgsm, **NUMBERS),
    "nifgsm": partial(attacks.nifgsm, **NUMBERS),
    "vmifgsm": partial(attacks.vmifgsm, neighbors=2, **NUMBERS),
    "cw": partial(attacks.cw, steps=5, search_steps=2),
    "boundary": partial(attacks.boundary, steps=20),
    "hopskipjump": partial(attacks.hopskipjump, steps=2),
    "noise": lambda model, x, y, **options: attacks.gaussian_noise(x, sigma=0.1, **options),
}
RANDOM = ("pgd", "difgsm", "vmifgsm", "boundary", "hopskipjump", "noise")


@pytest.fixture
def elsewhere():
    """A block in which a tensor of no named device has no numbers."""
    return lambda: torch.device("meta")


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks(name, small_net, elsewhere):
    generator = torch.Generator().manual_seed(1)
    model = nn.Sequential(*small_net).float()
    x = torch.rand(4, 3, 8, 8, generator=generator)
    y = logits(model, x).argmax(1)

    def attack():
        return ATTACKS[name](model, x, y, **({"generator": torch.Generator().manual_seed(2)} if name in RANDOM else {}))

    wanted = attack()
    with elsewhere():
        found = attack()
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("adversarial", [None, AttackSpec.parse("pgd:eps=4/255,step_size=2/255,steps=1,random_start=1")])
def test_training(adversarial, elsewhere):
    made = shapes("test")
    data = ImageSet("some-shapes", "train", made.x[:60], made.y[:60], made.classes)
    changes = {"adversarial": adversarial, "norm_scale_init": "uniform"}
    recipe = Recipe(name="test", epochs=1, batch_size=30, lr=0.05).changed(**changes)
    models = [build("vgg19/0.5-bottom", width_mult=0.0625) for _ in range(2)]
    wanted = fit(models[0], data, recipe, test=data, device="cpu", precision="fp32")
    with elsewhere():
        found = fit(models[1], data, recipe, test=data, device="cpu", precision="fp32")
    assert found[0]["train_loss"] == wanted[0]["train_loss"] and found[0]["test_accuracy"] == wanted[0]["test_accuracy"]
    assert all(torch.equal(*pair) for pair in zip(*(model.state_dict().values() for model in models), strict=True))


def test_data(elsewhere):
    made, chosen = shapes("conflict"), pick(100, 10, seed=3)
    shuffled = shuffle_patches(made.x[:3], 2, generator=torch.Generator().manual_seed(0))
    with elsewhere():
        again = shapes.__wrapped__("conflict") if hasattr(shapes, "__wrapped__") else shapes("conflict")
        assert torch.equal(again.x, made.x) and torch.equal(pick(100, 10, seed=3), chosen)
        assert torch.equal(shuffle_patches(made.x[:3], 2, generator=torch.Generator().manual_seed(0)), shuffled)
        assert torch.equal(made.take(torch.tensor([1, 2], device="cpu"))[0], made.x[1:3])
