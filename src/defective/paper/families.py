"""Five architectures, each plain and with defective bottom layers: what Tables 3, 5 and 6 have in common."""

from collections.abc import Sequence

from defective.paper.claims import Claim, above
from defective.paper.exhibit import Row
from defective.paper.setup import Setup
from defective.specs import TrainJob

LABELS = {"resnet18": "ResNet-18", "resnet50": "ResNet-50", "densenet121": "DenseNet-121", "senet18": "SENet-18", "vgg19": "VGG-19"}
_VARIANTS = {"": "", "/0.5-bottom": ", 0.5-Bottom", "/0.3-bottom": ", 0.3-Bottom"}
NETS = tuple(arch + variant for arch in LABELS for variant in _VARIANTS)

# First words of the three captions.
ROWS = "Rows are attacked nets (p-Bottom: a share p of the neurons in the bottom layers kept), columns"


def family_rows(*published: tuple[float, ...]) -> tuple[Row, ...]:
    """The fifteen rows with their numbers."""
    # The paper prints the variant alone, below its architecture.
    labels = [label + variant for label in LABELS.values() for variant in _VARIANTS.values()]
    return tuple(Row(*row) for row in zip(NETS, labels, published, strict=True))


def family_targets(setup: Setup, data: str = "cifar10") -> dict[str, TrainJob]:
    """The nets of the fifteen rows."""
    return {net: setup.target(net, data=data) for net in NETS}


def family_claims(sources: Sequence[str], where: str) -> tuple[Claim, ...]:
    """What the paper says of all three tables.

    Args:
        sources: Columns with defence rates.
        where: Section that says so of this table.
    """
    return (
        Claim(
            "Defective bottom layers make every architecture withstand the attack better, whichever source it comes from.",
            where,
            above(sources, [(f"{arch}/{p}-bottom", arch) for arch in LABELS for p in ("0.5", "0.3")]),
        ),
        Claim(
            "For every architecture and source, keeping fewer neurons defends better still: the trend that the paper finds on ResNet-18.",
            "Section 4.2, Appendix A.1",
            above(sources, [(f"{arch}/0.3-bottom", f"{arch}/0.5-bottom") for arch in LABELS]),
        ),
    )
