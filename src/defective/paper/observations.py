"""What we observe of the paper's numbers and the paper does not say."""

from dataclasses import replace
from itertools import permutations

from defective.paper.ablations import BOTTOMS
from defective.paper.architectures import LABELS
from defective.paper.claims import Block, CellKey, Part, claim, difference, falling_along, pairs
from defective.paper.main_claims import TRANSFER, VARIANTS, variants
from defective.paper.white_gray_box import GRAY_BOX, SAME_CLASS, STANDARD, UNBOUNDED

_ENSEMBLED = ("0.5-bottom-x2", "0.5-bottom", "0.3-bottom", "0.1-bottom")
_BOTH = ("0.5 0.5", "0.7 0.7", "0.7 0.3", "0.3 0.3", "0.3 0.7")
_STEPS = [name for name in list(VARIANTS)[1:] if "PGD2,16" in VARIANTS[name]]


def _defended(more: str, less: str) -> tuple[Block, ...]:
    return tuple(difference(CellKey("table8", row, more), CellKey("table8", row, less)) for row in GRAY_BOX)


_OF_STANDARD = CellKey("table10", STANDARD, f"ResNet-18{SAME_CLASS}")

_CLAIMS = (
    claim(
        "fewer-anywhere",
        "On every architecture keeping 30 % defends better than keeping 50 %.",
        "Tables 3, 5, 6",
        "better",
        *(
            Part(pairs(name, TRANSFER[name], [(f"{arch}/0.3-bottom", f"{arch}/0.5-bottom") for arch in LABELS]), about)
            for name, about in {"table3": "single models", "table5": "ensembles", "table6": "MNIST"}.items()
        ),
        note="The paper says so of ResNet-18.",
    ),
    claim(
        "bottom-always",
        "Bottom layers alone defend better than with top layers added, whatever share is kept.",
        "Tables 4, 11-15",
        "better",
        Part(variants(*((f"{b}-bottom", f"{b}-bottom+{t}-top") for b, t in map(str.split, _BOTH)))),
        note="The paper says that they can.",
    ),
    claim(
        "ensembles",
        "Five defective models together defend better, and are more accurate, than one.",
        "Tables 11-15",
        "better",
        Part(variants(*((f"{variant}-en", variant) for variant in _ENSEMBLED)), "rate"),
        Part(variants(*((f"{variant}-en", variant) for variant in _ENSEMBLED), ("en", ""), accuracy=True), "accuracy"),
        note="Tables 11-15 print ensembles; the text says nothing of them.",
    ),
    claim(
        "transferred-steps",
        "Transferred to defective models, PGD with steps of 1 is stronger than with steps of 2.",
        "Tables 11-15",
        "better",
        Part(tuple(block for name in _STEPS for block in falling_along(name, BOTTOMS, ["PGD2,16", "PGD16"]))),
        note="The paper says so of attacks as such; in 39 of 40 printed comparisons the transferred rate is lower for steps of 2.",
    ),
    claim(
        "masks-of-others",
        "Attacked from a model that keeps another share, too, masks of the same or of other seeds make little difference.",
        "Table 9",
        "similar",
        *(
            Part(pairs("table9", [other], [(row, f"{row} dif")]), own)
            for (row, own), (_, other) in permutations(GRAY_BOX.items(), 2)
        ),
        margin=5.0,
        note="The paper compares models of the same share; the margin of 5 points is ours.",
    ),
    claim(
        "gradients-lead",
        "Defective models' own gradients lead to adversarial examples: without a bound on every image, and better than noise.",
        "Table 8",
        "better",
        Part(
            tuple(((CellKey("table8", row, UNBOUNDED), 1.0),) for row in GRAY_BOX),
            "without a bound PGD fools on more than 99 %",
            99.0,
        ),
        Part(_defended("noise of 8", "PGD8"), "PGD8 is stronger than noise of 8"),
        note="Two checks of masked gradients by Athalye et al. 2018, Section 3.1, and Carlini et al. 2019.",
    ),
    claim(
        "steps-suffice",
        "Four times as many steps make PGD8 on defective models little stronger: it has converged.",
        "Table 8",
        "similar",
        Part(_defended("PGD8", "PGD8, 40 steps")),
        margin=5.0,
        note="A check of Carlini et al. 2019; the margin of 5 points is ours.",
    ),
    claim(
        "semantic",
        "The class that a defective model assigns to an adversarial example generated on it is that of an independent standard model, "
        "too, more often than the class that a standard model assigns to its own.",
        "Section 3.2, Tables 9, 10",
        "better",
        Part(tuple(difference(CellKey("table9", STANDARD, f"{column}{SAME_CLASS}"), _OF_STANDARD) for column in GRAY_BOX.values())),
        note="A number for what the paper shows by eye: that attacks on defective models change the meaning of an image.",
    ),
)
OBSERVATIONS = tuple(replace(each, ours=True) for each in _CLAIMS)
