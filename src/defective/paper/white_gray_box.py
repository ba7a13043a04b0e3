"""Tables 8-10: white-box attacks, and gray-box attacks from models of the same architecture, with the same masks or others.

The paper claims that defective models are more robust to both, and that knowing the masks makes little difference.
"""

from defective.paper.exhibit import Cell, Cells
from defective.paper.protocol import DEFENCE_RATE, LAST_COLUMN, PGD16, TRAINED, TRANSFER, accuracies, scores, table
from defective.paper.published import printed
from defective.paper.setup import Setup, target_seed
from defective.specs import WHITE_BOX_ATTACKS, ScoreJob

STANDARD = "resnet18"
# The defective models, and what they are called as the columns of Table 9.
GRAY_BOX = {"resnet18/0.5-bottom": "0.5-Bottom", "resnet18/0.3-bottom": "0.3-Bottom"}
UNBOUNDED = "share fooled without a bound"
# Attacks that tell whether gradients are masked, on the defective models of Table 8, in cells beside it. The noise is as strong as PGD8
# in the mean of its squares at least.
CHECKS = {
    "PGD8, 40 steps": "pgd:eps=8/255,step_size=1/255,steps=40",
    UNBOUNDED: "pgd:eps=1,step_size=16/255,steps=50",
    "noise of 8": "noise:sigma=8/255",
}
# Ends the name of a column beside Tables 9 and 10: the share of its images in which a standard model sees the class that its source sees.
SAME_CLASS = " (same class)"
# Ends the name of a column beside Table 9: the share of all images that the row's model classified correctly, as in Table 8.
OF_CORRECT = " (of all correct)"

_WHITE_ROWS = printed("table8").rows


def _white_box(setup: Setup) -> Cells:
    targets = {row.name: setup.target(row.name) for row in _WHITE_ROWS}
    adversarial = {
        (row, column): setup.generate(target, attack=attack)
        for row, target in targets.items()
        for column, attack in (WHITE_BOX_ATTACKS | (CHECKS if row in GRAY_BOX else {})).items()
    }
    scored = {key: Cell(ScoreJob(target=targets[key[0]], adversarial=job), "target-correct") for key, job in adversarial.items()}
    fooled = {(row, UNBOUNDED): Cell(adversarial[row, UNBOUNDED], "fooled") for row in GRAY_BOX}
    return scored | fooled | accuracies(targets)


_TABLE8 = table(
    8,
    "White-box attacks",
    "Appendix A.6",
    caption="Rows are ResNet-18s (p-Bottom: a share p of the bottom neurons kept), each attacked with its own gradients; columns "
    "are attacks, radius in levels of 255 (PGD: 4, 6 and 10 steps of 1). A number is the share of attacked images that the model "
    f"classifies correctly, of those that it classified correctly before{LAST_COLUMN}",
    cells=_white_box,
    notes=(
        *TRAINED,
        "Every step is a whole pixel value, so that rounding to 8 bits changes nothing.",
        "The released script divides the FGSM columns by all 5,000 images it was given, those it skips as misclassified among "
        "them, so its numbers may come out lower.",
        "Defective models are also attacked without a bound, with more steps and by noise; that is measured for two observations "
        "of ours and not printed.",
    ),
)

# Ends the name of a row whose masks are not the source's.
_OTHER = " dif"


def _gray_box_defective(setup: Setup) -> Cells:
    masks = target_seed(setup.replicate)
    adversarial = {label: setup.generate(setup.source(model, mask_seed=masks), attack=PGD16) for model, label in GRAY_BOX.items()}
    targets = {}
    for model in GRAY_BOX:
        targets[model] = setup.target(model)
        # The next replicate's target, which other repetitions train anyway.
        targets[model + _OTHER] = setup.target(model, seed=target_seed(setup.replicate + 1))
    same_class = {f"{label}{SAME_CLASS}": images for label, images in adversarial.items()}
    of_correct = {
        (model, f"{label}{OF_CORRECT}"): Cell(ScoreJob(target=targets[model], adversarial=adversarial[label]), "target-correct")
        for model, label in GRAY_BOX.items()
    }
    return scores(targets, adversarial) | scores({STANDARD: setup.target(STANDARD)}, same_class, "same-class") | of_correct


_TABLE9 = table(
    9,
    "Gray-box attacks on defective models",
    "Appendix A.7",
    caption="Rows are attacked ResNet-18s that keep a share p of the bottom neurons (DIF: with masks of another seed than the "
    "columns' models), columns such models of other initial weights on which PGD generates adversarial examples: "
    "radius 16/255, 20 steps of 1/255. "
    f"{DEFENCE_RATE}.",
    cells=_gray_box_defective,
    notes=(
        *TRANSFER,
        "Masks of one seed are nested: every neuron that lives in 0.3-Bottom lives in 0.5-Bottom, too. So where a row without "
        "DIF meets the column of the other share, the two models have these neurons in common.",
        "Whether a standard model sees in these images what the columns' models see is measured for an observation of ours and not "
        "printed; so is the share of all images that the attacked model classifies correctly, for the claim on masked gradients.",
    ),
)

_PLAIN_ROWS = printed("table10").rows


def _gray_box_plain(setup: Setup) -> Cells:
    adversarial = {row.label: setup.generate(setup.source(row.name), attack=PGD16) for row in _PLAIN_ROWS}
    found = scores({row.name: setup.target(row.name) for row in _PLAIN_ROWS}, adversarial)
    return found | {(STANDARD, f"ResNet-18{SAME_CLASS}"): Cell(found[STANDARD, "ResNet-18"].job, "same-class")}


_TABLE10 = table(
    10,
    "Gray-box attacks on standard models",
    "Appendix A.7",
    caption="Rows are attacked models, columns the models of other initial weights on which PGD generates adversarial examples: "
    "radius 16/255, 20 "
    f"steps of 1/255. {DEFENCE_RATE}.",
    cells=_gray_box_plain,
    notes=TRANSFER,
)

EXHIBITS = (_TABLE8, _TABLE9, _TABLE10)
