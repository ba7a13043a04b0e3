"""What Appendices A to D say of their numbers beyond the main text, one claim for each distinct sentence, in the paper's order."""

import math

from defective.paper.claims import Block, Claim, Part, Place, falling_along, pairs
from defective.paper.main_claims import ARCHITECTURES, VARIANTS
from defective.paper.published import printed

SIGMAS = (1, 2, 4, 8, 12, 16, 20, 24, 28, 32)
NOISY = ("resnet18", "resnet18/0.5-bottom", "resnet18/0.3-bottom", "resnet18/0.1-bottom")
# The weak PGD settings of Appendix A.8, and who is attacked by them: in cells beside Table 11, which prints none of them.
WEAK = ("PGD1,4", "PGD2,4", "PGD4,4", "PGD1,8", "PGD2,8", "PGD4,8", "PGD4,16", "PGD2,32", "PGD4,32")
WEAKLY_ATTACKED = ("resnet18", *(f"resnet18/{p}-bottom" for p in ("0.7", "0.5", "0.3", "0.1")))
# The share of images on which an attack fools the model that it attacks.
SOURCE = "source"
# The test accuracy after half of the epochs, beside Table 3.
HALF_WAY = "half-way"
_BY_ARCHITECTURE = {
    arch: [row.name for row in printed("table3").rows if row.name.partition("/")[0] == arch] for arch in ARCHITECTURES
}


def _scales(*columns: str) -> tuple[Block, ...]:
    """The rates of every model fall from a small scale of an attack to a large one."""
    return tuple(
        block
        for name in list(VARIANTS)[1:]
        for block in falling_along(name, [row.name for row in printed(name).rows], [c for c in columns if c in VARIANTS[name]])
    )


def _grey(source: str) -> tuple[Block, ...]:
    """Defective models attacked from their like, with the same masks and with others, against the standard model from its like."""
    column = f"{source.partition('/')[2].removesuffix('-bottom')}-Bottom"
    standard = (Place("table10", "resnet18", "ResNet-18"), -1.0)
    return tuple(((Place("table9", row, column), 1.0), standard) for row in (source, f"{source} dif"))


_STRONG = [str(sigma) for sigma in SIGMAS if sigma > 8]
_FALL = [str(sigma) for sigma in SIGMAS if sigma >= 8]
_WHITE_BOX = ("FGSM1", "FGSM2", "FGSM4", "PGD2", "PGD4", "PGD8")
GREY = ("resnet18/0.5-bottom", "resnet18/0.3-bottom")
_HIGH = 80.0


def _white_box(*columns: str) -> tuple[Block, ...]:
    return falling_along("table8", GREY, columns)


def _slower() -> tuple[Block, ...]:
    [standard], [defective] = (falling_along("figure5", [row], _FALL) for row in ("resnet18", "resnet18/0.1-bottom"))
    return ((*standard, *((place, -weight) for place, weight in defective)),)


def _noise_above(row: str, sigma: int) -> Part:
    return Part((((Place("figure5", row, str(sigma)), 1.0),),), f"at σ = {sigma} above {_HIGH:g} %", _HIGH)


def _fooled(*columns: str) -> Block:
    """The success of attacks on their own source falls from one step size to the next."""
    [block] = falling_along("table11", [SOURCE], columns)
    return block


_BOUND = "The bound of 80 % is ours: the paper puts no number on robust or on high accuracy."

