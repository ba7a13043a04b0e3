"""What is kept of a training that was interrupted or whose files are corrupt, and what is said of it."""

import errno
import json
import logging
import shutil
import signal
from pathlib import Path

import pytest
import torch

from defective import InputError, load
from defective.cli import main
from defective.files import read_tensors, write_tensors
from defective.specs import Recipe
from defective.training import loop, train
from defective.training.train import train as train_model
from trainings import timeless

RECIPE = Recipe(name="test", width_mult=0.0625, epochs=2, batch_size=20, lr=0.05)
FILES = {"model.safetensors", "result.json"}


def run(data, out, **changes):
    return train_model("vgg19/0.5-bottom", data, data, RECIPE.changed(**changes), out, device="cpu", precision="fp32")


def break_off(monkeypatch, epochs, error):
    """Let training fail in the epoch after so many."""
    original = loop.run_epoch

    def failing(step, data, run, epoch, advance):
        if epoch == epochs:
            raise error
        return original(step, data, run, epoch, advance)

    monkeypatch.setattr(loop, "run_epoch", failing)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The folder of a finished run, and its result."""
    out = tmp_path_factory.mktemp("whole")
    return out, run(data, out)


@pytest.fixture(scope="module")
def interrupted(data, tmp_path_factory):
    """The folder of a run that was interrupted in its second epoch."""
    out = tmp_path_factory.mktemp("interrupted")
    with pytest.MonkeyPatch.context() as patched:
        break_off(patched, 1, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt, match=rf"stored up to epoch 1 in {out}/state\.safetensors$"):
            run(data, out)
    return out


def names(folder):
    return {file.name for file in folder.iterdir()}


@pytest.mark.parametrize(("epochs", "pause"), [(0, 0.0), (1, float("inf"))])
def test_epochs_that_are_not_written_are_not_said_to_be(data, tmp_path, monkeypatch, epochs, pause):
    monkeypatch.setitem(loop.PAUSE, "cpu", pause)
    break_off(monkeypatch, epochs, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt, match=r"^no epoch of this training is stored$"):
        run(data, tmp_path / "run")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_what_is_stored(data, tmp_path, monkeypatch, capsys, number):
    original = loop.run_epoch

    def stopped(step, data, run, epoch, advance):
        if epoch == 1:
            signal.raise_signal(number)
        return original(step, data, run, epoch, advance)

    monkeypatch.setattr(loop, "run_epoch", stopped)
    monkeypatch.setattr("defective.cli.train.load_data", lambda *_, **__: data)
    out = tmp_path / "run"
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    # In the background of a script it is ignored, and the command would leave it so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = main(f"train vgg19 --data shapes --width-mult 0.0625 --epochs 2 --device cpu --out {out}".split())
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
    line = capsys.readouterr().err.splitlines()[-1]
    assert code == 130
    assert line.startswith(f"error: interrupted; this training is stored up to epoch 1 in {out / 'state.safetensors'}; ")


MEMORY = (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))


@pytest.mark.parametrize("error", [*MEMORY, torch.OutOfMemoryError()], ids=repr)
def test_out_of_memory_names_the_batch_size(data, tmp_path, monkeypatch, error):
    break_off(monkeypatch, 0, error)
    with pytest.raises(MemoryError, match=r"^training on batches of 20 images on cpu; no epoch of this training is stored$"):
        run(data, tmp_path / "run")


def tensors_changed(change):
    def spoil(file):
        tensors, about = read_tensors(file)
        change(tensors, about)
        write_tensors(file, tensors, about)

    return spoil


SPOILED = {
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-9]),
    "a flipped bit": lambda file: file.write_bytes(file.read_bytes()[:-1] + bytes([file.read_bytes()[-1] ^ 1])),
    "no history": tensors_changed(lambda tensors, about: about.pop("history")),
    "a history of text": tensors_changed(lambda tensors, about: about.update(history=["one"])),
    "a weight missing": tensors_changed(lambda tensors, about: tensors.pop("model.head.weight")),
    "a momentum of another shape": tensors_changed(
        lambda tensors, about: tensors.update({"optimizer.0.momentum_buffer": torch.ones(7)})
    ),
    "a momentum too many": tensors_changed(lambda tensors, about: tensors.update({"optimizer.999.momentum_buffer": torch.ones(7)})),
    "a tensor of no part": tensors_changed(lambda tensors, about: tensors.update(more=torch.ones(7))),
    "averaged weights of another model": tensors_changed(lambda tensors, about: tensors.update({"average.more": torch.ones(7)})),
    "best weights of another model": tensors_changed(lambda tensors, about: tensors.update({"best.more": torch.ones(7)})),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_a_corrupt_state_is_set_aside_and_the_run_begins_again(data, whole, interrupted, tmp_path, caplog, kind):
    out = shutil.copytree(interrupted, tmp_path / "run")
    SPOILED[kind](out / "state.safetensors")
    with caplog.at_level(logging.WARNING):
        assert timeless(run(data, out)["history"]) == timeless(whole[1]["history"])
    assert (out / "model.safetensors").read_bytes() == (whole[0] / "model.safetensors").read_bytes()
    assert names(out) == FILES | {"state.safetensors.corrupt"}
    [line] = caplog.messages
    assert (
        line.startswith(f"training starts again, corrupt files renamed {out / 'state.safetensors.corrupt'}: ") and "\n" not in line
    )


def without(key):
    return lambda file: file.write_text(json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k != key}))


DONE = {
    "result cut": ("result.json", SPOILED["cut"]),
    "result of another form": ("result.json", lambda file: file.write_text("[]")),
    "result nested": ("result.json", lambda file: file.write_text("[" * 100_000)),
    "result in no encoding": ("result.json", lambda file: file.write_bytes(b"\xff\xfe")),
    "result without accuracy": ("result.json", without("test_accuracy")),
    "model changed": ("model.safetensors", SPOILED["a flipped bit"]),
    "model gone": ("model.safetensors", lambda file: file.unlink()),
}


@pytest.mark.parametrize("kind", DONE)
def test_corrupt_files_of_a_finished_run_are_set_aside(data, whole, tmp_path, caplog, kind):
    out = shutil.copytree(whole[0], tmp_path / "run")
    name, spoil = DONE[kind]
    spoil(out / name)
    moved = names(out)
    with caplog.at_level(logging.WARNING):
        assert timeless(run(data, out)["history"]) == timeless(whole[1]["history"])
    assert names(out) == FILES | {f"{each}.corrupt" for each in moved}
    [line] = caplog.messages
    assert "training starts again" in line and "\n" not in line
    load(out)


def test_an_error_of_the_disk_sets_nothing_aside(data, whole, tmp_path, monkeypatch):
    shutil.copytree(whole[0], tmp_path / "out")

    def failing(path):
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(OSError, match=r"Input/output error: .*result\.json"):
        run(data, tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {file.name for file in whole[0].iterdir()}


def test_a_state_left_by_a_killed_process_goes_with_the_next_run(data, whole, tmp_path):
    out = shutil.copytree(whole[0], tmp_path / "run")
    (out / "state.safetensors").touch()
    assert run(data, out) == whole[1] and names(out) == FILES


def test_a_place_that_cannot_be_written_is_refused_before_the_model_is_built(data, monkeypatch):
    monkeypatch.setattr(train, "build", None)
    with pytest.raises(InputError, match="/proc/x cannot hold results"):
        run(data, "/proc/x")
