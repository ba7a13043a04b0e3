"""What Appendices A to D say of their numbers beyond the main text, one claim for each distinct sentence, in the paper's order."""

import math

from defective.paper.ablations import ATTACKED, PGD_SETTINGS
from defective.paper.architectures import HALF_WAY, LABELS
from defective.paper.claims import Block, CellKey, Part, against_mean, claim, difference, falling_along, pairs
from defective.paper.corruptions import NOISY, SIGMAS
from defective.paper.main_claims import MUCH, MUCH_IS_OURS, ONE_PART_EACH, VARIANTS, architectures
from defective.paper.published import printed
from defective.paper.white_gray_box import GRAY_BOX, OF_CORRECT, STANDARD
from defective.specs import WHITE_BOX_ATTACKS

(*_, _ACCURACY), _ROWS = printed("table3")


def _scales(*columns: str) -> tuple[Block, ...]:
    """The rates of every model fall from a small scale of an attack to a large one."""
    return tuple(
        block
        for name in list(VARIANTS)[1:]
        for block in falling_along(name, [row.name for row in printed(name).rows], [c for c in columns if c in VARIANTS[name]])
    )


def _second_half() -> tuple[Part, ...]:
    """What the second half of training adds to each architecture's test accuracy, against the mean of the others."""
    end, half_way = (
        against_mean(
            {
                label: [CellKey("table3", row.name, column) for row in _ROWS if row.name.partition("/")[0] == arch]
                for arch, label in LABELS.items()
            }
        )
        for column in (_ACCURACY, HALF_WAY)
    )
    return tuple(
        Part(((*last.blocks[0], *((key, -weight) for key, weight in first.blocks[0])),), last.about)
        for last, first in zip(end, half_way, strict=True)
    )


def _gray_box() -> tuple[Block, ...]:
    """Defective models attacked from others of the same kind, against the standard model attacked from another."""
    standard = CellKey("table10", STANDARD, "ResNet-18")
    return tuple(difference(CellKey("table9", model, column), standard) for model, column in GRAY_BOX.items())


# The nine settings that no table prints.
_WEAK = [column for column in PGD_SETTINGS if column not in VARIANTS["table11"]]
_STRONG = [str(sigma) for sigma in SIGMAS if sigma > 8]
_FALL = [str(sigma) for sigma in SIGMAS if sigma >= 8]
_HIGH = 80.0


def _white_box(*columns: str) -> tuple[Block, ...]:
    return falling_along("table8", GRAY_BOX, columns)


def _slower() -> tuple[Block, ...]:
    [standard], [defective] = (falling_along("figure5", [row], _FALL) for row in ("resnet18", "resnet18/0.1-bottom"))
    return ((*standard, *((key, -weight) for key, weight in defective)),)


def _noise_above(row: str, sigma: int) -> Part:
    return Part((((CellKey("figure5", row, str(sigma)), 1.0),),), f"at σ = {sigma} above {_HIGH:g} %", _HIGH)


_BOUND = "The bound of 80 % is ours: the paper puts no number on robust or on high accuracy."

