import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from defective import InputError, build, defects
from defective.data import ImageSet
from defective.specs import Recipe
from defective.training import loop
from defective.training.epoch import learning_rate
from defective.training.loop import fit
from defective.training.step import smoothing
from trainings import copied, equal, some_shapes

SCRIPT = Path(__file__).with_name("killed_run.py")
RECIPE = Recipe(name="test", width_mult=0.125, epochs=3, batch_size=50, lr=0.05, augment="crop-flip")


@pytest.fixture(scope="module")
def data():
    return some_shapes(300)


def net(name="vgg19/0.5-bottom"):
    return build(name, seed=0, width_mult=0.125)


def test_training_learns_and_keeps_the_masks(data, device):
    model = net("resnet18/0.3-bottom")
    masks = {key: value.clone() for key, value in model.state_dict().items() if key.endswith("defect_mask")}
    logged: list[dict] = []
    history = fit(model, data, RECIPE.changed(epochs=6), precision="fp32", device=device, log=logged.append)
    model.cpu()
    assert logged == history
    assert history[-1]["train_loss"] < 0.8 * history[0]["train_loss"]
    assert len(history) == 6 and history[-1]["train_accuracy"] > 0.3
    assert all(torch.equal(model.state_dict()[key], mask) for key, mask in masks.items()) and len(defects(model)) == 10
    assert not model.training


def test_the_seed_decides_the_run_and_the_global_generator_is_left_alone(data):
    torch.manual_seed(9)
    before = torch.get_rng_state()
    runs = []
    for seed in (0, 0, 1):
        model = net()
        fit(model, data, RECIPE.changed(epochs=1), seed=seed, device="cpu")
        runs.append(copied(model))
    assert torch.equal(before, torch.get_rng_state())
    assert equal(runs[0], runs[1]) and not equal(runs[0], runs[2])


def test_the_state_of_another_run_is_refused(data, tmp_path):
    state = tmp_path / "state.safetensors"
    fit(net(), data, RECIPE.changed(epochs=1), state_file=state, state_key="a", device="cpu")
    with pytest.raises(InputError, match="another training run"):
        fit(net(), data, RECIPE, state_file=state, state_key="b", device="cpu")


def test_best_on_test_keeps_the_best_epoch(data):
    model = net()
    recipe = RECIPE.changed(selection="best-on-test", epochs=4)
    history = fit(model, data, recipe, test=data, device="cpu", precision="fp32")
    assert loop.test_accuracy(model, data) == max(row["test_accuracy"] for row in history)


def test_a_loss_that_is_not_finite_names_step_and_learning_rate(data, device):
    with pytest.raises(InputError, match=r"of epoch 1 \(learning rate [\d.e+]+\)"):
        fit(net("resnet18"), data, RECIPE.changed(lr=1e30), device=device)


def test_label_smoothing_spreads_over_the_wrong_classes():
    z = torch.randn(4, 10, dtype=torch.float64)
    y = torch.tensor([0, 3, 9, 3])
    wanted = torch.full((4, 10), 0.1 / 9, dtype=torch.float64)
    wanted[torch.arange(4), y] = 0.9
    ours = nn.functional.cross_entropy(z, y, label_smoothing=smoothing(0.1, 10))
    torch.testing.assert_close(ours, -(wanted * z.log_softmax(1)).sum(1).mean())


def test_one_cycle_rises_to_the_peak_and_falls_to_nothing():
    recipe = Recipe(name="r", epochs=5, lr=0.4)
    rates = [learning_rate(recipe, epoch, step, 100) for epoch in range(5) for step in range(100)]
    assert max(rates) == pytest.approx(0.4)
    assert rates.index(max(rates)) == pytest.approx(100, abs=1)
    assert 0 < rates[0] < 0.01 and 0 < rates[-1] < 0.002


def test_steps_divide_by_ten_from_the_milestone_on():
    recipe = Recipe(name="r", epochs=350, lr=0.1, schedule="steps", milestones=(150, 250))
    rates = [learning_rate(recipe, epoch, 0, 10) for epoch in (0, 149, 150, 249, 250, 349)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_uniform_norm_scales_are_drawn_from_the_seed_but_for_the_released_wide_net(data):
    recipe = RECIPE.changed(norm_scale_init="uniform", lr=1e-12, epochs=1)
    models = [net(), net()]
    for model in models:
        fit(model, data, recipe, seed=3, device="cpu")
    scales = models[0].blocks[0].norm1.weight
    assert torch.equal(scales, models[1].blocks[0].norm1.weight)
    assert scales.min() >= 0 and scales.max() <= 1 and scales.std() > 0.1
    # A norm without scales has none to draw.
    fit(nn.Sequential(nn.BatchNorm2d(3, affine=False), nn.Flatten(), nn.Linear(3072, 10)), data, recipe, device="cpu")
    wide = net("wrn32_4")
    fit(wide, data, recipe, seed=3, device="cpu")
    torch.testing.assert_close(wide.stem.norm.weight, torch.ones_like(wide.stem.norm.weight))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_run_goes_on_with_frozen_and_tied_weights_and_without_momentum(data, tmp_path, momentum):
    ends = []
    for pieces in ([2], [1, 2]):
        state = tmp_path / f"{len(pieces)}.safetensors"
        for epochs in pieces:
            torch.manual_seed(0)
            convs = [nn.Conv2d(3, 3, 3, padding=1) for _ in range(2)]
            convs[1].weight = convs[0].weight
            model = nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.Flatten(), nn.Linear(3072, 10))
            model[4].bias.requires_grad_(False)
            recipe = RECIPE.changed(momentum=momentum, epochs=epochs, schedule="steps")
            fit(model, data, recipe, state_file=state, device="cpu")
        assert model[2].weight is model[0].weight
        ends.append(copied(model))
    assert equal(*ends)


