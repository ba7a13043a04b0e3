"""Every example runs as it stands, in a folder of its own."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
# What is installed apart from the package, by example; others do without.
NEEDS = {
    "timm_training": ["timm"],
    "onnx_export": ["onnx", "onnxscript", "onnxruntime"],
    "lightning_training": ["lightning"],
    "hub": ["huggingface_hub"],
}
# Example to a pattern and how often its output has it.
SHOWN = {
    "convert_model": ("the same model again: True|plain again: True", 2),
    "evaluate_model": (r" passed \(", 16),
    "own_attack": (" has a defence rate of ", 6),
    # timm's shortcut in layer2 has a norm of its own.
    "timm_model": ("neurons live", 10 if importlib.util.find_spec("timm") else 9),
    "timm_training": ("masks are as they were: True|same model again: True", 2),
    "onnx_export": ("same logits: True", 2),
    "torch_export": ("same logits: True|same attack: True", 2),
    "attack_libraries": (r"still correct, (?:100\.0|99\.\d)% of the pixels as ours|is not installed", 3),
    "lightning_training": (r"epochs: 2\n", 1),
    "hub": ("same model again: True|masks: 10", 2),
    "robustbench_entry": (r'"clean_acc": [5-9]\d\.', 2),
}
# What other packages warn of without looking at the model: Foolbox of SciPy 2, torch's exporter of its own trees.
IGNORED = ["Please import:DeprecationWarning", "`isinstance(treespec:FutureWarning"]


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(example, tmp_path):
    if missing := [package for package in NEEDS.get(example.stem, ()) if importlib.util.find_spec(package) is None]:
        pytest.skip(f"{', '.join(missing)} not installed")
    strict = ["-W", "error", *(word for each in IGNORED for word in ("-W", f"ignore:{each}"))]
    run = f"import runpy, torchvision_operators; runpy.run_path({str(example)!r}, run_name='__main__')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, *strict, "-c", run], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    pattern, count = SHOWN[example.stem]
    assert len(re.findall(pattern, done.stdout)) == count, done.stdout


def test_the_page_of_recipes_names_every_example():
    page = (ROOT / "docs" / "recipes.md").read_text("utf-8")
    assert sorted(re.findall(r"\(\.\./examples/(.+?)\)", page)) == sorted(path.name for path in (ROOT / "examples").glob("*.*"))