APPENDIX = (
    claim(
        "ensemble-sources",
        "Defective layers consistently improve the robustness of various architectures to transfer attacks from ensembles.",
        "Appendix A.2",
        "better",
        *architectures("table5"),
        note=ONE_PART_EACH,
    ),
    claim(
        "mnist",
        "Defective layers consistently improve the robustness of various architectures to transfer attacks on MNIST.",
        "Appendix A.3",
        "better",
        *architectures("table6"),
        note=ONE_PART_EACH,
    ),
    claim(
        "smoothing",
        "Label smoothing, which masks gradients, does not increase the robustness to the boundary attack.",
        "Appendix A.4",
        "no better",
        Part(pairs("table7", ("S(M)",), [("resnet18 smoothed", "resnet18")])),
        margin=math.log(1.25),
        note="The margin, a quarter of the score, is ours.",
    ),
    claim(
        "boundary",
        "The defective model needs significantly larger perturbations in the boundary attack than the standard one.",
        "Section 1, Appendix A.4",
        "better",
        Part(pairs("table7", ("S(M)",), [("resnet18/0.1-bottom", "resnet18")])),
    ),
    claim(
        "weak-noise",
        "The standard model is robust to weak noise, up to 8.",
        "Appendix A.5",
        "better",
        _noise_above("resnet18", 8),
        note=_BOUND,
    ),
    claim(
        "noise-drops",
        "Beyond 8, the accuracy of the standard model drops sharply as the noise increases.",
        "Appendix A.5",
        "trend",
        Part(falling_along("figure5", ["resnet18"], _FALL), bound=MUCH),
        note=MUCH_IS_OURS,
    ),
    claim(
        "noise",
        "Under stronger noise defective models are far more robust than the standard one.",
        "Section 1, Appendix A.5",
        "better",
        Part(pairs("figure5", _STRONG, [(row, "resnet18") for row in list(NOISY)[1:]]), bound=MUCH),
        note=MUCH_IS_OURS,
    ),
    claim(
        "noise-16",
        "The model that keeps a tenth of its bottom neurons maintains high accuracy until the noise reaches 16.",
        "Appendix A.5",
        "better",
        _noise_above("resnet18/0.1-bottom", 16),
        note=_BOUND,
    ),
    claim(
        "noise-slower",
        "The accuracy of that model falls much more slowly than that of the standard one as the noise increases.",
        "Appendix A.5",
        "trend",
        Part(_slower(), bound=MUCH),
        note=MUCH_IS_OURS,
    ),
    claim(
        "white-box",
        "Defective layers improve the defence under various kinds of white-box attack.",
        "Appendix A.6",
        "better",
        *(Part(pairs("table8", [column], [(row, STANDARD) for row in GRAY_BOX]), column) for column in WHITE_BOX_ATTACKS),
    ),
    claim(
        "white-box-others",
        "On other architectures the results under white-box attacks are similar.",
        "Appendix A.6",
        "similar",
        note="The paper prints no numbers of them.",
    ),
    claim(
        "masking",
        "Defective models show neither obfuscated gradients nor gradient masking.",
        "Appendix A.6",
        "better",
        Part((*_white_box("FGSM2", "PGD2"), *_white_box("FGSM4", "PGD4")), "several steps are stronger than one"),
        Part(_white_box("PGD2", "PGD4", "PGD8"), "larger scales are stronger"),
        Part(
            tuple(
                difference(CellKey("table9", row, f"{column}{OF_CORRECT}"), CellKey("table8", row, "PGD8"))
                for row, column in GRAY_BOX.items()
            ),
            "own gradients at scale 8 are stronger than those of a model of the same kind at scale 16",
        ),
        note="Three signs of masked gradients, by Athalye et al. 2018, Section 3.1; defective evaluate --parts checks has more. The last "
        "compares shares of all images that the attacked model classified correctly before; Table 9 prints those of the images among "
        "them that fool the source.",
    ),
    claim(
        "masks",
        "Attacked from the same masks or from others, defective models perform similarly.",
        "Appendix A.7",
        "similar",
        *(Part(pairs("table9", [column], [(row, f"{row} dif")]), column) for row, column in GRAY_BOX.items()),
        margin=5.0,
        note="Sources and targets keep the same share, as in the text; the margin of 5 points is ours.",
    ),
    claim(
        "gray-box",
        "Attacked from models of the same kind, defective models defend better than the standard model.",
        "Section 1, Appendix A.7",
        "better",
        Part(_gray_box()),
        note="The rows DIF are left out: their models are the targets of the next seed, and a training may count only once.",
    ),
    claim(
        "larger-scale",
        "The larger the perturbation scale, the stronger the attack.",
        "Appendix A.8",
        "trend",
        Part(_scales("FGSM8", "FGSM16", "FGSM32"), "FGSM"),
        Part(_scales("PGD16", "PGD32"), "PGD"),
    ),
    claim(
        "smaller-steps",
        "For a fixed scale, the smaller its steps, the more successful the attack.",
        "Appendix A.8",
        "trend",
        Part(
            tuple(
                block
                for scale in (4, 8, 16, 32)
                for block in falling_along("settings", ["densenet121"], [f"PGD{scale}", f"PGD2,{scale}", f"PGD4,{scale}"])
            )
        ),
        note="Success on the attacked model itself, which the paper does not print; where it is nearly whole, steps make no difference. Of "
        "what transfers, which it prints, 142 of 155 rows of Tables 11-15 point the other way: an observation of ours.",
    ),
    claim(
        "weak-attacks",
        "Defective models also perform much better on weak PGD attacks.",
        "Appendix A.8",
        "better",
        Part(pairs("settings", _WEAK, [(row, STANDARD) for row in list(ATTACKED)[1:]]), bound=MUCH),
        note=f"{MUCH_IS_OURS} Nine settings that the paper tried and does not print, generated on DenseNet-121.",
    ),
    claim(
        "confidence",
        "With a large confidence, CW hardly finds adversarial examples for VGG-19; with a small one, they hardly transfer.",
        "Appendix A.8",
        "better",
        Part(
            (difference(CellKey("settings", "densenet121", "CW40"), CellKey("settings", "vgg19", "CW40")),),
            "fooled: DenseNet-121 above VGG-19",
        ),
        Part(falling_along("settings", [STANDARD], ["CW0", "CW40"]), "ResNet-18 defends better from 0 than from 40"),
        note="The paper prints neither. A small confidence is 0 here. Hardly: tested is less often than on DenseNet-121, and than from 40.",
    ),
    claim(
        "curves",
        "Different structures share similar tendencies of the train and test curves.",
        "Appendix D",
        "similar",
        *_second_half(),
        margin=10.0,
        note="Each architecture against the mean of the others, in what the second half of training adds to the test accuracy; the margin "
        "of 10 points is ours. Train curves are not compared.",
    ),
)
