"""What several exhibits share: printed tables, figures, attacks, the cells of a transfer table, notes, ends of captions."""

from collections.abc import Mapping
from typing import Any

from defective.paper.exhibit import Cell, Exhibit
from defective.paper.published import printed
from defective.specs import AttackSpec, GenerateJob, ScoreJob, TrainJob

PGD8 = "pgd:eps=8/255,step_size=2/255,steps=7"
PGD16 = "pgd:eps=16/255,step_size=1/255,steps=20"
# What adversarial training attacks the model in training with, after Madry et al. 2017.
MADRY = AttackSpec.parse(f"{PGD8},random_start=1")
ACCURACY = "Test Accuracy"

PLACEMENT = "Masks are placed as in the released code; models with masks placed as in the paper's text have names ending in @text."
SELECTION = (
    "The released code keeps the epoch with the best test accuracy, and the paper prints one run of each model; "
    "of our recipes only that of scale paper does so."
)
ROUNDED = "Adversarial images are rounded to 8 bits, as the released code saves them."
# Notes of every exhibit with trained models, and of every transfer attack.
TRAINED = (PLACEMENT, SELECTION)
TRANSFER = (*TRAINED, ROUNDED)
# Ends of captions: what a number of a transfer attack is, and what stands in the last column.
DEFENCE_RATE = (
    "A number is the share of attacked images that the row's model classifies correctly, of those that it classified correctly "
    "before and that fool the source"
)
LAST_COLUMN = "; the last column counts all test images, unattacked."


def table(number: int, title: str, section: str, *, data: str = "cifar10", **more: Any) -> Exhibit:
    """A printed table of the paper; ``more`` are further fields of the exhibit."""
    columns, rows = printed(name := f"table{number}")
    return Exhibit(name, title, f"{section}, Table {number}", data=data, columns=columns, rows=rows, **more)


def figure(number: int, title: str, section: str, *, data: str = "cifar10", **more: Any) -> Exhibit:
    """A figure of the paper; ``more`` are further fields of the exhibit."""
    return Exhibit(f"figure{number}", title, f"{section}, Figure {number}", data=data, **more)


def scores(
    targets: Mapping[str, TrainJob], adversarial: Mapping[str, GenerateJob], value: str = "paper"
) -> dict[tuple[str, str], Cell]:
    """Every target, by row, on every adversarial set, by column; ``value`` names the denominator."""
    return {
        (row, column): Cell(ScoreJob(target=target, adversarial=images), value)
        for row, target in targets.items()
        for column, images in adversarial.items()
    }


def accuracies(targets: Mapping[str, TrainJob], column: str = ACCURACY) -> dict[tuple[str, str], Cell]:
    """The last column: every target, by row, on the whole test set."""
    return {(row, column): Cell(target, "test_accuracy") for row, target in targets.items()}
