"""Whole runs of `reproduce` in processes of their own, to be killed, limited or run at once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

# Table 9: six models, two attacks, eight scores; its controls of equal accuracy are five checkpoints and ten scores.
JOBS = 31


def begin(store: Path, images: Path, *options: str, before: Callable[[], object] = lambda: None) -> subprocess.Popen[str]:
    """Table 9, in a process in which ``before`` is called first."""
    command = [sys.executable, "-m", "defective", "reproduce", "table9", "--data", f"folder:{images}", "--store", str(store)]
    return command_in_process([*command, "--device", "cpu", "--json", *options], store.parent / "cache", before)


def command_in_process(command: list[str], cache: Path, before: Callable[[], object] = lambda: None) -> subprocess.Popen[str]:
    def begun() -> None:
        # Tests in the background ignore it, and so would the command.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        before()

    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DEFECTIVE_CACHE": str(cache)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **pipes, text=True, env=environment, preexec_fn=begun)


def end(process: subprocess.Popen[str]) -> dict[str, object]:
    """What a run that is left alone says."""
    out, err = process.communicate()
    # 1: a claim of the paper may fail on these few images.
    assert process.returncode in (0, 1) and out, err
    return json.loads(out)


def numbers(made: dict[str, object]) -> object:
    """What the documents say, but for what depends on the clock."""
    exhibits = [{key: value for key, value in each.items() if key != "jobs"} for each in made["exhibits"]]
    return json.loads(json.dumps(exhibits))
