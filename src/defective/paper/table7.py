"""Table 7: the decision-based attack on a plain, a label-smoothed and a defective net."""

from defective.paper.claims import Claim, above
from defective.paper.exhibit import Cell, Cells, Exhibit, Row
from defective.paper.protocol import NETS
from defective.paper.setup import Setup
from defective.specs import AttackSpec, DecisionJob

SCORE = "S(M)"
PLAIN, SMOOTHED, DEFECTIVE = "resnet18", "resnet18 smoothed", "resnet18/0.1-bottom"

ROWS = (
    Row(PLAIN, "Standard CNN", (7.3e-06,)),
    Row(SMOOTHED, "Standard CNN + LS", (6.8e-06,)),
    Row(DEFECTIVE, "Defective CNN", (3.5e-05,)),
)


def _cells(setup: Setup) -> Cells:
    targets = {
        PLAIN: setup.target(PLAIN),
        SMOOTHED: setup.target(PLAIN, label_smoothing=0.1),
        DEFECTIVE: setup.target(DEFECTIVE),
    }
    attack, samples = AttackSpec.parse(setup.boundary()), setup.scale.decision
    return {
        (row, SCORE): Cell(DecisionJob(target=target, attack=attack, samples=samples, seed=setup.replicate), "score")
        for row, target in targets.items()
    }


TABLE7 = Exhibit(
    name="table7",
    title="The boundary attack",
    where="Appendix A.4, Table 7",
    caption="Rows are ResNet-18s (LS: label smoothing 0.1; the defective one keeps 10 % of its bottom neurons), attacked by "
    "their answers alone: in up to 5,000 steps a misclassified image walks towards one that the net gets right. The column S(M) "
    "is the median, over these images, of the mean squared change of a pixel (0 to 1); higher is better.",
    data="cifar10",
    columns=(SCORE,),
    rows=ROWS,
    cells=_cells,
    claims=(
        Claim(
            "The boundary attack must change images of the defective net more than those of the standard one, smoothed or not.",
            "Appendix A.4",
            above((SCORE,), [(DEFECTIVE, PLAIN), (DEFECTIVE, SMOOTHED)]),
        ),
        Claim(
            "Label smoothing, which masks gradients, does not help against it: the standard net stays above.",
            "Appendix A.4",
            above((SCORE,), [(PLAIN, SMOOTHED)]),
        ),
    ),
    unit="S(M)",
    notes=(
        *NETS,
        "The paper used Foolbox 1, which tries up to 25 directions a step. So does this walk at the scales fast and paper; at tiny it "
        "tries one, as Foolbox 3. It leaves out Foolbox 1's second walk after convergence.",
        "The walk starts from noise blended in, as Foolbox does it; the paper speaks of noise added.",
        "Each net walks to images that it classifies right itself, as in the released code: the images differ from net to net.",
    ),
)
