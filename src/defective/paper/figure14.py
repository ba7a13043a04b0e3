"""Figure 14: training curves."""

from defective.paper.exhibit import Cell, Cells, Exhibit, Row
from defective.paper.protocol import PLACEMENT, SELECTION
from defective.paper.setup import Setup

_DATA = {"CIFAR-10": "cifar10", "MNIST": "mnist"}
_NETS = {"resnet18": "ResNet-18", "resnet18/0.5-bottom": "0.5-Bottom"}


def _cells(setup: Setup) -> Cells:
    return {
        (net, column): Cell(setup.target(net, data=kind), "test_accuracy")
        for net in _NETS
        for column, kind in _DATA.items()
        if kind in setup.data
    }


FIGURE14 = Exhibit(
    name="figure14",
    title="Accuracy in training and test, epoch by epoch",
    where="Appendix D, Figure 14",
    caption="Rows are ResNet-18s (0.5-Bottom: half of the bottom neurons kept), columns data sets; a number is the accuracy of "
    "the trained net on the test set. Curves are the accuracy during each epoch on the training images (dashed) and after it on "
    "the test set (solid).",
    data="cifar10",
    columns=tuple(_DATA),
    rows=tuple(Row(net, label) for net, label in _NETS.items()),
    cells=_cells,
    view="training",
    notes=(
        "The paper does not say which keep probability its defective net has; 0.5 is one that the released code has for both data "
        "sets.",
        "The figure is a drawing without numbers; where the curves of these nets end is in Tables 3 and 6.",
        "The text subtracts a mean for each pixel; the released code normalises each channel by mean and deviation, as is done "
        "here.",
        "The column of MNIST is of another data set than the rest and stays empty where there is none.",
        PLACEMENT,
        SELECTION,
    ),
)
