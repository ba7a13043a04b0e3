"""Table 8: each net attacked with its own gradients."""

from defective.paper.claims import Claim, above
from defective.paper.exhibit import Cell, Cells, Exhibit, Row
from defective.paper.protocol import ACCURACY, LAST, NETS, accuracies
from defective.paper.setup import Setup

ATTACKS = {
    "FGSM1": "fgsm:eps=1/255",
    "FGSM2": "fgsm:eps=2/255",
    "FGSM4": "fgsm:eps=4/255",
    "PGD2": "pgd:eps=2/255,step_size=1/255,steps=4",
    "PGD4": "pgd:eps=4/255,step_size=1/255,steps=6",
    "PGD8": "pgd:eps=8/255,step_size=1/255,steps=10",
}

ROWS = (
    Row("resnet18", "ResNet-18", (81.24, 65.78, 51.24, 23.80, 3.16, 0.02, 95.33)),
    Row("resnet18/0.5-bottom", "0.5-Bottom", (85.22, 68.65, 52.04, 38.16, 6.67, 0.12, 93.39)),
    Row("resnet18/0.3-bottom", "0.3-Bottom", (85.70, 69.69, 54.51, 49.01, 18.93, 2.86, 91.83)),
)


def _cells(setup: Setup) -> Cells:
    targets = {row.name: setup.target(row.name) for row in ROWS}
    return {
        (row, column): Cell(setup.score(target, setup.craft(target, attack=attack)), "target-correct")
        for row, target in targets.items()
        for column, attack in ATTACKS.items()
    } | accuracies(targets)


TABLE8 = Exhibit(
    name="table8",
    title="White-box attacks",
    where="Appendix A.6, Table 8",
    caption="Rows are ResNet-18s (p-Bottom: a share p of the bottom neurons kept), each attacked with its own gradients; columns "
    "are attacks, radius in levels of 255 (PGD: 4, 6 and 10 steps of 1). A number is the share of attacked images that the net "
    f"gets right, of those that it got right before{LAST}",
    data="cifar10",
    columns=(*ATTACKS, ACCURACY),
    rows=ROWS,
    cells=_cells,
    claims=(
        Claim(
            "Defective layers help against white-box attacks too.",
            "Appendix A.6",
            above(tuple(ATTACKS), [(f"resnet18/{p}-bottom", "resnet18") for p in ("0.5", "0.3")]),
        ),
    ),
    notes=(
        *NETS,
        "Every step is a whole pixel value, so that rounding to 8 bits changes nothing.",
        "The released script divides the FGSM columns by all 5,000 images it was given, those it skips as misclassified among "
        "them, so its numbers may come out lower.",
    ),
)
