"""Adversarial training sees attacked images and nothing else changes."""

import pytest
import torch
from torch import Tensor, nn

from defective import AttackSpec, InputError, Recipe
from defective.data import ImageSet
from defective.specs import ATTACK_DEFAULTS, GRADIENT_ATTACKS
from defective.training.loop import fit
from defective.training.recipes import adversary
from defective.training.train import train
from problems import best_linear_attack
from trainings import some_shapes

EPS = 8 / 255
RECIPE = Recipe(name="test", epochs=1, batch_size=20, lr=1e-9, momentum=0, weight_decay=0, schedule="steps", augment="none")


class Recorder(nn.Module):
    """A two-class linear net that remembers what it was shown in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 2))
        self.shown: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.shown.append(x.detach().clone())
        return self.linear(x)


@pytest.fixture
def data() -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (40, 3, 4, 4), dtype=torch.uint8, generator=generator)
    return ImageSet("made", "train", x, torch.arange(40) % 2, ("a", "b"))


def shown(data: ImageSet, recipe: Recipe, *, seed: int = 0) -> Tensor:
    torch.manual_seed(1)
    net = Recorder()
    fit(net, data, recipe, seed=seed, device="cpu", precision="fp32")
    return torch.cat(net.shown)


def test_every_batch_is_replaced_by_the_worst_images_of_the_ball(data):
    torch.manual_seed(1)
    net = Recorder().double()
    clean = shown(data, RECIPE)
    attacked = shown(data, RECIPE.changed(adversarial=AttackSpec.parse("fgsm:eps=8/255")))
    rows = {tuple(image.flatten().tolist()): int(label) for image, label in zip(data.x.float() / 255, data.y, strict=True)}
    y = torch.tensor([rows[tuple(image.flatten().tolist())] for image in clean])
    assert torch.allclose(attacked.double(), best_linear_attack(net.linear, clean.double(), y, EPS), atol=1e-6)


def test_a_random_start_is_new_in_each_epoch_and_follows_the_seed(data):
    recipe = RECIPE.changed(adversarial=adversary("madry"), epochs=2)
    first = shown(data, recipe)
    assert torch.equal(first, shown(data, recipe))
    assert not torch.equal(first, shown(data, recipe, seed=1))
    clean = shown(data, RECIPE.changed(epochs=2))
    assert (first - clean).abs().max() <= EPS + 1e-6
    one_step = recipe.changed(adversarial=AttackSpec.parse("pgd:eps=8/255,step_size=0/255,steps=1,random_start=1"))
    starts = shown(data, one_step) - clean
    inside = (clean > EPS) & (clean < 1 - EPS)
    assert not torch.equal(starts[:40].sort(0).values, starts[40:].sort(0).values)
    assert abs(float(starts[inside].mean())) < 2e-3 and 0.5 < float(starts[inside].abs().mean() / (EPS / 2)) < 1.5


def test_lspga_needs_a_thermometer(tmp_path):
    few = some_shapes(20)
    with pytest.raises(InputError, match=r"vgg19/0\.5-bottom has no thermometer.*resnet18/therm16"):
        train("vgg19/0.5-bottom", few, few, RECIPE.changed(adversarial=adversary("buckman"), width_mult=0.0625), tmp_path)


@pytest.mark.parametrize("name", [name for name in ATTACK_DEFAULTS if name not in GRADIENT_ATTACKS])
def test_attacks_without_gradient_steps_are_refused(name):
    with pytest.raises(InputError, match=f"adversarial {name} takes no gradient steps: train on one of fgsm, pgd"):
        RECIPE.changed(adversarial=AttackSpec.parse(name))


def test_the_known_adversaries_have_the_published_numbers():
    assert adversary("madry").parameters == {"eps": EPS, "step_size": 2 / 255, "steps": 7, "random_start": 1}
    assert adversary("buckman").parameters == ATTACK_DEFAULTS["lspga"] == {"eps": EPS, "logit_step": 1.0, "steps": 7, "anneal": 1.2}
    assert adversary("fgsm:eps=4/255") == AttackSpec.parse("fgsm:eps=4/255")
    with pytest.raises(InputError, match="mardy"):
        adversary("mardy")


def test_a_net_that_has_left_the_finite_numbers_ends_training_with_the_learning_rate(data):
    net = Recorder()
    nn.init.constant_(net.linear[1].weight, float("nan"))
    with pytest.raises(InputError, match="learning rate"):
        fit(net, data, RECIPE.changed(adversarial=adversary("fgsm:eps=4/255")), seed=0, device="cpu", precision="fp32")
