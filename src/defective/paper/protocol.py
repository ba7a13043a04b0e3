"""What several exhibits share: attacks by the paper's names, the cells of a transfer table, notes."""

from collections.abc import Mapping

from defective.paper.exhibit import Cell
from defective.specs import CraftJob, ScoreJob, TrainJob

PGD8 = "pgd:eps=8/255,step_size=2/255,steps=7"
FGSM16 = "fgsm:eps=16/255"
PGD16 = "pgd:eps=16/255,step_size=1/255,steps=20"
PGD32 = "pgd:eps=32/255,step_size=1/255,steps=40"
ACCURACY = "Test Accuracy"

PLACEMENT = "Masks lie where the released code has them; where the paper's text puts them is another net, its name ending in @text."
SELECTION = (
    "The released code keeps the epoch that does best on the test set, and the paper prints one run of each net; "
    "of our recipes only that of scale paper selects so."
)
ROUNDED = "Attacked images are rounded to 8 bits before a target sees them, as the released code saves them."
# For captions: what a number of a transfer attack is, and what stands in its last column.
WITHSTOOD = (
    "A number is the share of attacked images that the row's net gets right, of those that it got right before and that fool the "
    "source"
)
LAST = "; the last column counts all test images, unattacked."

# Caption of every architecture.
OUTLINE = (
    "Boxes are the net's steps in the order in which they run, from the image at the top to the ten classes, grouped by block; "
    "×2 stands for two such groups in a row. At the right is the size of what comes out, as channels × height × width; coloured "
    "are steps whose output can be masked."
)

VARIANTS = (
    "DC makes whole channels dead: narrower bottom layers and no mask. SM has one mask for all channels of a layer, x2 twice the "
    "channels at defective layers. As released, DC and x2 have one projection shortcut more than ResNet-18."
)
CW = (
    "CW takes Adam steps of 0.01, measures distances in pixels and starts afresh for each constant; the released code takes steps of "
    "0.0005, measures distances in normalised images and goes on from where the last constant ended. At scale tiny it tries 6 constants "
    "for 100 steps each and asks for a quarter of the paper's confidence, as the logits of those nets lie closer together."
)

NETS = (PLACEMENT, SELECTION)
TRANSFER = (*NETS, ROUNDED)


def scored(targets: Mapping[str, TrainJob], crafted: Mapping[str, CraftJob], value: str = "paper") -> dict[tuple[str, str], Cell]:
    """Every target, by row, on every crafted set, by column."""
    return {
        (row, column): Cell(ScoreJob(target=target, crafted=images), value)
        for row, target in targets.items()
        for column, images in crafted.items()
    }


def accuracies(targets: Mapping[str, TrainJob], column: str = ACCURACY) -> dict[tuple[str, str], Cell]:
    """The last column: every target, by row, on the whole test set."""
    return {(row, column): Cell(target, "test_accuracy") for row, target in targets.items()}
