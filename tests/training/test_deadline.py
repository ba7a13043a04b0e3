"""A training that a deadline stops after each epoch ends as one that was never disturbed."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from defective import build, progress
from defective.data import load_data
from defective.errors import OutOfTime
from defective.specs import Recipe
from defective.training import loop, state
from defective.training.loop import fit
from defective.training.recipes import adversary
from defective.training.train import train
from image_files import write_tree
from trainings import timeless
from turns import in_turns, ticking

SCRIPT = Path(__file__).with_name("killed_run.py")
RECIPE = Recipe(name="test", width_mult=0.0625, epochs=3, batch_size=20, lr=0.05)

RUNS = {
    "without momentum": ("vgg19", {"momentum": 0.0, "norm_scale_init": "uniform", "schedule": "steps"}),
    "dropblock": ("vgg19/0.3-bottom+0.9-dropblock", {"label_smoothing": 0.1}),
    "adversarial": ("vgg19/0.9-spatial", {"adversarial": adversary("madry")}),
    "best on test": ("vgg19/0.9-dropout", {"selection": "best-on-test"}),
    "live": ("resnet18/0.1-bottom", {"neurons": "live", "batch_size": 35, "epochs": 2}),
    "ensemble": ("vgg19/0.9-dropout-en", {"batch_size": 35, "epochs": 2}),
}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    ticking(monkeypatch)


def run(data, out, name="vgg19/0.9-dropout", **changes):
    return train(name, data, data, RECIPE.changed(**changes), out, seed=2, device="cpu", precision="fp32")


def assert_same(one, other):
    (result, folder), (other_result, other_folder) = one, other
    assert (folder / "model.safetensors").read_bytes() == (other_folder / "model.safetensors").read_bytes()
    assert timeless(result["history"]) == timeless(other_result["history"])
    assert not list(other_folder.rglob("state*"))


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_in_turns_of_one_epoch_ends_with_the_same_bytes(data, tmp_path, kind):
    name, changes = RUNS[kind]
    whole = run(data, tmp_path / "whole", name, **changes)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    result, stops = in_turns(lambda: run(data, tmp_path / "turns", name, **changes), 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert stops == len(whole["history"]) - 1
    assert_same((whole, tmp_path / "whole"), (result, tmp_path / "turns"))


def test_epochs_that_were_not_written_yet_are_at_a_deadline(data, tmp_path, monkeypatch):
    """As on a GPU, where epochs are short: the state waits for the deadline."""
    monkeypatch.setitem(loop.PAUSE, "cpu", math.inf)
    whole = run(data, tmp_path / "whole")
    written = []
    original = state.write_tensors
    monkeypatch.setattr(state, "write_tensors", lambda *file: (written.append(len(file[2]["history"])), original(*file)))
    with pytest.raises(OutOfTime), progress.until(3):
        run(data, tmp_path / "cut")
    assert written == [2]
    assert_same((whole, tmp_path / "whole"), (run(data, tmp_path / "cut"), tmp_path / "cut"))
    assert written == [2, 3]


@pytest.fixture
def pictures(tmp_path, cache):
    write_tree(tmp_path / "pictures", size=140)
    return load_data(f"folder:{tmp_path / 'pictures'}", "train", image_size=128)


@pytest.mark.parametrize("augment", ["resized-crop-flip", "crop-flip"])
def test_a_streamed_run_in_turns_ends_with_the_same_weights(pictures, tmp_path, augment):
    recipe = RECIPE.changed(batch_size=3, augment=augment)

    def trained(file):
        model = build("vgg19/0.9-dropout", num_classes=2, image_size=128, width_mult=0.0625)
        history = fit(model, pictures, recipe, device="cpu", precision="fp32", state_file=tmp_path / file)
        return torch.cat([parameter.flatten() for parameter in model.parameters()]), timeless(history)

    weights, history = trained("whole")
    (again, later), stops = in_turns(lambda: trained("turns"), 1)
    assert stops == 2 and torch.equal(again, weights) and later == history


def test_what_is_kept_nowhere_is_not_stopped(data):
    with progress.until(0):
        assert len(fit(build("vgg19", width_mult=0.0625), data, RECIPE, device="cpu")) == RECIPE.epochs


def test_a_finished_run_comes_back_after_the_deadline(data, tmp_path):
    with progress.until(RECIPE.epochs + 1):
        result = run(data, tmp_path)
        assert run(data, tmp_path) == result


@pytest.mark.slow
def test_processes_share_the_work_agree_and_stop_together_between_epochs(tmp_path):
    processes = ["--nproc_per_node=2", "--master_addr=127.0.0.1", "--master_port=0"]
    rendezvous = ["--rdzv_backend=c10d", "--rdzv_endpoint=127.0.0.1:0"]
    command = [sys.executable, "-m", "torch.distributed.run", *processes, *rendezvous, str(SCRIPT)]
    settings = {"check": True, "capture_output": True, "text": True, "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
    done = subprocess.run([*command, tmp_path / "whole", tmp_path / "turns"], **settings).stdout.splitlines()
    assert sum("stopped 5 times" in line for line in done) == 2
    said = sorted(line for line in done if line.startswith("rank"))
    assert [line[:6] for line in said] == ["rank 0", "rank 0", "rank 1", "rank 1"] and len({line[6:] for line in said}) == 1