def test_weight_decay_acts_where_there_is_no_gradient(device):
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 2), nn.BatchNorm1d(2))
    nn.init.constant_(model[1].weight, 0.5)
    # A norm of scale 0 lets no gradient through.
    nn.init.zeros_(model[2].weight)
    recipe = Recipe(name="test", epochs=1, batch_size=8, lr=0.1, momentum=0, weight_decay=0.01, schedule="steps", augment="none")
    black = ImageSet("made", "train", torch.zeros(8, 3, 4, 4, dtype=torch.uint8), torch.arange(8) % 2, ("a", "b"))
    fit(model, black, recipe, device=device, precision="fp32")
    model.cpu()
    torch.testing.assert_close(model[1].weight, torch.full((2, 48), 0.5 * (1 - 0.1 * 0.01)))


def test_crop_and_flip_pads_four_pixels(data, device):
    seen = []

    class Recorder(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))

        def forward(self, x):
            seen.append(x.detach())
            return self.net(x)

    white = ImageSet("white", "train", torch.full_like(data.x, 255), data.y, data.classes)
    fit(Recorder(), white, RECIPE.changed(epochs=1, augment="crop-flip"), device=device, precision="fp32")
    black_rows = (torch.cat(seen)[:, 0] == 0).all(2).sum(1)
    assert black_rows.min() == 0 and black_rows.max() == 4


def test_a_last_batch_of_one_image_is_left_out(device):
    fit(net(), some_shapes(101), RECIPE.changed(epochs=1), device=device)


def test_data_that_a_recipe_cannot_use_is_refused(data):
    with pytest.raises(InputError, match="1 training image"):
        fit(net(), some_shapes(1), RECIPE, device="cpu")
    with pytest.raises(InputError, match="resized-crop-flip"):
        fit(net(), data, RECIPE.changed(augment="resized-crop-flip"), device="cpu")


UNFIT = {
    "one class": ({"classes": ("a",)}, {}, "has 1 class: a classifier needs at least 2"),
    "a label of no class": ({"y": torch.full((100,), 10)}, {}, r"labels lie in \[10, 10\]"),
    "labels of another type": ({"y": torch.zeros(100, dtype=torch.int32)}, {}, "labels of torch.int32: make them uint8 and int64"),
    "too few labels": ({"y": torch.zeros(90, dtype=torch.long)}, {}, "one whole number for each of 100 images"),
    "images as floats": ({"x": torch.rand(100, 3, 32, 32)}, {}, "images of torch.float32"),
    "other classes in the test set": ({}, {"classes": tuple("abcdefghi")}, "train and test on the same classes and shape"),
    "another size in the test set": ({}, {"x": torch.zeros(100, 3, 48, 48, dtype=torch.uint8)}, r"\(3, 48, 48\)"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_set_of_the_users_that_is_wrong_is_refused_before_the_first_step(case):
    training, test, said = UNFIT[case]
    drawn, steps = some_shapes(100), []
    with pytest.raises(InputError, match=said):
        fit(net(), replace(drawn, **training), RECIPE, test=replace(drawn, **test), device="cpu", log=steps.append)
    assert not steps


@pytest.mark.slow
def test_killed_at_random_points_a_run_ends_with_the_same_bytes(tmp_path):
    script, state = [sys.executable, str(SCRIPT)], tmp_path / "killed" / "state.safetensors"
    subprocess.run([*script, str(tmp_path / "whole")], check=True)
    kills = 0
    for _ in range(2):
        before = state.read_bytes() if state.exists() else b""
        process = subprocess.Popen([*script, str(tmp_path / "killed")])
        # Each begun run stores an epoch more.
        while process.poll() is None and (not state.exists() or state.read_bytes() == before):
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.3))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    subprocess.run([*script, str(tmp_path / "killed")], check=True)
    whole, killed = (tmp_path / name / "model.safetensors" for name in ("whole", "killed"))
    assert kills > 0 and whole.read_bytes() == killed.read_bytes()
    assert not list((tmp_path / "killed").glob("state*"))
