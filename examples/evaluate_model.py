"""Evaluate your model beside a defective one: the black-box protocol and its sanity checks in plain Python."""

import torch
from torch import nn

from defective import Recipe, defect_
from defective.data import ImageSet, shapes
from defective.evaluation import evaluate
from defective.tables import format_table
from defective.training.loop import fit


def my_model() -> nn.Module:
    """Any module from images in [0, 1] to logits; normalisation is inside it."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def some(split: str, count: int) -> ImageSet:
    """The first images of a split, so that the example ends within a minute."""
    made = shapes(split)
    return ImageSet(made.name, split, made.x[:count], made.y[:count], made.classes)


def main() -> None:
    training, test = some("train", 3000), some("test", 200)
    torch.manual_seed(0)
    models = {name: my_model() for name in ("mine", "defective", "source")}
    defect_(models["defective"], keep_prob=0.3, sites=["1"], example_inputs=torch.zeros(1, 3, 32, 32))
    for model in models.values():
        fit(model, training, Recipe(name="example", epochs=3, lr=0.1, augment="none"))

    targets = {name: models[name] for name in ("mine", "defective")}
    found = evaluate(
        targets,
        test,
        sources={"source": models["source"]},
        parts=("transfer", "white-box", "noise", "shuffle", "checks"),
        samples=60,
        check_samples=20,
    )
    print(format_table(found.as_table(), "markdown"))
    for name, checks in found.checks.items():
        for check in checks:
            print(f"{name}: {check.check} {check.verdict} ({check.measured})")


if __name__ == "__main__":
    main()
