"""Table 6: as Table 3, on MNIST."""

from defective.paper.exhibit import Cells, Exhibit
from defective.paper.families import LABELS, ROWS, family_claims, family_rows, family_targets
from defective.paper.protocol import ACCURACY, LAST, TRANSFER, WITHSTOOD, accuracies, scored
from defective.paper.setup import Setup

PGD_MNIST = "pgd:eps=0.3,step_size=0.01,steps=40"


def _cells(setup: Setup) -> Cells:
    targets = family_targets(setup, data="mnist")
    crafted = {label: setup.craft(setup.source(arch, data="mnist"), attack=PGD_MNIST) for arch, label in LABELS.items()}
    return scored(targets, crafted) | accuracies(targets)


TABLE6 = Exhibit(
    name="table6",
    title="Transfer attacks on five architectures from five sources, on MNIST",
    where="Appendix A.3, Table 6",
    caption=f"{ROWS} the plain nets, trained apart, on which PGD makes its images: radius 0.3 of the range of grey, 40 steps of "
    f"0.01. {WITHSTOOD}{LAST}",
    data="mnist",
    columns=(*LABELS.values(), ACCURACY),
    rows=family_rows(
        (0.06, 24.13, 1.66, 0.14, 9.57, 99.49),
        (3.49, 43.04, 8.66, 7.66, 26.47, 99.34),
        (25.91, 75.59, 36.19, 38.03, 64.63, 99.29),
        (2.93, 9.30, 7.68, 5.94, 19.68, 99.39),
        (8.54, 23.06, 8.76, 10.09, 28.49, 99.32),
        (10.91, 36.44, 16.04, 14.55, 39.57, 99.28),
        (0.48, 29.81, 0.02, 1.64, 9.90, 99.48),
        (2.57, 35.85, 1.10, 3.93, 16.29, 99.46),
        (7.13, 58.92, 3.37, 11.39, 32.69, 99.38),
        (0.22, 18.77, 2.34, 0.10, 13.75, 99.41),
        (3.37, 24.09, 6.90, 2.21, 17.24, 99.35),
        (11.97, 51.63, 14.39, 16.45, 40.23, 99.31),
        (3.83, 51.77, 5.59, 7.34, 3.25, 99.48),
        (12.47, 61.18, 12.91, 21.71, 19.32, 99.37),
        (29.14, 70.59, 31.55, 41.87, 47.65, 99.33),
    ),
    cells=_cells,
    claims=family_claims(tuple(LABELS.values()), "Appendix A.3"),
    notes=(
        *TRANSFER,
        "The released code stretches each attacked digit to the full range of grey when it saves it; here digits are kept as they are.",
    ),
)
