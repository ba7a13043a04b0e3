"""Figures 1, 6, 7 and 15: adversarial images of several models, generated from the same originals and classified by all of them."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product

from defective.paper.exhibit import Cell, Cells, Exhibit, Row
from defective.paper.protocol import PLACEMENT, figure, scores
from defective.paper.setup import Setup

# Model to label, in the order of the rows.
_DEFECTIVE = {"resnet18/0.2-bottom": "0.2-Bottom", "resnet18/0.1-blocks12": "0.1-Blocks 1, 2"}
_MODELS = {**_DEFECTIVE, "resnet18": "ResNet-18"}

_TINY_UNRELEASED = "Nothing of Tiny-ImageNet was released: model and recipe are those of CIFAR-10 at 64 x 64 pixels."
_SECOND_ROWS = "The caption calls two of its three rows the second."


def _mifgsm(eps: int, steps: int) -> str:
    return f"mifgsm:eps={eps}/255,step_size=1/255,steps={steps}"


def _exhibit(
    number: int,
    title: str,
    section: str,
    *notes: str,
    data: str,
    models: Mapping[str, str],
    attacks: Mapping[str, str],
    strength: str,
    kept: str,
    originals: Sequence[str],
) -> Exhibit:
    """One gallery: a row for each attack and attacked model, a column for each model that classifies.

    All ``originals`` classify the images correctly before; galleries with the same ones show the same images.
    """

    def cells(setup: Setup) -> Cells:
        targets = {model: setup.target(model, data=data) for model in models}
        among = tuple(setup.target(model, data=data) for model in originals)
        found: dict[tuple[str, str], Cell] = {}
        for (attack, short), (attacked, source) in product(attacks.items(), targets.items()):
            images = setup.generate(source, attack=attack, samples=setup.scale.gallery, among=among)
            found |= scores({models[model]: target for model, target in targets.items()}, {f"{attacked} {short}": images}, "all")
        return {(row, label): cell for (label, row), cell in found.items()}

    return figure(
        number,
        title,
        section,
        caption=f"Rows are models with the attack that generated the images on them: MIFGSM of radius {strength} ({kept}). "
        "Columns are evaluated models, a number is the share of the images shown that they classify correctly; where both are one "
        "model, the attack is white-box.",
        data=data,
        columns=tuple(models.values()),
        rows=tuple(Row(f"{model} {short}", f"{label}, {short}") for short in attacks.values() for model, label in models.items()),
        cells=cells,
        view="gallery",
        notes=(*notes, PLACEMENT),
    )


_cifar10 = partial(
    _exhibit,
    data="cifar10",
    originals=tuple(_MODELS),
    attacks={_mifgsm(16, 20): "MIFGSM16", _mifgsm(32, 40): "MIFGSM32"},
    strength="16/255 in 20 steps or 32/255 in 40, of 1/255 each",
    kept="0.2-Bottom: a fifth of the bottom neurons kept; 0.1-Blocks 1, 2: a tenth in these blocks",
)
_TINY_MODELS = {model: label for model, label in _MODELS.items() if model != "resnet18/0.2-bottom"}
_tiny_imagenet = partial(
    _exhibit,
    data="tiny-imagenet",
    models=_TINY_MODELS,
    originals=tuple(_TINY_MODELS),
    kept="0.1-Blocks 1, 2: a tenth of the neurons in these blocks kept",
)

EXHIBITS = (
    _cifar10(
        1,
        "Adversarial CIFAR-10 images of defective models",
        "Section 1",
        "The paper sends the reader to Appendix B for models and attacks and names neither, nor the data set: shown are the CIFAR-10 "
        "images of Figure 6's defective models.",
        "The paper does not say how it chose its images; these are the first in a seeded order that all models of Figure 6 "
        "classify correctly.",
        models=_DEFECTIVE,
    ),
    _cifar10(
        6,
        "Adversarial CIFAR-10 images of defective models and of the standard model",
        "Appendix B.1",
        "The paper gives the scales, 16 and 32, but no steps: as in its PGD, they are of size 1, 20 and 40 in number (the released "
        "MIFGSM has the latter).",
        "The paper does not say how it chose its images; these are the first in a seeded order that all three models classify correctly.",
        _SECOND_ROWS,
        models=_MODELS,
    ),
    _tiny_imagenet(
        7,
        "Adversarial Tiny-ImageNet images of a defective model and of the standard model",
        "Appendix B.1",
        "Scales and step numbers are paired as the text has them. The pairs may be swapped: 40 steps of size 1 cannot reach scale 64, "
        "and Figure 15 pairs 64 with 80 steps.",
        "The paper does not say how it chose its images; these are the first in a seeded order that both models classify correctly.",
        _TINY_UNRELEASED,
        _SECOND_ROWS,
        attacks={_mifgsm(64, 40): "MIFGSM64 (40 steps)", _mifgsm(32, 80): "MIFGSM32 (80 steps)"},
        strength="64/255 in 40 steps or 32/255 in 80, of 1/255 each",
    ),
    _tiny_imagenet(
        15,
        "A random sample of adversarial Tiny-ImageNet images of a defective model and of the standard model",
        "Appendix B.2",
        "The sample is of images that both models classify correctly, the same as in Figure 7; the paper does not say whether its own is.",
        "The caption calls the defective model Random Mask.",
        _TINY_UNRELEASED,
        attacks={_mifgsm(64, 80): "MIFGSM64 (80 steps)"},
        strength="64/255 in 80 steps of 1/255",
    ),
)
