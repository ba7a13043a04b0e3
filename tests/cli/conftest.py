"""A folder to run commands in: tiny image folders, broken archives, checkpoints of tiny nets, and a module of factories."""

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from defective import build, save
from defective.cli import main
from defective.experiments.json_files import sealed
from defective.experiments.store import Store
from defective.files import write_tensors
from image_files import pack, write_image
from runs import blank, net

TINY = {"num_classes": 2, "image_size": 16, "width_mult": 0.0625}


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("command-line")
    shutil.copy(Path(__file__).with_name("own_nets.py"), place)
    _write_data(place)
    _write_nets(place)
    _write_stores(place)
    return place


def _write_data(place: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        # Mean brightness tells them apart.
        for label, name in enumerate(("dark", "light")):
            for number in range(4):
                image = rng.integers(0, 100, (16, 16, 3)) + 120 * label
                write_image(place / "data" / split / name / f"{number}.png", image.astype(np.uint8))
    shutil.copytree(place / "data", place / "truncated")
    broken = place / "truncated/train/dark/1.png"
    broken.write_bytes(broken.read_bytes()[:200])
    (place / "notes.txt").write_text("no archive")
    (place / "locked").mkdir()
    (place / "loop").symlink_to("loop")
    pack(place / "data", place / "whole.zip")
    for kind in ("cue-conflict/light1-dark2", "edges/light1"):
        write_image(place / "cues" / f"{kind}.png", np.full((16, 16, 3), 200, np.uint8))


def _write_stores(place: Path) -> None:
    Store(place / "nothing-done")
    for name, spec, result in (
        ("corrupt-store", net().model_dump_json(), '{"values": '),
        ("other-version", '{"kind": "train"}', json.dumps(sealed("train-0", blank(net())))),
    ):
        job = Store(place / name).at("train-0")
        job.mkdir()
        (job / "spec.json").write_text(spec)
        (job / "result.json").write_text(result)


def _write_nets(place: Path) -> None:
    save(build("resnet18", **TINY), place / "plain.safetensors")
    save(build("resnet18/0.5-bottom", seed=1, **TINY), place / "bottom.safetensors")
    save(build("resnet18", **TINY | {"num_classes": 3}), place / "three-classes.safetensors")
    save(build("resnet18", **TINY | {"image_size": 32}), place / "larger.safetensors")
    whole = (place / "plain.safetensors").read_bytes()
    (place / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    save_file({"a": torch.zeros(2)}, place / "foreign.safetensors")
    about = {"data": "birds", "test_set": "", "source": "net", "attack": "fgsm", "settings": {}, "fingerprint": ""}
    write_tensors(place / "of-birds.safetensors", {"x_adv": torch.zeros(1)}, about)
    (place / "syntax.py").write_text("def net(:\n")
    (place / "other-run").mkdir()
    (place / "other-run/result.json").write_text('{"net": "vgg19"}')
    write_tensors(place / "begun-run" / "state.safetensors", {"a": torch.zeros(1)}, {"key": "another", "history": []})


@pytest.fixture
def place(_built: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, now the current one."""
    monkeypatch.chdir(_built)
    return _built


@pytest.fixture
def run(cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Said]:
    """Run a command line in this process."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    # pytest-xdist sets it in its workers.
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(command: str) -> Said:
        capsys.readouterr()
        code = main(shlex.split(command))
        return Said(code, *capsys.readouterr())

    return call
