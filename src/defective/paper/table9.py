"""Table 9: defective nets attacked from their like, with the same masks and with others."""

from defective.paper.claims import Claim, Comparison
from defective.paper.exhibit import Cells, Exhibit, Row
from defective.paper.protocol import PGD16, TRANSFER, WITHSTOOD, scored
from defective.paper.setup import Setup

SOURCES = {"resnet18/0.5-bottom": "0.5-Bottom", "resnet18/0.3-bottom": "0.3-Bottom"}
_OTHER = " dif"

ROWS = (
    Row("resnet18/0.5-bottom", "0.5-Bottom", (30.90, 40.49)),
    Row(f"resnet18/0.5-bottom{_OTHER}", "0.5-Bottom_DIF", (32.77, 40.39)),
    Row("resnet18/0.3-bottom", "0.3-Bottom", (59.24, 36.84)),
    Row(f"resnet18/0.3-bottom{_OTHER}", "0.3-Bottom_DIF", (57.45, 37.04)),
)


def _cells(setup: Setup) -> Cells:
    masks = 2 * setup.replicate
    crafted = {label: setup.craft(setup.source(net, mask_seed=masks), attack=PGD16) for net, label in SOURCES.items()}
    targets = {}
    for net in SOURCES:
        targets[net] = setup.target(net)
        # The next replicate's target, which other repetitions train anyway.
        targets[net + _OTHER] = setup.target(net, seed=masks + 2)
    return scored(targets, crafted)


TABLE9 = Exhibit(
    name="table9",
    title="Gray-box attacks on defective nets",
    where="Appendix A.7, Table 9",
    caption="Rows are attacked ResNet-18s that keep a share p of the bottom neurons (DIF: with masks of another seed than the "
    "columns' nets), columns such nets of other initial weights on which PGD makes its images: radius 16/255, 20 steps of 1/255. "
    f"{WITHSTOOD}.",
    data="cifar10",
    columns=tuple(SOURCES.values()),
    rows=ROWS,
    cells=_cells,
    claims=(
        Claim(
            "It makes little difference, here at most 5 points, whether source and target share their masks.",
            "Appendix A.7",
            tuple(Comparison((net, column), (net + _OTHER, column), within=5) for net in SOURCES for column in SOURCES.values()),
        ),
        Claim(
            "Attacked from their like, defective nets defend better than the standard ResNet-18 does from its like (Table 10).",
            "Appendix A.7",
            tuple(
                Comparison((net + masks, column), ("table10", "resnet18", "ResNet-18"))
                for net, column in SOURCES.items()
                for masks in ("", _OTHER)
            ),
        ),
    ),
    notes=(
        *TRANSFER,
        "Masks of one seed are nested: every neuron that lives in 0.3-Bottom lives in 0.5-Bottom, too. So where a row without "
        "DIF meets the column of the other share, the two nets have these neurons in common.",
        "The paper speaks of similar performance; the bound of 5 points is ours.",
    ),
)
