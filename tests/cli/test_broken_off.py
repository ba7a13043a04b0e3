"""What the command line does when the disk is full, the user stops it, the reader of its output goes away, or it has a bug."""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import typer
from safetensors import SafetensorError

from defective import files
from defective.cli import main
from defective.progress import shown
from image_files import pixels, write_image

# As the operating system says it, and as safetensors wraps it.
FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
]
FULL_LINE = "No space left on device; make room or choose another place, finished work is kept"


def fill_disk(monkeypatch, error):
    def save_file(tensors, path, metadata):
        path.write_bytes(b"half of it")
        raise error

    monkeypatch.setattr(files, "save_file", save_file)


@pytest.mark.parametrize("error", FULL, ids=["system", "safetensors"])
def test_a_full_disk_leaves_the_finished_file_as_it_was(place, tmp_path, run, monkeypatch, error):
    made, other = tmp_path / "made.safetensors", tmp_path / "other.safetensors"
    command = "attack own_nets:bright --data folder:data --attack fgsm"
    assert run(f"{command} --out {made}").code == 0
    # Its pieces are kept: only the file itself is still to be written.
    assert run(f"{command} --float --out {other}").code == 0
    before = made.read_bytes()
    fill_disk(monkeypatch, error)
    code, out, err = run(f"{command} --float --out {made}")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == f"error: {made}: {FULL_LINE}"
    assert err.count("error: ") == 1
    assert made.read_bytes() == before != other.read_bytes()
    assert {path for path in tmp_path.iterdir() if path.is_file()} == {made, other}


# Dies by its own hand at its n-th call, as by a power cut.
MORTAL = """
import os, signal
from pathlib import Path
import torch
from torch import nn

def net():
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[-0.05], [0.05]]).expand(2, 192))
        model[1].bias.copy_(torch.tensor([0.05, -0.05]) * 192 * 0.43)
    return model

def other():
    model = net()
    model[1].weight.data[:, ::2] *= 0.98
    return model

def attack(model, x, y):
    log = Path(os.environ["CALLS"])
    calls = [*(log.read_text().split() if log.exists() else []), str(len(x))]
    log.write_text(" ".join(calls))
    if os.environ.get("DIE_AT") == str(len(calls)):
        os.kill(os.getpid(), signal.SIGKILL)
    return (x + 0.03 * (1 - 2 * y.view(-1, 1, 1, 1))).clamp(0, 1)
"""


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_from_its_pieces(tmp_path, cache, run, monkeypatch):
    for number in range(540):
        folder = tmp_path / "data" / ("train" if number < 2 else "test") / ("dark", "light")[number % 2]
        write_image(folder / f"{number}.png", pixels(number) // 2 + np.uint8(100 * (number % 2)))
    (tmp_path / "mortal.py").write_text(MORTAL)
    monkeypatch.chdir(tmp_path)
    options = "--parts transfer,white-box,noise,checks --samples 600 --check-samples 20 --json"
    command = f"evaluate mortal:net --source mortal:other --data folder:data --attack mortal:attack {options}"
    ends = {}
    for die_at in (None, 5):
        monkeypatch.setenv("CALLS", str(tmp_path / f"calls-{die_at}"))
        monkeypatch.setenv("DEFECTIVE_CACHE", str(tmp_path / f"cache-{die_at}"))
        kept = {}
        if die_at:
            environment = {**os.environ, "DIE_AT": str(die_at), "OMP_NUM_THREADS": str(torch.get_num_threads())}
            killed = subprocess.run(
                [sys.executable, "-m", "defective", *shlex.split(command)], capture_output=True, env=environment
            )
            assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, b"")
            kept = {
                file: file.stat().st_mtime_ns for file in (tmp_path / f"cache-{die_at}" / "store" / "chunks").rglob("*.safetensors")
            }
            assert len(kept) > 4
        code, out, _ = run(command)
        assert code == 0
        ends[die_at] = json.loads(out)
        assert kept == {file: file.stat().st_mtime_ns for file in kept}
    calls = {die_at: (tmp_path / f"calls-{die_at}").read_text().split() for die_at in ends}
    # Two pieces of 250 images on each net and one of the rest; the one that was begun is made again, no other.
    rest = [number for number in calls[None] if number != "250"]
    assert calls[None] == ["250", "250", rest[0], "250", "250", rest[1]]
    assert calls[5] == [*calls[None][:5], *calls[None][4:]]
    for end in ends.values():
        assert end.pop("seconds") > 0
    assert ends[5] == ends[None]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nSee documentation"),
        ImportError("libXau.so.6: failed to map segment from shared object"),
    ],
    ids=["device", "library"],
)
def test_too_little_memory_is_one_line_that_says_what_helps(place, run, monkeypatch, error):
    def run_out(*_, **__):
        raise error

    monkeypatch.setattr("defective.evaluation.adversarial.from_spec", run_out)
    code, out, err = run("evaluate own_nets:bright own_nets:cautious --data folder:data --parts transfer")
    assert (code, out) == (2, "")
    line = err.splitlines()[-1]
    assert line.startswith("error: out of memory") and "lower --batch-size" in line and err.count("error: ") == 1


def test_a_missing_right_names_the_file(run, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "secret.png")

    monkeypatch.setattr("defective.cli.nets.list_models", refuse)
    assert run("models") == (2, "", "error: secret.png: Permission denied\n")


@pytest.mark.parametrize("error", [ZeroDivisionError("ours"), SystemExit("of another kind")])
def test_a_bug_of_ours_is_not_hidden(monkeypatch, error):
    def break_down():
        raise error

    monkeypatch.setattr("defective.cli.nets.list_models", break_down)
    with pytest.raises(type(error), match=str(error)):
        main(["models"])


@pytest.mark.parametrize("command", ["models --json", "describe nothing"])
def test_progress_is_silent_again_afterwards(run, command):
    before = shown.get()
    run(command)
    assert shown.get() == before


DESCRIBE = "describe resnet18/0.1-bottom --width-mult 0.0625"


@pytest.mark.slow
@pytest.mark.parametrize("words", [DESCRIBE, f"{DESCRIBE} --json", "--help", "store"])
def test_a_reader_that_goes_away_is_no_error(tmp_path, words):
    command = [sys.executable, "-m", "defective", *words.split()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize(("words", "code"), [("models --json", 0), ("describe nothing", 2)])
def test_output_that_was_closed_from_the_start_is_no_error(tmp_path, words, code):
    done = subprocess.run(f"{shlex.quote(sys.executable)} -m defective {words} >&- 2>&-", shell=True, cwd=tmp_path)
    assert done.returncode == code
    errors = subprocess.run(
        f"{shlex.quote(sys.executable)} -m defective {words} >&-", shell=True, cwd=tmp_path, stderr=subprocess.PIPE
    ).stderr
    assert len(errors.splitlines()) == bool(code)


@pytest.mark.parametrize(("error", "code"), [(typer.Exit(1), 1), (typer.Exit(), 0)])
def test_what_was_said_before_an_exit_is_out_when_it_is_known(monkeypatch, error, code):
    """Left to the interpreter, a closed pipe would make it 120 and a message."""
    flushed = []

    def stop(*_):
        monkeypatch.setattr(sys.stdout, "flush", lambda: flushed.append(True))
        raise error

    monkeypatch.setattr("defective.cli.nets.list_models", stop)
    assert main(["models"]) == code and flushed
