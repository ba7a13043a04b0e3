"""What the command line does when the disk is full, the user stops it, the reader of its output goes away, or it has a bug."""

import errno
import io
import os
import shlex
import subprocess
import sys

import pytest
import torch
import typer
from safetensors import SafetensorError

from defective import files
from defective.cli import main
from defective.progress import shown

# As the operating system says it, and as safetensors wraps it.
FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
]
COMMAND = [sys.executable, "-m", "defective"]
FULL_LINE = "No space left on device; free some space or choose another folder; finished work is stored"


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


def test_an_interrupted_evaluation_resumes_with_the_same_command(place, run, monkeypatch):
    calls = []

    def attack(model, x, y):
        calls.append(len(x))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return x

    monkeypatch.setattr("defective.evaluation.adversarial.from_spec", lambda *_, **__: attack)
    command = "evaluate own_nets:bright own_nets:cautious --data folder:data --attack fgsm --parts transfer --samples 4"
    code, out, err = run(command)
    assert (code, out) == (130, "") and "error: interrupted; chunks and jobs that were finished are stored" in err
    assert run(command).code == 0
    # The second was begun again, the first was not.
    assert calls == [4, 4, 4]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nSee documentation"),
        ImportError("libXau.so.6: failed to map segment from shared object"),
        # As CPython says it where an allocation of its own failed.
        SystemError("error return without exception set"),
    ],
    ids=["device", "library", "interpreter"],
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


@pytest.mark.parametrize("words", ["models", "models --json", "--help", "store"])
def test_a_reader_that_goes_away_is_no_error(monkeypatch, capsys, words):
    read, write = os.pipe()
    os.close(read)
    with io.TextIOWrapper(io.FileIO(write, "w")) as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert main(words.split()) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_nor_when_the_interpreter_ends(tmp_path):
    process = subprocess.Popen([*COMMAND, "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
    process.stdout.close()
    assert process.communicate()[1] == b"" and process.returncode == 0


@pytest.mark.slow
def test_output_that_was_closed_from_the_start_is_no_error(tmp_path):
    command = f"{shlex.join(COMMAND)} describe nothing >&-"
    done = subprocess.run(command, shell=True, cwd=tmp_path, stderr=subprocess.PIPE)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


# What takes the place of a closed stream stays open to the end.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("words", "code"), [("models --json", 0), ("describe nothing", 2)])
def test_nor_are_two_closed_streams(monkeypatch, words, code):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(words.split()) == code


@pytest.mark.parametrize(("error", "code"), [(typer.Exit(1), 1), (typer.Exit(), 0)])
def test_what_was_said_before_an_exit_is_out_when_it_is_known(monkeypatch, error, code):
    """Left to the interpreter, a closed pipe would make it 120 and a message."""
    flushed = []

    def stop(*_):
        monkeypatch.setattr(sys.stdout, "flush", lambda: flushed.append(True))
        raise error

    monkeypatch.setattr("defective.cli.nets.list_models", stop)
    assert main(["models"]) == code and flushed
