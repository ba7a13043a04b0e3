"""Figures 4 and 14: test accuracy beside the defence rate, and over the epochs of training."""

from defective.paper.ablations import BOTTOMS, KEEP_PROBS, TABLE11
from defective.paper.exhibit import Cell, Cells, Row
from defective.paper.protocol import TRAINED, TRANSFER, figure
from defective.paper.setup import Setup

# Column of Figure 4 to column of Table 11, which has the same models under the same attack.
_COLUMNS = {"Test Accuracy": "Acc", "PGD16": "PGD16"}


def _from_table11(setup: Setup) -> Cells:
    table = TABLE11.cells(setup)
    return {(model, column): table[model, there] for model in BOTTOMS for column, there in _COLUMNS.items()}


_FIGURE4 = figure(
    4,
    "Test accuracy against defence rate, by keep probability",
    "Appendix A.1",
    caption="Rows, drawn as points, are ResNet-18s by the share of bottom neurons that they keep. Columns are the accuracy on "
    "the test set and, against PGD (radius 16/255, 20 steps of 1/255) generated on DenseNet-121, the share of attacked images that "
    "the row's model classifies correctly, of those that it classified correctly before and that fool the DenseNet.",
    columns=tuple(_COLUMNS),
    rows=tuple(
        Row(model, keep_prob, tuple(TABLE11.published(model, there) for there in _COLUMNS.values()))
        for model, keep_prob in zip(BOTTOMS, KEEP_PROBS, strict=True)
    ),
    cells=_from_table11,
    view="scatter",
    notes=(
        "The figure is a drawing without numbers: the published ones are those of Table 11, same models and same attack.",
        *TRANSFER,
    ),
)

_DATA = {"CIFAR-10": "cifar10", "MNIST": "mnist"}
_LABELS = {"resnet18": "ResNet-18", "resnet18/0.5-bottom": "0.5-Bottom"}


def _trained(setup: Setup) -> Cells:
    return {
        (model, column): Cell(setup.target(model, data=kind), "test_accuracy")
        for model in _LABELS
        for column, kind in _DATA.items()
        if kind in setup.data
    }


_FIGURE14 = figure(
    14,
    "Accuracy in training and test, epoch by epoch",
    "Appendix D",
    caption="Rows are ResNet-18s (0.5-Bottom: half of the bottom neurons kept), columns data sets; a number is the accuracy of "
    "the trained model on the test set. Curves are the accuracy during each epoch on the training images (dashed) and after it on "
    "the test set (solid).",
    more_data=("mnist",),
    columns=tuple(_DATA),
    rows=tuple(Row(model, label) for model, label in _LABELS.items()),
    cells=_trained,
    view="training",
    notes=(
        "The paper does not say which keep probability its defective model has; 0.5 is one that the released code has for both data "
        "sets.",
        "The figure is a drawing without numbers; where the curves of these models end is in Tables 3 and 6.",
        "The text subtracts a mean for each pixel; the released code normalises each channel by mean and deviation, as is done "
        "here.",
        "The column of MNIST is of another data set than the rest and stays empty where there is none.",
        *TRAINED,
    ),
)

EXHIBITS = (_FIGURE4, _FIGURE14)
