"""Every example runs as it stands, in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(example, tmp_path):
    # Foolbox 3.3.4 imports a name that SciPy 2 will not have.
    strict = ["-W", "error", "-W", "ignore:Please import:DeprecationWarning"]
    run = [str(example)]
    if example.stem == "timm_net":
        run = ["-c", f"import runpy, torchvision_operators; runpy.run_path({str(example)!r}, run_name='__main__')"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, *strict, *run], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    if example.stem == "own_net":
        assert "the same model again: True" in done.stdout and "plain again: True" in done.stdout
    if example.stem == "own_model":
        assert done.stdout.count(" passed (") == 16
    if example.stem == "own_attack":
        assert done.stdout.count(" has a defence rate of ") == 6
    if example.stem == "timm_net":
        # timm's shortcut in layer2 has a norm of its own.
        assert done.stdout.count("neurons live") == (9 if "not installed" in done.stdout else 10)
