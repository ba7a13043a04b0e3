"""Table 9: defective nets attacked from their like, with the same masks and with others."""

from defective.paper.claims import Claim, Comparison
from defective.paper.exhibit import Cells, Exhibit, Row
from defective.paper.protocol import PGD16, TRANSFER, scored
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
        "DIF: other masks and another initialisation. The rows above it: the source's masks, another initialisation.",
        "The paper speaks of similar performance; the bound of 5 points is ours.",
    ),
)
