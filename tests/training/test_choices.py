"""Choices of a recipe that are off by default: Nesterov's momentum, averaged weights, alternating flips."""

import pytest
import torch
from torch import nn

from defective import InputError, load
from defective.data import ImageSet
from defective.specs import Recipe
from defective.training import loop
from defective.training.epoch import TrainingSetup, run_epoch
from defective.training.loop import fit, make_sgd
from defective.training.step import Step
from defective.training.train import train
from trainings import copied, equal

RECIPE = Recipe(name="test", width_mult=0.0625, epochs=3, batch_size=20, lr=0.05, augment="none")
CPU = torch.device("cpu")


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))


def trained(data, recipe, **options):
    model = net()
    history = fit(model, data, recipe, device="cpu", precision="fp32", **options)
    return model, history


@pytest.fixture
def steps(monkeypatch):
    """States of the model after each step."""
    found, original = [], Step.__call__

    def noting(step, *batch):
        outcome = original(step, *batch)
        found.append({name: tensor.double().clone() for name, tensor in step.model.state_dict().items()})
        return outcome

    monkeypatch.setattr(Step, "__call__", noting)
    return found


def test_averaging_leaves_the_weighted_mean_of_the_steps(data, steps):
    model, _ = trained(data, RECIPE.changed(averaging=0.7))
    weights = torch.tensor([0.7 ** (9 - step) for step in range(1, 10)], dtype=torch.float64)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            wanted = sum(w * state[name] for w, state in zip(weights / weights.sum(), steps, strict=True))
            torch.testing.assert_close(tensor.double(), wanted, rtol=1e-5, atol=1e-7)
        else:
            assert torch.equal(tensor.double(), steps[-1][name])


def test_averaging_scores_the_mean_and_leaves_the_steps_alone(data, steps):
    plain, _ = trained(data, RECIPE)
    count = len(steps)
    averaged, history = trained(data, RECIPE.changed(averaging=0.9), test=data)
    assert all(equal(one, other) for one, other in zip(steps[:count], steps[count:], strict=True))
    assert history[-1]["test_accuracy"] == loop.test_accuracy(averaged, data)
    assert not torch.equal(plain[0].weight, averaged[0].weight)


@pytest.mark.parametrize("changes", [{}, {"selection": "best-on-test"}], ids=["last", "best on test"])
def test_an_averaged_run_resumes_to_the_same_bytes_and_leaves_light_checkpoints(data, tmp_path, monkeypatch, changes):
    recipe = RECIPE.changed(averaging=0.9, lr=0.3, **changes)
    seen = {}
    model = net()
    fit(model, data, recipe, test=data, device="cpu", precision="fp32", after_epoch=lambda n: seen.update({n: copied(model)}))
    original, state = loop.run_epoch, {"state_file": tmp_path / "state.safetensors"}
    with monkeypatch.context() as patch:
        patch.setattr(loop, "run_epoch", lambda *a: original(*a) if a[3] < 2 else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            trained(data, recipe, test=data, **state)
    again, _ = trained(data, recipe, test=data, **state)
    assert equal(copied(again), copied(model))
    for epochs, light in seen.items():
        assert equal(copied(trained(data, recipe.changed(stop_after=epochs), test=data)[0]), light)
    assert sorted(seen) == [1, 2]


def test_nesterov_is_the_textbook_step(data):
    recipe = RECIPE.changed(nesterov=True, weight_decay=0)
    weight = nn.Parameter(torch.tensor([2.0, -1.0], dtype=torch.float64))
    optimizer = make_sgd(nn.ParameterList([weight]), recipe, CPU)
    wanted, velocity = weight.detach().clone(), torch.zeros(2, dtype=torch.float64)
    for _ in range(3):
        optimizer.zero_grad()
        (weight**2).sum().backward()
        gradient = 2 * wanted
        velocity = 0.9 * velocity + gradient
        wanted = wanted - 0.05 * (gradient + 0.9 * velocity)
        optimizer.step()
        torch.testing.assert_close(weight.detach(), wanted)


class Looking(Step):
    """Notes batches and learns nothing."""

    def __call__(self, x, y, adversary=None):
        self.batches = [*getattr(self, "batches", []), (x, y)]
        return torch.zeros(()), torch.zeros(())


def epoch_of(data, recipe, epoch, seed=0):
    model = net()
    step = Looking(model, make_sgd(model, recipe, CPU), recipe, CPU, "fp32")
    run_epoch(step, data, TrainingSetup(recipe, seed, CPU, "fp32"), epoch, lambda n=1, note="": None)
    x, y = (torch.cat(each) for each in zip(*step.batches, strict=True))
    return {int(number): image for number, image in zip(y, x, strict=True)}


@pytest.fixture(scope="module")
def numbered():
    """Distinct images whose labels are their numbers."""
    x = torch.randint(256, (60, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return ImageSet("numbered", "train", x, torch.arange(60), tuple(map(str, range(60))))


def test_alternating_flips_mirror_each_image_in_every_other_epoch(numbered):
    recipe = RECIPE.changed(augment="flip", flip="alternating")
    epochs = [epoch_of(numbered, recipe, epoch) for epoch in range(4)]
    mirrored = 0
    for number in range(60):
        images = [epoch[number] for epoch in epochs]
        assert torch.equal(images[0].flip(2), images[1])
        assert torch.equal(images[0], images[2]) and torch.equal(images[1], images[3])
        mirrored += not torch.equal((images[0] * 255).round().byte(), numbered.x[number])
    assert 15 < mirrored < 45
    other = epoch_of(numbered, recipe, 0, seed=1)
    assert any(not torch.equal(other[number], epochs[0][number]) for number in range(60))


REFUSED = {
    "nesterov needs a momentum": {"nesterov": True, "momentum": 0.0},
    "averaging": {"averaging": 1.0},
    "needs an augment that mirrors": {"flip": "alternating"},
}


@pytest.mark.parametrize("message", REFUSED)
def test_choices_that_cannot_act_are_refused(message):
    with pytest.raises(InputError, match=message):
        RECIPE.changed(**REFUSED[message])


def test_the_mean_training_image_is_subtracted_and_stored(data, tmp_path):
    recipe = RECIPE.changed(normalization="pixel-mean", epochs=1)
    for name in ("vgg19/0.5-bottom", "vgg19/en"):
        train(name, data, data, recipe, tmp_path / name, device="cpu", precision="fp32")
    model = load(tmp_path / "vgg19/0.5-bottom")
    torch.testing.assert_close(model.normalize.mean[0], (data.x.double() / 255).mean(0).float())
    x = data.x[:4].float() / 255
    torch.testing.assert_close(model.normalize(x), x - (data.x.double() / 255).mean(0).float())
    assert all(torch.equal(member.normalize.mean, model.normalize.mean) for member in load(tmp_path / "vgg19/en").members)
    with pytest.raises(InputError, match="without a thermometer"):
        train("vgg19/therm4", data, data, recipe, tmp_path / "therm", device="cpu")
