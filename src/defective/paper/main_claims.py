"""What Sections 1 to 5 say of their numbers, one claim for each distinct sentence, in the paper's order.

A sentence that the paper repeats for several tables is one claim over the cells of all of them. Where it says consistently, various or
state of the art, each case is a part. Margins and bounds are ours where the paper names none. They were written down when all tables had
been measured at scale tiny, at one seed: what those numbers tell is exploratory.
"""

from collections.abc import Mapping

from defective.paper.ablations import BOTTOMS
from defective.paper.architectures import LABELS
from defective.paper.claims import Block, CellKey, Part, against_mean, claim, pairs, rising
from defective.paper.published import printed

TRANSFER = {name: printed(name).columns[:-1] for name in ("table2", "table3", "table5", "table6")}
VARIANTS = {name: printed(name).columns[:-1] for name in ("table4", *(f"table{number}" for number in range(11, 16)))}
_ACCURACY = {name: printed(name).columns[-1] for name in (*TRANSFER, *VARIANTS)}
# By architecture, each defective model and the standard one.
_PAIRS = {arch: [(f"{arch}/{p}-bottom", arch) for p in ("0.5", "0.3")] for arch in LABELS}
_DEFECTIVE = [pair for pairs_of_one in _PAIRS.values() for pair in pairs_of_one]
_SHARES = ("0.5", "0.3", "0.1")


def variants(*rows: tuple[str, str], accuracy: bool = False) -> tuple[Block, ...]:
    """Variants of ResNet-18 against each other, in every table that has both."""
    found: list[Block] = []
    for name, columns in VARIANTS.items():
        present = {row.name for row in printed(name).rows}
        named = [(f"resnet18/{high}", f"resnet18/{low}".removesuffix("/")) for high, low in rows]
        shown = [pair for pair in named if present.issuperset(pair)]
        found += pairs(name, (_ACCURACY[name],) if accuracy else columns, shown)
    return tuple(found)


def _at_each_share(high: str, low: str, *, accuracy: bool = False) -> tuple[Block, ...]:
    """Two variants against each other at every share of bottom neurons that is kept, which stands in their names for ``{}``."""
    return variants(*((high.format(p), low.format(p)) for p in _SHARES), accuracy=accuracy)


def _trends(accuracy: bool) -> tuple[Block, ...]:
    """The defence rate rises as fewer bottom neurons are kept; the accuracy falls."""
    found: list[Block] = []
    for name, columns in VARIANTS.items():
        present = {row.name for row in printed(name).rows}
        rows = [row for row in ("resnet18", *BOTTOMS) if row in present]
        found += rising(name, (_ACCURACY[name],), rows[::-1]) if accuracy else rising(name, columns, rows)
    drawn = rising("figure4", ("Test Accuracy",), BOTTOMS[::-1]) if accuracy else rising("figure4", ("PGD16",), BOTTOMS)
    return (*found, *drawn)


_TABLE3 = [CellKey("table3", row, column) for row, _ in _DEFECTIVE for column in TRANSFER["table3"]]
_BY_SOURCE = {column: [key for key in _TABLE3 if key.column == column] for column in TRANSFER["table3"]}
_BY_TARGET = {label: [key for key in _TABLE3 if key.row.startswith(f"{arch}/")] for arch, label in LABELS.items()}
_WRN, _WRN_DEFECTIVE = "wrn32_4", "wrn32_4/0.1-bottom"
_DROPOUT = {"wrn32_4/0.9-spatial": "SpatialDropout", "wrn32_4/0.9-dropblock": "DropBlock"}
_STATE_OF_THE_ART = {
    "wrn32_4 adversarial": "adversarial training",
    "wrn32_4/therm16 adversarial": "thermometer code (16)",
    "wrn32_4/therm32 adversarial": "thermometer code (32)",
}
_OPERATIONS = (
    "Counted in multiply-adds of convolutions at outputs that are not masked, on models as they are built, a quarter as wide."
)

# What counts as much, in points, where the paper says much or far and names no amount; and as small, of a loss of test accuracy.
MUCH, SMALL = 10.0, 5.0
MUCH_IS_OURS = f"Much: by more than {MUCH:g} points, a bound of ours."


def _rivals(columns: tuple[str, ...], rivals: Mapping[str, str]) -> tuple[Part, ...]:
    """The defective model of Table 2 against each rival, in each column."""
    return tuple(
        Part(pairs("table2", [column], [(_WRN_DEFECTIVE, rival)]), f"{column}: {about}")
        for column in columns
        for rival, about in rivals.items()
    )


