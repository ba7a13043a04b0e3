"""Figure 5: Gaussian noise."""

from itertools import pairwise

from defective.paper.claims import Claim, Comparison, above
from defective.paper.exhibit import Cell, Cells, Exhibit, Row
from defective.paper.protocol import PLACEMENT, SELECTION
from defective.paper.setup import Setup
from defective.specs import NoiseJob

SIGMAS = (1, 2, 4, 8, 12, 16, 20, 24, 28, 32)
NETS = {
    "resnet18": "ResNet-18",
    "resnet18/0.5-bottom": "0.5-Bottom",
    "resnet18/0.3-bottom": "0.3-Bottom",
    "resnet18/0.1-bottom": "0.1-Bottom",
}
# What counts as robust and as high accuracy, in %; the paper puts no number on either.
HIGH = 80.0


def _cells(setup: Setup) -> Cells:
    job = NoiseJob(targets=tuple(setup.target(net) for net in NETS), sigmas=SIGMAS, samples=setup.scale.noise, seed=setup.replicate)
    return {(net, str(sigma)): Cell(job, f"{number}/{sigma}") for number, net in enumerate(NETS) for sigma in SIGMAS}


def _high(net: str, until: int) -> tuple[Comparison, ...]:
    return tuple(Comparison((net, str(sigma)), HIGH) for sigma in SIGMAS if sigma <= until)


_STRONG = [str(sigma) for sigma in SIGMAS if sigma >= 16]
_FALLING = [sigma for sigma in SIGMAS if sigma >= 8]

FIGURE5 = Exhibit(
    name="figure5",
    title="Accuracy under Gaussian noise of rising strength",
    where="Appendix A.5, Figure 5",
    caption="Rows, drawn as curves, are ResNet-18s (p-Bottom: a share p of the bottom neurons kept), columns the standard "
    "deviation of the noise, in levels of 255; noise beyond twice that is cut off. A number is the share of noisy images that "
    "the net gets right, of images that all four nets get right without noise.",
    data="cifar10",
    columns=tuple(str(sigma) for sigma in SIGMAS),
    rows=tuple(Row(net, label) for net, label in NETS.items()),
    cells=_cells,
    claims=(
        Claim("The standard net bears weak noise, up to 8: more than 80 % stay right.", "Appendix A.5", _high("resnet18", 8)),
        Claim(
            "Beyond 8, each stronger noise costs the standard net accuracy.",
            "Appendix A.5",
            tuple(Comparison(("resnet18", str(weak)), ("resnet18", str(strong))) for weak, strong in pairwise(_FALLING)),
        ),
        Claim(
            "Under strong noise, from 16 on, defective nets are right more often than the standard net.",
            "Appendix A.5",
            above(_STRONG, [(net, "resnet18") for net in NETS if net != "resnet18"]),
        ),
        Claim(
            "The net that keeps a tenth of its bottom neurons bears noise up to 16: more than 80 % stay right.",
            "Appendix A.5",
            _high("resnet18/0.1-bottom", 16),
        ),
    ),
    view="curves",
    notes=(
        "The figure is a drawing without numbers, so none are published beside the measured.",
        "Of the p-Bottom nets that it shows, the text names p = 0.1 alone; 0.5 and 0.3 are others of the released code.",
        "The bound of 80 % is ours: the paper puts no number on robust or on high accuracy.",
        PLACEMENT,
        SELECTION,
    ),
)
