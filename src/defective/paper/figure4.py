"""Figure 4: what robustness costs in accuracy."""

from defective.paper.ablations import ACCURACY, BOTTOMS, KEEP_PROBS
from defective.paper.claims import Claim, rising
from defective.paper.exhibit import Cells, Exhibit, Row
from defective.paper.protocol import TRANSFER
from defective.paper.setup import Setup
from defective.paper.table11 import TABLE11

# Column here to column of Table 11, which has the same nets under the same attack.
_COLUMNS = {"Test Accuracy": ACCURACY, "PGD16": "PGD16"}


def _cells(setup: Setup) -> Cells:
    table = TABLE11.cells(setup)
    return {(net, column): table[net, there] for net in BOTTOMS for column, there in _COLUMNS.items()}


FIGURE4 = Exhibit(
    name="figure4",
    title="Test accuracy against defence rate, by keep probability",
    where="Appendix A.1, Figure 4",
    caption="Rows, drawn as points, are ResNet-18s by the share of bottom neurons that they keep. Columns are the accuracy on "
    "the test set and, against PGD (radius 16/255, 20 steps of 1/255) made on DenseNet-121, the share of attacked images that "
    "the row's net gets right, of those that it got right before and that fool the DenseNet.",
    data="cifar10",
    columns=tuple(_COLUMNS),
    rows=tuple(
        Row(net, keep_prob, tuple(TABLE11.published(net, there) for there in _COLUMNS.values()))
        for net, keep_prob in zip(BOTTOMS, KEEP_PROBS, strict=True)
    ),
    cells=_cells,
    claims=(
        Claim(
            "As fewer neurons are kept, the defence rate rises and the test accuracy falls, each step of the way.",
            "Appendix A.1",
            (*rising("PGD16", BOTTOMS), *rising("Test Accuracy", BOTTOMS[::-1])),
        ),
    ),
    view="scatter",
    notes=(
        "The figure is a drawing without numbers: the published ones are those of Table 11, same nets and same attack.",
        *TRANSFER,
    ),
)
