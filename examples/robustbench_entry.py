"""Describe a model as a RobustBench entry: a loader by name, its clean accuracy, and the facts of the leaderboard's JSON file.

RobustBench counts white-box AutoAttack on CIFAR-10 with radius 8/255. Defective models make no claim under that threat model: the entry
is a way to say so in the leaderboard's own terms. ``autoattack_acc`` stays null until the package pyautoattack has measured it.
"""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from defective import Recipe, attacks, build, evaluation
from defective.data import ImageSet, shapes
from defective.training.loop import fit

MODELS: dict[str, Callable[[], nn.Module]] = {
    "Luo2019Defective_03": lambda: build("resnet18/0.3-bottom", width_mult=0.125),
    "Standard": lambda: build("resnet18", width_mult=0.125),
}


def load_model(model_name: str) -> nn.Module:
    """As ``robustbench.utils.load_model``: images in [0, 1] to logits, normalisation inside, in eval mode."""
    data = shapes("train")
    model = MODELS[model_name]()
    few = ImageSet(data.name, "train", data.x[:1000], data.y[:1000], data.classes)
    fit(model, few, Recipe(name="example", epochs=3, batch_size=32, lr=0.1, augment="none"))
    return model.eval()


def clean_accuracy(model: nn.Module, x: Tensor, y: Tensor, batch_size: int = 100) -> float:
    """As ``robustbench.utils.clean_accuracy``."""
    return float(evaluation.accuracy(model, x, y, batch_size=batch_size))


def main() -> None:
    images, y = shapes("test").take(torch.arange(100))
    x = images / 255
    for name in MODELS:
        model = load_model(name)
        x_adv = attacks.pgd(model, x, y, eps=8 / 255, step_size=2 / 255, steps=10)
        entry = {
            "name": name,
            "dataset": "shapes",
            "Linf eps": "8/255",
            "architecture": "ResNet-18, width 1/8",
            "additional_data": False,
            "clean_acc": round(100 * clean_accuracy(model, x, y), 2),
            "white-box PGD-10 acc": round(100 * clean_accuracy(model, x_adv, y), 2),
            "autoattack_acc": None,
        }
        Path(f"{name}.json").write_text(json.dumps(entry, indent=2), encoding="utf-8")
        print(json.dumps(entry))


if __name__ == "__main__":
    main()
