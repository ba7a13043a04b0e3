"""Tables 3, 5 and 6: five architectures under transfer attacks, each plain and with defective bottom layers.

The paper claims that defective bottom layers raise the defence rate of every architecture, whichever source attacks it.
"""

from collections.abc import Mapping

from defective.paper.exhibit import Cell, Cells, Exhibit
from defective.paper.protocol import DEFENCE_RATE, LAST_COLUMN, PGD8, PGD16, TRANSFER, accuracies, scores, table
from defective.paper.published import printed
from defective.paper.setup import Setup

LABELS = {"resnet18": "ResNet-18", "resnet50": "ResNet-50", "densenet121": "DenseNet-121", "senet18": "SENet-18", "vgg19": "VGG-19"}
# Column beside Table 3: the test accuracy after half of the epochs.
HALF_WAY = "half-way"
# Column to the architectures whose ensemble the adversarial examples are generated on.
_SINGLE = {label: (arch,) for arch, label in LABELS.items()}
_ENSEMBLES = {f"-{label}": tuple(other for other in LABELS if other != arch) for arch, label in LABELS.items()}


def _exhibit(
    number: int,
    title: str,
    section: str,
    *,
    sources: Mapping[str, tuple[str, ...]],
    attack: str,
    caption: str,
    data: str = "cifar10",
    notes: tuple[str, ...] = (),
) -> Exhibit:
    """One table: every architecture and variant, attacked from every source, which is a column and the architectures attacked."""
    rows = printed(f"table{number}").rows

    def cells(setup: Setup) -> Cells:
        targets = {row.name: setup.target(row.name, data=data) for row in rows}
        plain = {arch: setup.source(arch, data=data) for arch in LABELS}
        adversarial = {column: setup.generate(*(plain[arch] for arch in archs), attack=attack) for column, archs in sources.items()}
        half_way = {(row, HALF_WAY): Cell(target, "half_way") for row, target in targets.items() if number == 3}
        return scores(targets, adversarial) | accuracies(targets) | half_way

    return table(
        number,
        title,
        section,
        data=data,
        caption="Rows are attacked models (p-Bottom: a share p of the neurons in the bottom layers kept), columns the plain "
        f"{caption}. {DEFENCE_RATE}{LAST_COLUMN}",
        cells=cells,
        notes=(*TRANSFER, *notes),
    )


EXHIBITS = (
    _exhibit(
        3,
        "Transfer attacks on five architectures from five sources",
        "Section 4.1",
        sources=_SINGLE,
        attack=PGD16,
        caption="models, trained apart, on which PGD generates adversarial examples: radius 16/255, 20 steps of 1/255",
    ),
    _exhibit(
        5,
        "Transfer attacks on five architectures from ensembles of four",
        "Appendix A.2",
        sources=_ENSEMBLES,
        attack=PGD8,
        caption="model left out of five: PGD attacks the other four, trained apart, all at once, radius 8/255, 7 steps of 2/255",
        notes=(
            "Ensembles average the logits of their members; the paper does not say how it combines models, and no code of it was released.",
        ),
    ),
    _exhibit(
        6,
        "Transfer attacks on five architectures from five sources, on MNIST",
        "Appendix A.3",
        sources=_SINGLE,
        attack="pgd:eps=0.3,step_size=0.01,steps=40",
        caption="models, trained apart, on which PGD generates adversarial examples: radius 0.3 of the range of grey, 40 steps of 0.01",
        data="mnist",
        notes=(
            "The released code stretches each attacked digit to the full range of grey when it saves it; here digits are kept as they "
            "are.",
        ),
    ),
)