APPENDIX = (
    Claim(
        "smoothing",
        "Label smoothing, which masks gradients, does not increase the robustness to the boundary attack.",
        "Appendix A.4",
        "no better",
        (Part(pairs("table7", ("S(M)",), [("resnet18 smoothed", "resnet18")])),),
        margin=math.log(1.25),
        note="The margin, a quarter of the score, is ours.",
    ),
    Claim(
        "boundary",
        "The defective model needs significantly larger perturbations in the boundary attack than the standard one.",
        "Appendix A.4",
        "better",
        (Part(pairs("table7", ("S(M)",), [("resnet18/0.1-bottom", "resnet18")])),),
    ),
    Claim(
        "weak-noise",
        "The standard model is robust to weak noise, up to 8.",
        "Appendix A.5",
        "better",
        (_noise_above("resnet18", 8),),
        note=_BOUND,
    ),
    Claim(
        "noise-drops",
        "Beyond 8, the accuracy of the standard model drops as the noise increases.",
        "Appendix A.5",
        "trend",
        (Part(falling_along("figure5", ["resnet18"], _FALL)),),
    ),
    Claim(
        "noise",
        "Under stronger noise defective models are far more robust than the standard one.",
        "Appendix A.5",
        "better",
        (Part(pairs("figure5", _STRONG, [(row, "resnet18") for row in NOISY[1:]])),),
    ),
    Claim(
        "noise-16",
        "The model that keeps a tenth of its bottom neurons maintains high accuracy until the noise reaches 16.",
        "Appendix A.5",
        "better",
        (_noise_above("resnet18/0.1-bottom", 16),),
        note=_BOUND,
    ),
    Claim(
        "noise-slower",
        "The accuracy of that model falls much more slowly than that of the standard one as the noise increases.",
        "Appendix A.5",
        "trend",
        (Part(_slower()),),
    ),
    Claim(
        "white-box",
        "Defective layers improve the defence under various kinds of white-box attack.",
        "Appendix A.6",
        "better",
        (Part(pairs("table8", _WHITE_BOX, [(row, "resnet18") for row in GREY])),),
    ),
    Claim(
        "masking",
        "Defective models show neither obfuscated gradients nor gradient masking.",
        "Appendix A.6",
        "better",
        (
            Part((*_white_box("FGSM2", "PGD2"), *_white_box("FGSM4", "PGD4")), "several steps are stronger than one"),
            Part(_white_box("PGD2", "PGD4", "PGD8"), "larger scales are stronger"),
            Part(
                tuple(((Place("table9", row, f"{row[9:12]}-Bottom"), 1.0), (Place("table8", row, "PGD8"), -1.0)) for row in GREY),
                "own gradients at scale 8 are stronger than a like model's at scale 16",
            ),
        ),
        note="Three signs of masked gradients, by Athalye et al. 2018, Section 3.1; defective evaluate --checks has more.",
    ),
    Claim(
        "masks",
        "Attacked from the same masks or from others, defective models perform similarly.",
        "Appendix A.7",
        "similar",
        tuple(Part(pairs("table9", (f"{row[9:12]}-Bottom",), [(row, f"{row} dif")]), f"{row[9:12]}-Bottom") for row in GREY),
        margin=5.0,
        note="Sources and targets keep the same share, as in the text; the margin of 5 points is ours.",
    ),
    Claim(
        "gray-box",
        "Attacked from their like, defective models defend better than the standard model does from its like.",
        "Appendix A.7",
        "better",
        (Part((*_grey(GREY[0]), *_grey(GREY[1]))),),
    ),
    Claim(
        "larger-scale",
        "The larger the perturbation scale, the stronger the attack.",
        "Appendix A.8",
        "trend",
        (Part(_scales("FGSM8", "FGSM16", "FGSM32"), "FGSM"), Part(_scales("PGD16", "PGD32"), "PGD")),
    ),
    Claim(
        "smaller-steps",
        "For a fixed scale, the smaller its steps, the more successful the attack.",
        "Appendix A.8",
        "trend",
        (
            Part(
                (
                    _fooled("PGD1,4", "PGD2,4", "PGD4,4"),
                    _fooled("PGD1,8", "PGD2,8", "PGD4,8"),
                    _fooled("PGD16", "PGD2,16", "PGD4,16"),
                    _fooled("PGD32", "PGD2,32", "PGD4,32"),
                )
            ),
        ),
        note="Success on the attacked model itself, which the paper does not print; what transfers is an observation of ours below.",
    ),
    Claim(
        "weak-attacks",
        "Defective models also perform much better on weak PGD attacks.",
        "Appendix A.8",
        "better",
        (Part(pairs("table11", WEAK, [(row, "resnet18") for row in WEAKLY_ATTACKED[1:]])),),
        note="Nine settings that the paper tried and does not print, made on DenseNet-121.",
    ),
    Claim(
        "confidence",
        "With a large confidence, CW hardly finds adversarial examples for VGG-19; with a small one, they hardly transfer.",
        "Appendix A.8",
        "better",
        (
            Part(
                (((Place("table11", SOURCE, "CW40"), 1.0), (Place("table15", SOURCE, "CW40"), -1.0)),),
                "fooled: DenseNet-121 above VGG-19",
            ),
            Part(falling_along("table11", ["resnet18"], ["CW0", "CW40"]), "ResNet-18 defends better from 0 than from 40"),
        ),
        note="The paper prints neither. A small confidence is 0 here.",
    ),
    Claim(
        "curves",
        "Different structures share similar tendencies of the train and test curves.",
        "Appendix D",
        "better",
        tuple(
            Part(tuple(((Place("table3", row, column), 1.0), (Place("table3", row, HALF_WAY), -1.0)) for row in rows), label)
            for label, rows in _BY_ARCHITECTURE.items()
            for column in [printed("table3").columns[-1]]
        ),
        note="The tendency is ours to choose: the test accuracy still rises in the second half of training, for every architecture.",
    ),
)
