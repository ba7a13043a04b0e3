"""What is wrong with an option is reported before any data set is read, made or downloaded."""

import os
import sys

import pytest

from defective import data, demo
from defective.data import stimuli
from printed import one_line

TRAIN = "train resnet18 --data cifar10 --device cpu --out new"
ATTACK = "attack own_nets:bright --data cifar10 --device cpu --out new.safetensors"
EVALUATE = "evaluate own_nets:bright plain.safetensors --data cifar10 --device cpu"
REPRODUCE = "reproduce table4 figure14 --device cpu --store new"

CASES = [
    ("train resnet20 --data cifar10 --out new", "'resnet20'"),
    (f"{TRAIN} --recipe huge", "no recipe 'huge'"),
    (f"{TRAIN} --epochs 0", "epochs = 0"),
    (f"{TRAIN} --adversarial mardy", "no attack 'mardy'"),
    (f"{TRAIN} --precision fp8", "'fp8'"),
    (f"{TRAIN} --device warp", "'warp'"),
    (f"{TRAIN} --out notes.txt", "notes.txt is a file"),
    (f"{TRAIN} --out locked/new", "locked must not be written"),
    (f"{TRAIN} --image-size 64", "cifar10 has its own image size"),
    (f"{ATTACK} --attack cw2", "'cw2'"),
    (f"{ATTACK} --attack autoattack", "AutoAttack is not installed"),
    (f"{ATTACK} --device warp", "'warp'"),
    (f"{ATTACK} --out data", "data is a folder"),
    (f"{ATTACK} --out locked/new.safetensors", "locked must not be written"),
    (f"{EVALUATE} --attack nope", "'nope'"),
    (f"{ATTACK} --attack lspga", "own_nets:bright has no encoder"),
    (f"{EVALUATE} --attack lspga", "has no encoder"),
    (f"{EVALUATE} --decision walk", "error: decision: no attack 'walk'; there are "),
    (f"{EVALUATE} --parts magic", "'magic'"),
    (f"{EVALUATE} --samples 0", "samples = 0"),
    (f"{EVALUATE} --mask-draws 2", "no source has masks"),
    (f"{EVALUATE} --stimuli nowhere.zip", "nowhere.zip: there is no such file"),
    (f"{EVALUATE} --stimuli notes.txt", "notes.txt is neither a folder nor an archive"),
    (f"{EVALUATE} --adversarial nowhere.safetensors", "nowhere.safetensors: there is no such file"),
    (f"{EVALUATE} --adversarial foreign.safetensors", "foreign.safetensors was not written by defective"),
    (f"{EVALUATE} --adversarial of-birds.safetensors --adversarial ./of-birds.safetensors", "of-birds.safetensors is named twice"),
    (f"{EVALUATE} --device warp", "'warp'"),
    *(
        (f"{EVALUATE} --source substitute:{text}", said)
        for text, said in {"0": "no share", "half": "no share", "0.1,lr=1": "cannot read", "1,recipe=x": "no recipe"}.items()
    ),
    (f"{EVALUATE} --out notes.txt", "notes.txt is a file"),
    (f"{EVALUATE} --out locked", "locked must not be written"),
    ("reproduce table99 --store new", "'table99'"),
    (f"{REPRODUCE} --scale huge", "no scale 'huge'; there are tiny, small, fast, paper"),
    (f"{REPRODUCE} --seeds 0", "'--seeds'"),
    (f"{REPRODUCE} --time-budget soon", "'soon'"),
    (f"{REPRODUCE} --ray nonsense", "'nonsense'"),
    (f"{REPRODUCE} --device warp", "'warp'"),
    (f"{REPRODUCE} --data cifar10 --data mnist=folder:nowhere", "folder:nowhere"),
    (f"{REPRODUCE} --data cifar10 --data mnist=folder:nowhere --dry-run", "folder:nowhere"),
    (REPRODUCE.replace("new", "notes.txt"), "notes.txt is a file"),
    (REPRODUCE.replace("new", "locked"), "locked must not be written"),
    (REPRODUCE.replace("new", "cues"), "cues is no store"),
    ("demo --out notes.txt", "notes.txt is a file"),
    ("demo --device warp --out new", "'warp'"),
]


@pytest.fixture
def untouched(monkeypatch):
    """Any look at data fails the test; AutoAttack is missing, and nothing may be written into ``locked``."""
    for module, name in ((data, "_read"), (data, "download"), (data, "shapes"), (demo, "shapes"), (stimuli, "_read")):
        monkeypatch.setattr(module, name, lambda *args, **options: pytest.fail("data was opened"))
    for name in ("pyautoattack", "autoattack"):
        monkeypatch.setitem(sys.modules, name, None)
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: access(path, mode) and not (mode == os.W_OK and str(path).endswith("locked"))
    )


@pytest.mark.parametrize(("command", "named"), CASES, ids=[command for command, _ in CASES])
def test_nothing_is_read_before_the_options_are_checked(place, run, untouched, command, named):
    (place / "locked").mkdir(exist_ok=True)
    assert named in one_line(run(command))
    assert not (place / "new").exists() and not (place / "new.safetensors").exists()
