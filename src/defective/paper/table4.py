"""Table 4: what of the design matters, from one source to one architecture."""

from defective.paper.claims import Claim, above, rising
from defective.paper.exhibit import Cells, Exhibit, Row
from defective.paper.protocol import ACCURACY, CW, FGSM16, LAST, PGD16, PGD32, TRANSFER, VARIANTS, WITHSTOOD, accuracies, scored
from defective.paper.setup import Setup

ATTACKS = ("FGSM16", "PGD16", "PGD32", "CW40")

ROWS = (
    Row("resnet18", "ResNet-18", (14.91, 14.14, 7.16, 8.23, 95.33)),
    Row("resnet18/0.7-bottom", "0.7-Bottom", (23.29, 51.29, 37.00, 36.95, 94.03)),
    Row("resnet18/0.5-bottom", "0.5-Bottom", (30.86, 70.38, 56.36, 54.02, 93.39)),
    Row("resnet18/0.3-bottom", "0.3-Bottom", (48.57, 86.99, 78.41, 73.70, 91.83)),
    Row("resnet18/0.7-top", "0.7-Top", (14.62, 10.55, 4.91, 7.88, 95.16)),
    Row("resnet18/0.5-top", "0.5-Top", (10.76, 11.06, 5.10, 7.19, 94.94)),
    Row("resnet18/0.3-top", "0.3-Top", (11.23, 11.77, 5.80, 10.10, 94.61)),
    Row("resnet18/0.7-bottom+0.7-top", "0.7-Bottom, 0.7-Top", (24.15, 45.12, 30.24, 29.65, 94.16)),
    Row("resnet18/0.7-bottom+0.3-top", "0.7-Bottom, 0.3-Top", (11.26, 33.67, 20.28, 23.31, 93.44)),
    Row("resnet18/0.3-bottom+0.3-top", "0.3-Bottom, 0.3-Top", (27.43, 75.49, 62.78, 62.47, 89.78)),
    Row("resnet18/0.3-bottom+0.7-top", "0.3-Bottom, 0.7-Top", (40.58, 82.77, 72.15, 68.58, 91.23)),
    # The paper prints this row twice, the second time to compare with what follows.
    Row("resnet18/0.5-bottom again", "0.5-Bottom, again", (30.86, 70.38, 56.36, 54.02, 93.39)),
    Row("resnet18/0.1-bottom", "0.1-Bottom", (79.93, 96.70, 94.68, 89.67, 87.68)),
    Row("resnet18/0.5-bottom-dc", "0.5-Bottom_DC", (12.15, 19.93, 11.20, 12.72, 95.12)),
    Row("resnet18/0.1-bottom-dc", "0.1-Bottom_DC", (19.00, 53.87, 41.40, 44.80, 93.27)),
    Row("resnet18/0.5-bottom-sm", "0.5-Bottom_SM", (48.86, 85.00, 75.60, 72.07, 92.57)),
    Row("resnet18/0.1-bottom-sm", "0.1-Bottom_SM", (39.40, 80.36, 72.43, 65.38, 74.28)),
    Row("resnet18/0.5-bottom-x2", "0.5-Bottom_x2", (20.78, 50.16, 34.24, 34.00, 94.12)),
    Row("resnet18/0.1-bottom-x2", "0.1-Bottom_x2", (68.83, 93.35, 88.25, 82.74, 90.49)),
)


def _cells(setup: Setup) -> Cells:
    source = setup.source("densenet121")
    attacks = dict(zip(ATTACKS, (FGSM16, PGD16, PGD32, setup.cw(40)), strict=True))
    targets = {row.name: setup.target(row.name.removesuffix(" again")) for row in ROWS}
    return scored(targets, {name: setup.craft(source, attack=attack) for name, attack in attacks.items()}) | accuracies(targets)


_FALLING = ("resnet18", "resnet18/0.7-bottom", "resnet18/0.5-bottom", "resnet18/0.3-bottom", "resnet18/0.1-bottom")
_TWICE = ("0.5", "0.1")

TABLE4 = Exhibit(
    name="table4",
    title="Ablations: where to put defects, neurons or channels, one mask or many, more channels",
    where="Section 4.2, Table 4",
    caption="Rows are attacked ResNet-18s (p-Bottom, p-Top: a share p of bottom or top neurons kept), columns attacks made on "
    f"DenseNet-121, radius in levels of 255 (PGD: 20 or 40 steps of 1; CW: confidence). {WITHSTOOD}{LAST}",
    data="cifar10",
    columns=(*ATTACKS, ACCURACY),
    rows=ROWS,
    cells=_cells,
    claims=(
        Claim(
            "Defects in the bottom layers defend much better than as many in the top layers.",
            "Section 4.2",
            above(ATTACKS, [(f"resnet18/{p}-bottom", f"resnet18/{p}-top") for p in ("0.7", "0.5", "0.3")]),
        ),
        Claim(
            "Defects in the bottom layers alone defend better than the same with defects in the top layers added.",
            "Section 4.2",
            above(
                ATTACKS, [(f"resnet18/{p}-bottom", f"resnet18/{p}-bottom+{q}-top") for p in ("0.7", "0.3") for q in ("0.7", "0.3")]
            ),
        ),
        Claim(
            "The fewer bottom neurons are kept, the higher the defence rate and the lower the test accuracy.",
            "Section 4.2, Appendix A.1",
            (*(each for column in ATTACKS for each in rising(column, _FALLING)), *rising(ACCURACY, _FALLING[::-1])),
        ),
        Claim(
            "Defective neurons defend much better than as large a share of defective channels.",
            "Section 4.2",
            above(ATTACKS, [(f"resnet18/{p}-bottom", f"resnet18/{p}-bottom-dc") for p in _TWICE]),
        ),
        Claim(
            "One mask shared by all channels of a layer costs test accuracy.",
            "Section 4.2",
            above((ACCURACY,), [(f"resnet18/{p}-bottom", f"resnet18/{p}-bottom-sm") for p in _TWICE]),
        ),
        Claim(
            "Twice the channels at defective layers raise test accuracy, and the net still defends better than the standard one.",
            "Section 4.2",
            (
                *above((ACCURACY,), [(f"resnet18/{p}-bottom-x2", f"resnet18/{p}-bottom") for p in _TWICE]),
                *above(ATTACKS, [(f"resnet18/{p}-bottom-x2", "resnet18") for p in _TWICE]),
            ),
        ),
    ),
    notes=(
        *TRANSFER,
        VARIANTS,
        CW,
    ),
)
