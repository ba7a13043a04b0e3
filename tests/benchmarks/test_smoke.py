"""What is to be measured on a GPU, at toy size on a CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.sh"


@pytest.mark.slow
def test_the_script_runs_and_leaves_what_it_measured(tmp_path):
    out = tmp_path / "out"
    done = subprocess.run([SCRIPT, "--smoke", out], env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True)
    log = (out / "log.txt").read_text()
    assert "== tests.txt: done" in done.stdout and " passed" in (out / "tests.txt").read_text(), log
    # Numbers at toy size say nothing, so a check of them may fail.
    assert "== bench.txt: done" in done.stdout or "== bench.txt: ended with 1 " in done.stdout, log
    rows = [entry["row"] for entry in json.loads((out / "bench.json").read_text())["rows"]]
    assert rows == ["step", "throughput", "gradient", "cw", "boundary", "hopskipjump", "memory"]
    for name in ("table9.txt", "table4.txt"):
        assert f"== {name}: done" in done.stdout and "No job was run" in (out / name).read_text(), log
    assert {file.name for file in out.iterdir()} == {"log.txt", "tests.txt", "bench.txt", "bench.json", "table9.txt", "table4.txt"}


def test_without_a_folder_it_says_how_it_is_called():
    done = subprocess.run([SCRIPT], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr == "usage: benchmarks/gpu.sh OUT [--smoke]\n"
