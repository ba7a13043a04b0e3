"""Table 7: a decision-based attack on a plain, a label-smoothed and a defective model.

The paper claims that the defective model needs larger perturbations, and that label smoothing, which masks gradients, does not help.
"""

from defective.paper.exhibit import Cell, Cells
from defective.paper.protocol import TRAINED, table
from defective.paper.setup import Setup

_PLAIN, _SMOOTHED, _DEFECTIVE = "resnet18", "resnet18 smoothed", "resnet18/0.1-bottom"


def _cells(setup: Setup) -> Cells:
    targets = {
        _PLAIN: setup.target(_PLAIN),
        _SMOOTHED: setup.target(_PLAIN, label_smoothing=0.1),
        _DEFECTIVE: setup.target(_DEFECTIVE),
    }
    return {
        (row, "S(M)"): Cell(setup.decide(target, among=tuple(each for each in targets.values() if each != target)), "score")
        for row, target in targets.items()
    }


_TABLE7 = table(
    7,
    "The boundary attack",
    "Appendix A.4",
    caption="Rows are ResNet-18s (LS: label smoothing 0.1; the defective one keeps 10 % of its bottom neurons), attacked by "
    "their decisions alone: in up to 5,000 steps a misclassified image is moved towards one that all models classify correctly. The column "
    "S(M) is the median, over these images, of the mean squared change of a pixel (0 to 1); higher is better.",
    cells=_cells,
    unit="S(M)",
    notes=(
        *TRAINED,
        "The paper used Foolbox 1, which tries up to 25 directions a step. So does this attack at the scales fast and paper; at tiny and "
        "small it tries one, as Foolbox 3. It leaves out Foolbox 1's second attempt after convergence.",
        "It starts from noise blended in, as Foolbox does it; the paper speaks of noise added.",
        "All models are attacked on the same images, which each of them classifies correctly; in the released code each has its own "
        "images.",
    ),
)

EXHIBITS = (_TABLE7,)
