"""What the command line does when the disk is full, the user stops it, the reader of its output goes away, or it has a bug."""

import errno
import subprocess
import sys

import pytest
from safetensors import SafetensorError

from defective import files
from defective.cli import main
from defective.progress import shown

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
    made = tmp_path / "made.safetensors"
    command = f"attack own_nets:bright --data folder:data --attack fgsm --out {made}"
    assert run(command).code == 0
    before = made.read_bytes()
    fill_disk(monkeypatch, error)
    code, out, err = run(f"{command} --float")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == f"error: {made}: {FULL_LINE}"
    assert err.count("error: ") == 1
    assert made.read_bytes() == before
    assert [path for path in tmp_path.iterdir() if path.is_file()] == [made]


def test_a_full_disk_ends_training_in_one_line(place, tmp_path, run, monkeypatch):
    fill_disk(monkeypatch, FULL[1])
    command = f"train resnet18 --data folder:data --epochs 1 --width-mult 0.0625 --out {tmp_path / 'run'} --device cpu"
    code, out, err = run(command)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == f"error: {tmp_path / 'run' / 'state.safetensors'}: {FULL_LINE}"
    assert list((tmp_path / "run").iterdir()) == []
    monkeypatch.undo()
    monkeypatch.chdir(place)
    assert run(command).code == 0


def test_a_stop_by_the_user_is_one_line_and_130(run, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("defective.cli.nets.list_models", stop)
    code, out, err = run("models")
    assert (code, out) == (130, "")
    assert err.startswith("error: interrupted") and err.count("\n") == 1


def test_a_missing_right_names_the_file(run, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "secret.png")

    monkeypatch.setattr("defective.cli.nets.list_models", refuse)
    assert run("models") == (2, "", "error: secret.png: Permission denied\n")


def test_a_bug_of_ours_is_not_hidden(monkeypatch):
    def break_down():
        raise ZeroDivisionError

    monkeypatch.setattr("defective.cli.nets.list_models", break_down)
    with pytest.raises(ZeroDivisionError):
        main(["models"])


@pytest.mark.parametrize("command", ["models --json", "describe nothing"])
def test_progress_is_silent_again_afterwards(run, command):
    before = shown.get()
    run(command)
    assert shown.get() == before


@pytest.mark.slow
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_reader_that_goes_away_is_no_error(tmp_path, form):
    command = [sys.executable, "-m", "defective", "describe", "resnet18/0.1-bottom", "--width-mult", "0.0625", *form]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


@pytest.mark.slow
def test_the_module_exits_with_the_code(tmp_path):
    done = subprocess.run([sys.executable, "-m", "defective", "describe", "resnet1"], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: net 'resnet1'")