def architectures(name: str) -> tuple[Part, ...]:
    """Each defective model of a table against the standard one of its architecture, over all sources."""
    return tuple(
        Part(pairs(name, TRANSFER[name], [pair]), f"{label}, {p}-Bottom")
        for arch, label in LABELS.items()
        for pair, p in zip(_PAIRS[arch], ("0.5", "0.3"), strict=True)
    )


ONE_PART_EACH = "Consistently: each architecture at each share that is kept, over five sources."

MAIN = (
    claim(
        "parameters",
        "Defective neurons do not reduce the number of parameters.",
        "Section 3.1, Figure 2",
        "equal",
        Part(pairs("table3", (_ACCURACY["table3"],), _DEFECTIVE), "parameters"),
        note="Counted on the models of Table 3 as they are built: nothing is left to chance or training.",
    ),
    claim(
        "shuffled",
        "Shuffled patches, which keep textures and destroy shapes, consistently hurt the defective model more than the standard one.",
        "Section 3.2",
        "better",
        *(Part(pairs("table1", [column], [("resnet18", "resnet18/0.1-bottom")]), column) for column in printed("table1").columns),
    ),
    claim(
        "shapes",
        "Adversarial examples generated by defective models have more semantic shapes of the classes they are taken for.",
        "Section 3.2, Appendix B.1",
        "qualitative",
        note="Figures 1, 6, 7 and 15.",
    ),
    claim(
        "humans",
        "Adversarial examples generated by defective models change the meaning of images for humans and may fool them, too.",
        "Section 4, Section 5, Appendix B.1",
        "qualitative",
        note="Not tested here: it takes a study with people. Figures 1, 6, 7 and 15 show examples; how often another model is fooled "
        "alike is an observation of ours.",
    ),
    claim(
        "excluded",
        "Examples that change the meaning are not adversarial and should not be used to evaluate robustness.",
        "Section 4",
        "qualitative",
        note="Not tested here: a judgement that rests on the claim before, and that no number decides; by it the paper mainly tests "
        "black-box attacks. White-box attacks are measured all the same, in Table 8.",
    ),
    claim(
        "defences",
        "Trained on clean images alone, the defective model is more robust than the standard one with or without dropout, than "
        "adversarial training and thermometer codes, and more accurate than the last two.",
        "Section 4.1",
        "better",
        *_rivals(TRANSFER["table2"], {_WRN: "standard", **_DROPOUT, **_STATE_OF_THE_ART}),
        *_rivals((_ACCURACY["table2"],), _STATE_OF_THE_ART),
        note="The paper prints no FGSM of thermometer codes; it is measured here.",
    ),
    claim(
        "state-of-the-art",
        "Against two transfer-based attacks the defective model reaches the state of the art, without any adversarial training.",
        "Abstract, Section 1, Section 5",
        "better",
        *_rivals(TRANSFER["table2"], _STATE_OF_THE_ART),
        note="The state of the art is what Table 2 compares with as such. The paper prints no FGSM of thermometer codes; it is measured "
        "here.",
    ),
    claim(
        "dropout",
        "SpatialDropout and DropBlock do not improve the robustness of the standard model.",
        "Section 4.1",
        "no better",
        *(Part(pairs("table2", TRANSFER["table2"], [(other, _WRN)]), about) for other, about in _DROPOUT.items()),
        margin=5.0,
        note="The margin of 5 points is ours.",
    ),
    claim(
        "architectures",
        "Defective layers consistently improve the robustness of various architectures to transfer attacks.",
        "Section 1, Section 4.1",
        "better",
        *architectures("table3"),
        note=f"{ONE_PART_EACH} Section 5 says much better; tested is better.",
    ),
    claim(
        "accuracy",
        "Defective models maintain high accuracy on clean test data.",
        "Section 1, Section 5",
        "no better",
        Part(pairs("table2", (_ACCURACY["table2"],), [(_WRN, _WRN_DEFECTIVE)]), "loss of the state-of-the-art model of Table 2"),
        Part(tuple(pairs("table3", (_ACCURACY["table3"],), [(plain, row) for row, plain in _DEFECTIVE])), "loss"),
        margin=SMALL,
        note=f"Standard models are at most {SMALL:g} points more accurate; the margin is ours. Section 1 speaks of the model of Table 2. "
        "Table 3 has the models that keep 50 and 30 %. The paper does not say so of ResNet-18 at 10 %, which is 7.65 points less "
        "accurate in the printed numbers.",
    ),
    claim(
        "source",
        "The performance is not sensitive to the choice of the source model.",
        "Section 4.2",
        "similar",
        *against_mean(_BY_SOURCE),
        margin=10.0,
        note="Each source against the mean of the others, over the defective models of Table 3; the margin of 10 points is ours. The "
        "printed rates differ more: from ResNet-50 they are 23 points lower than from the others.",
    ),
    claim(
        "target",
        "The performance is not sensitive to the choice of the target model.",
        "Section 4.2",
        "similar",
        *against_mean(_BY_TARGET),
        margin=10.0,
        note="Each target architecture against the mean of the others, over the defective models of Table 3; the margin of 10 points is "
        "ours. The printed rates differ more: DenseNet-121 defends 24 points worse than the others, VGG-19 20 better.",
    ),
    claim(
        "bottom",
        "Defects in the bottom layers defend significantly better than as many in the top layers.",
        "Section 1, Section 4.2",
        "better",
        Part(variants(*((f"{p}-bottom", f"{p}-top") for p in ("0.7", "0.5", "0.3")))),
    ),
    claim(
        "bottom-alone",
        "Defects in the bottom layers alone can defend better than defects in both bottom and top layers.",
        "Section 4.2",
        "better",
        Part(variants(("0.3-bottom", "0.3-bottom+0.3-top"), ("0.3-bottom", "0.3-bottom+0.7-top"))),
        note="The paper says that they can, not that they always do: tested where the bottom layers keep 30 %, the least that is printed.",
    ),
    claim(
        "trade-off",
        "The fewer bottom neurons are kept, the higher the defence rate and the lower the test accuracy.",
        "Section 4.2, Appendix A.1",
        "trend",
        Part(_trends(accuracy=False), "rate"),
        Part(_trends(accuracy=True), "accuracy"),
        note="The paper says monotonically; tested is the trend. Of 34 printed columns of Tables 11-15 six are not monotone.",
    ),
    claim(
        "channel-operations",
        "As large a share of defective channels leads to the same decrease in the number of convolutional operations.",
        "Section 4.2",
        "equal",
        Part(pairs("table4-text", ["Test Accuracy"], [("resnet18/0.5-bottom-dc", "resnet18/0.5-bottom")]), "operations"),
        note=f"{_OPERATIONS} Compared at 0.5 with masks on whole channels, as the text has them; other shares are no whole number of "
        "channels. The released networks with defective channels are narrower instead, so that each output has fewer inputs, too: at "
        "0.5 and full width 331 million against 412.",
    ),
    claim(
        "channels",
        "Defective neurons cost a small drop in test accuracy and defend much better than as large a share of defective channels.",
        "Section 4.2",
        "better",
        Part(_at_each_share("{}-bottom", "{}-bottom-dc"), "rate", MUCH),
        Part(_at_each_share("{}-bottom-dc", "{}-bottom", accuracy=True), "accuracy"),
        Part(_at_each_share("{}-bottom", "{}-bottom-dc", accuracy=True), "accuracy, at most 5 points lower", -SMALL),
        note=f"{MUCH_IS_OURS} Small: at most {SMALL:g} points, the margin of the claim on accuracy, which is ours, too.",
    ),
    claim(
        "various-masks",
        "Various masks, one for each channel, are essential for robustness.",
        "Section 1, Section 4.2",
        "better",
        *(Part(variants((f"{p}-bottom", f"{p}-bottom-sm")), f"{p}-Bottom") for p in _SHARES),
        note="Compared with the same mask in every channel. In the printed numbers of Tables 11-15 that one defends better in all 34 "
        "columns at 0.5 and in 30 at 0.3, and worse in all at 0.1.",
    ),
    claim(
        "same-mask",
        "The same mask in every channel of a layer decreases the test accuracy.",
        "Section 4.2",
        "better",
        Part(_at_each_share("{}-bottom", "{}-bottom-sm", accuracy=True)),
    ),
    claim(
        "operations",
        "Defective neurons reduce the number of convolutional operations.",
        "Section 4.2",
        "fewer",
        Part(_at_each_share("{}-bottom", "", accuracy=True), "operations"),
        note=_OPERATIONS,
    ),
    claim(
        "wider",
        "Twice the channels at defective layers raise the test accuracy, and the model maintains a good robustness.",
        "Section 4.2",
        "better",
        Part(_at_each_share("{}-bottom-x2", "{}-bottom", accuracy=True), "accuracy"),
        Part(_at_each_share("{}-bottom-x2", ""), "rate"),
        Part(_at_each_share("{}-bottom-x2", "{}-bottom"), "rate, at most 10 points below that of p-Bottom", -MUCH),
        note="Good: better than that of the standard model. Maintains: the rate is not much lower than with as many channels as before, "
        f"by at most {MUCH:g} points: a bound of ours, as for much in other claims. In the printed numbers it is 13 points lower.",
    ),
)
