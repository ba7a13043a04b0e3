"""Table 5: five architectures attacked from four fused nets at a time."""

from defective.paper.exhibit import Cells, Exhibit
from defective.paper.families import LABELS, ROWS, family_claims, family_rows, family_targets
from defective.paper.protocol import ACCURACY, LAST, PGD8, TRANSFER, WITHSTOOD, accuracies, scored
from defective.paper.setup import Setup

# Named after the one net that is left out.
LEFT_OUT = {arch: f"-{label}" for arch, label in LABELS.items()}


def _cells(setup: Setup) -> Cells:
    targets = family_targets(setup)
    sources = {arch: setup.source(arch) for arch in LABELS}
    crafted = {
        column: setup.craft(*(source for arch, source in sources.items() if arch != left_out), attack=PGD8)
        for left_out, column in LEFT_OUT.items()
    }
    return scored(targets, crafted) | accuracies(targets)


TABLE5 = Exhibit(
    name="table5",
    title="Transfer attacks on five architectures from ensembles of four",
    where="Appendix A.2, Table 5",
    caption=f"{ROWS} the plain net left out of five: PGD attacks the other four, trained apart, all at once, radius 8/255, 7 steps "
    f"of 2/255. {WITHSTOOD}{LAST}",
    data="cifar10",
    columns=(*LEFT_OUT.values(), ACCURACY),
    rows=family_rows(
        (1.02, 0.74, 0.76, 0.94, 0.88, 95.33),
        (32.98, 35.95, 29.36, 32.31, 37.24, 93.39),
        (69.52, 72.44, 67.02, 68.63, 72.23, 91.83),
        (1.07, 2.32, 1.31, 1.17, 0.82, 95.25),
        (23.61, 31.52, 21.20, 22.89, 25.59, 94.43),
        (55.47, 62.43, 53.25, 55.13, 58.47, 93.46),
        (0.70, 0.88, 1.37, 0.74, 0.58, 95.53),
        (6.99, 10.19, 7.77, 6.93, 8.10, 94.34),
        (32.07, 38.28, 31.59, 31.01, 35.42, 92.82),
        (0.91, 0.66, 0.74, 0.92, 0.64, 95.09),
        (29.16, 32.58, 25.84, 29.17, 32.88, 93.53),
        (62.12, 65.83, 59.94, 62.90, 65.64, 92.54),
        (8.27, 8.28, 6.42, 7.64, 14.08, 93.93),
        (60.62, 63.71, 57.85, 59.28, 64.73, 91.73),
        (80.97, 82.84, 80.06, 80.04, 82.86, 90.11),
    ),
    cells=_cells,
    claims=family_claims(tuple(LEFT_OUT.values()), "Appendix A.2"),
    notes=(*TRANSFER, "Fused nets average their logits; the paper does not say how it fuses them, and no code of it was released."),
)
