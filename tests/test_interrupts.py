import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from defective.cli import main

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
SCRIPT = Path(sys.executable).with_name("defective")
COMMANDS = [[sys.executable, "-m", "defective"], [sys.executable, str(SCRIPT)]]
# Loaded in the place of torch: the signal comes in the midst of the imports.
TORCH = "import os, signal, sys\nos.kill(os.getpid(), int(os.environ['SIGNAL']))\nsys.exit(3)\n"


def stopped_while_loading(tmp_path, number, command, handler=signal.SIG_DFL):
    """What a command leaves that gets a signal while it loads torch, started by one that handles the signal so."""
    (tmp_path / "torch.py").write_text(TORCH)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    environment = {**os.environ, "SIGNAL": str(int(number)), "PYTHONPATH": path}

    def set_handler():
        signal.signal(number, handler)

    return subprocess.run(
        [*command, "models"], capture_output=True, text=True, env=environment, cwd=tmp_path, preexec_fn=set_handler
    )


@pytest.mark.parametrize(("command", "number"), [*((COMMANDS[0], number) for number in SIGNALS), (COMMANDS[1], signal.SIGTERM)])
def test_a_command_that_is_stopped_while_torch_is_loaded_says_so_in_one_line(tmp_path, number, command):
    if not Path(command[1]).exists() and command[1] != "-m":
        pytest.skip("the package is not installed")
    done = stopped_while_loading(tmp_path, number, command)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_a_program_that_uses_the_package_keeps_its_signals(tmp_path):
    done = stopped_while_loading(tmp_path, signal.SIGTERM, [sys.executable, "-c", "import defective"])
    assert (done.returncode, done.stderr) == (-signal.SIGTERM, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_the_caller_ignores_stays_ignored(tmp_path, number):
    """As SIGHUP under nohup."""
    done = stopped_while_loading(tmp_path, number, COMMANDS[0], signal.SIG_IGN)
    assert (done.returncode, done.stderr) == (3, "")


def signalled(number):
    os.kill(os.getpid(), number)


def signalled_as_an_object_goes(number):
    """Python keeps an exception of such a callback to itself."""
    thing = type("Thing", (), {})()
    reference = weakref.ref(thing, lambda _: signalled(number))
    del thing
    assert reference() is None
    time.sleep(60)


@pytest.mark.parametrize("work", [signalled, signalled_as_an_object_goes])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_the_work_is_one_line_and_130(monkeypatch, capsys, number, work):
    # Its shell may ignore one of them.
    monkeypatch.setattr("defective.interrupts.signal.getsignal", lambda _: signal.default_int_handler)
    before = {each: signal.signal(each, signal.SIG_DFL) for each in SIGNALS}
    hook = sys.unraisablehook
    monkeypatch.setattr("defective.cli.nets.list_models", lambda *_: work(number))
    assert main(["models"]) == 130
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and err.startswith("error: interrupted; ")
    assert [signal.signal(each, handler) for each, handler in before.items()] == [signal.SIG_DFL] * 3
    assert sys.unraisablehook is hook


def test_an_interrupt_in_code_made_from_text_gives_the_exit_code_of_any_other(tmp_path):
    # As dataclasses are; Python remembers it, though it is caught.
    code = "import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)"
    (tmp_path / "own.py").write_text(f"def factory():\n    exec({code!r})\n")
    command = [*COMMANDS[0], "evaluate", "own:factory", "--data", "shapes"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 130 and done.stderr.startswith("error: interrupted; ") and done.stderr.count("\n") == 1
