"""Table 10: standard nets attacked from their like; a corner of Table 3."""

from defective.paper.exhibit import Cells, Exhibit, Row
from defective.paper.protocol import PGD16, TRANSFER, WITHSTOOD, scored
from defective.paper.setup import Setup

NETS = {"resnet18": "ResNet-18", "densenet121": "DenseNet-121"}


def _cells(setup: Setup) -> Cells:
    crafted = {label: setup.craft(setup.source(net), attack=PGD16) for net, label in NETS.items()}
    return scored({net: setup.target(net) for net in NETS}, crafted)


TABLE10 = Exhibit(
    name="table10",
    title="Gray-box attacks on standard nets",
    where="Appendix A.7, Table 10",
    caption="Rows are attacked nets, columns the nets of other initial weights on which PGD makes its images: radius 16/255, 20 "
    f"steps of 1/255. {WITHSTOOD}.",
    data="cifar10",
    columns=tuple(NETS.values()),
    rows=(
        Row("resnet18", "ResNet-18", (5.98, 14.14)),
        Row("densenet121", "DenseNet-121", (14.53, 2.98)),
    ),
    cells=_cells,
    notes=(*TRANSFER, "What the paper says of these numbers is a claim of Table 9."),
)
