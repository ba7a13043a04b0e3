"""A default device of ``meta``, where tensors hold no numbers, changes no result; attacks are in ``attacks/test_contract.py``."""

import torch

from defective import attacks, build
from defective.data import pick, shapes
from defective.data.patches import shuffle_patches
from defective.specs import AttackSpec, Recipe
from defective.training.loop import fit
from problems import seeded
from trainings import some_shapes


def test_training():
    data = some_shapes(60)
    attack = AttackSpec.parse("pgd:eps=4/255,step_size=2/255,steps=1,random_start=1")
    recipe = Recipe(name="test", epochs=1, batch_size=30, lr=0.05).changed(adversarial=attack, norm_scale_init="uniform")
    models = [build("vgg19/0.5-bottom", width_mult=0.0625) for _ in range(2)]
    wanted = fit(models[0], data, recipe, test=data, device="cpu", precision="fp32")
    with torch.device("meta"):
        found = fit(models[1], data, recipe, test=data, device="cpu", precision="fp32")
    assert found[0]["train_loss"] == wanted[0]["train_loss"] and found[0]["test_accuracy"] == wanted[0]["test_accuracy"]
    assert all(torch.equal(*pair) for pair in zip(*(model.state_dict().values() for model in models), strict=True))


def test_data():
    made, chosen = shapes("conflict"), pick(100, 10, seed=3)
    shuffled = shuffle_patches(made.x[:3], 2, generator=seeded())
    noisy = attacks.gaussian_noise(made.x[:3] / 255, sigma=0.1, generator=seeded())
    with torch.device("meta"):
        assert torch.equal(shapes.__wrapped__("conflict").x, made.x) and torch.equal(pick(100, 10, seed=3), chosen)
        assert torch.equal(shuffle_patches(made.x[:3], 2, generator=seeded()), shuffled)
        assert torch.equal(attacks.gaussian_noise(made.x[:3] / 255, sigma=0.1, generator=seeded()), noisy)
        assert torch.equal(made.take(torch.tensor([1, 2], device="cpu"))[0], made.x[1:3])
