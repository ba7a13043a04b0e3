"""A table of ours on what the paper leaves open: are defective layers worth it, beside other defences and whoever attacks?"""

from functools import partial
from typing import Any

from defective.paper.exhibit import Cells, Exhibit, Row
from defective.paper.protocol import ACCURACY, LAST_COLUMN, MADRY, PGD16, TRANSFER, accuracies, scores
from defective.paper.setup import Setup

_ADVERSARIAL = " adversarial"
_ROWS = {
    "resnet18": "Plain",
    "resnet18/0.3-bottom": "0.3-Bottom",
    "resnet18/0.1-bottom": "0.1-Bottom",
    "resnet18/0.5-bottom": "0.5-Bottom",
    "resnet18/0.7-bottom": "0.7-Bottom",
    "resnet18/0.3-top": "0.3-Top",
    "resnet18/0.3-bottom+0.3-top": "0.3-Bottom, 0.3-Top",
    "resnet18/0.1-bottom-dc": "0.1-Bottom, DC",
    "resnet18/0.1-bottom-sm": "0.1-Bottom, SM",
    "resnet18/0.9-dropout": "Dropout",
    "resnet18/0.9-spatial": "SpatialDropout",
    "resnet18/0.9-dropblock": "DropBlock",
    f"resnet18{_ADVERSARIAL}": "Adversarial training",
    f"resnet18/0.3-bottom{_ADVERSARIAL}": "0.3-Bottom, adversarial training",
    "resnet18/en": "Five plain",
    "resnet18/0.3-bottom-en": "Five 0.3-Bottom",
}
_MIFGSM16 = "mifgsm:eps=16/255,step_size=1/255,steps=20"
_VMIFGSM16 = "vmifgsm:eps=16/255,step_size=1/255,steps=20"
# Share of the training images that a substitute asks its target about.
SHARE = 0.1
# Column to source and attack; the adaptive attacker trains a defective model, whose masks are others than any target's.
_TRANSFERRED = {
    "ResNet-18: PGD16": ("resnet18", PGD16),
    "ResNet-18: FGSM16": ("resnet18", "fgsm:eps=16/255"),
    "ResNet-18: MI-FGSM16": ("resnet18", _MIFGSM16),
    "ResNet-18: VMI-FGSM16": ("resnet18", _VMIFGSM16),
    "VGG-19: PGD16": ("vgg19", PGD16),
    "VGG-19: MI-FGSM16": ("vgg19", _MIFGSM16),
    "adaptive: PGD16": ("resnet18/0.3-bottom", PGD16),
    "adaptive: MI-FGSM16": ("resnet18/0.3-bottom", _MIFGSM16),
}
_SUBSTITUTE = "substitute: PGD16"


def _cells(setup: Setup) -> Cells:
    attacked = partial(setup.generate, images="all")
    # As many epochs as the others, unlike in Table 2: the advice compares them.
    slow: dict[str, Any] = {"adversarial": MADRY, "epochs": setup.recipes["cifar10"].epochs}
    targets = {row: setup.target(row.removesuffix(_ADVERSARIAL), **(slow if row.endswith(_ADVERSARIAL) else {})) for row in _ROWS}
    adversarial = {column: attacked(setup.source(source), attack=attack) for column, (source, attack) in _TRANSFERRED.items()}
    cells = scores(targets, adversarial, "all") | accuracies(targets)
    for row, target in targets.items():
        images = attacked(setup.substitute(target, SHARE), attack=PGD16)
        cells |= scores({row: target}, {_SUBSTITUTE: images}, "all")
    return cells


EXHIBITS = (
    Exhibit(
        name="practical",
        title="Should you use it? Accuracy and robustness of defences under transfer attacks",
        section="a table of ours",
        caption="Rows are ResNet-18s, columns attackers: source and attack, of radius 16/255 (PGD, MI-FGSM and VMI-FGSM: 20 steps of "
        f"1/255). A number is the share of all attacked images that the row's model classifies correctly{LAST_COLUMN}",
        data="cifar10",
        columns=(*_TRANSFERRED, _SUBSTITUTE, ACCURACY),
        rows=tuple(Row(name, label) for name, label in _ROWS.items()),
        cells=_cells,
        view="trade-off",
        notes=(
            *TRANSFER,
            "Images are attacked however source and target classify them. The adaptive attacker owns a 0.3-Bottom ResNet-18 of its own. "
            "The substitute is a plain ResNet-18 trained on the target's predictions for a tenth of the training images.",
            "The plot has the lowest of a row's shares against its accuracy.",
            "Adversarial training is Madry's: PGD of radius 8/255 in 7 steps with a random start, for as many epochs as the others.",
        ),
        optional=True,
    ),
)
