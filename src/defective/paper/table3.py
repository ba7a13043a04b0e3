"""Table 3: five architectures, each attacked from five sources."""

from defective.paper.exhibit import Cells, Exhibit
from defective.paper.families import LABELS, ROWS, family_claims, family_rows, family_targets
from defective.paper.protocol import ACCURACY, LAST, PGD16, TRANSFER, WITHSTOOD, accuracies, scored
from defective.paper.setup import Setup


def _cells(setup: Setup) -> Cells:
    targets = family_targets(setup)
    return scored(targets, {label: setup.craft(setup.source(arch), attack=PGD16) for arch, label in LABELS.items()}) | accuracies(
        targets
    )


TABLE3 = Exhibit(
    name="table3",
    title="Transfer attacks on five architectures from five sources",
    where="Section 4.1, Table 3",
    caption=f"{ROWS} the plain nets, trained apart, on which PGD makes its images: radius 16/255, 20 steps of 1/255. "
    f"{WITHSTOOD}{LAST}",
    data="cifar10",
    columns=(*LABELS.values(), ACCURACY),
    rows=family_rows(
        (5.98, 0.94, 14.14, 3.32, 26.97, 95.33),
        (53.89, 33.05, 70.38, 57.52, 58.66, 93.39),
        (78.23, 67.64, 86.99, 82.46, 77.57, 91.83),
        (16.61, 0.22, 14.60, 12.26, 42.38, 95.25),
        (51.55, 17.61, 62.69, 53.82, 62.73, 94.43),
        (71.63, 48.03, 80.94, 75.91, 75.72, 93.46),
        (14.53, 0.60, 2.98, 7.79, 31.57, 95.53),
        (35.07, 8.01, 34.21, 30.86, 45.28, 94.34),
        (58.19, 33.86, 62.32, 59.74, 62.09, 92.82),
        (6.72, 0.90, 12.29, 2.23, 26.86, 95.09),
        (52.95, 30.78, 66.81, 52.49, 57.45, 93.53),
        (74.73, 59.42, 84.31, 78.72, 75.04, 92.54),
        (33.46, 14.16, 49.76, 29.98, 21.20, 93.93),
        (72.27, 59.70, 83.50, 77.93, 66.75, 91.73),
        (85.53, 79.20, 91.01, 88.51, 81.92, 90.11),
    ),
    cells=_cells,
    claims=family_claims(tuple(LABELS.values()), "Section 4.1"),
    notes=TRANSFER,
)
