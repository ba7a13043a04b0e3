"""What Tables 11-15 share: the variants of ResNet-18, the attacks of Appendix A.8, what both are claimed to show."""

from collections.abc import Callable, Mapping, Sequence

from defective.paper.claims import Claim, Comparison, above, rising
from defective.paper.exhibit import Cells, Exhibit, Row
from defective.paper.protocol import CW, LAST, TRANSFER, VARIANTS, WITHSTOOD, accuracies, scored
from defective.paper.setup import Setup

ACCURACY = "Acc"

# Net to label, in printed order.
NETS = {
    "resnet18": "ResNet-18",
    "resnet18/0.7-bottom": "0.7-Bottom",
    "resnet18/0.5-bottom": "0.5-Bottom",
    "resnet18/0.3-bottom": "0.3-Bottom",
    "resnet18/0.25-bottom": "0.25-Bottom",
    "resnet18/0.2-bottom": "0.2-Bottom",
    "resnet18/0.15-bottom": "0.15-Bottom",
    "resnet18/0.1-bottom": "0.1-Bottom",
    "resnet18/0.05-bottom": "0.05-Bottom",
    "resnet18/0.7-top": "0.7-Top",
    "resnet18/0.5-top": "0.5-Top",
    "resnet18/0.3-top": "0.3-Top",
    "resnet18/0.5-bottom+0.5-top": "0.5-Bottom, 0.5-Top",
    "resnet18/0.7-bottom+0.7-top": "0.7-Bottom, 0.7-Top",
    "resnet18/0.7-bottom+0.3-top": "0.7-Bottom, 0.3-Top",
    "resnet18/0.3-bottom+0.3-top": "0.3-Bottom, 0.3-Top",
    "resnet18/0.3-bottom+0.7-top": "0.3-Bottom, 0.7-Top",
    "resnet18/0.5-bottom-dc": "0.5-Bottom_DC",
    "resnet18/0.3-bottom-dc": "0.3-Bottom_DC",
    "resnet18/0.1-bottom-dc": "0.1-Bottom_DC",
    "resnet18/0.5-bottom-sm": "0.5-Bottom_SM",
    "resnet18/0.3-bottom-sm": "0.3-Bottom_SM",
    "resnet18/0.1-bottom-sm": "0.1-Bottom_SM",
    "resnet18/0.5-bottom-x2": "0.5-Bottom_x2",
    "resnet18/0.3-bottom-x2": "0.3-Bottom_x2",
    "resnet18/0.1-bottom-x2": "0.1-Bottom_x2",
    "resnet18/en": "ResNet-18_EN",
    "resnet18/0.5-bottom-x2-en": "0.5-Bottom_x2,EN",
    "resnet18/0.5-bottom-en": "0.5-Bottom_EN",
    "resnet18/0.3-bottom-en": "0.3-Bottom_EN",
    "resnet18/0.1-bottom-en": "0.1-Bottom_EN",
}
KEEP_PROBS = ("0.7", "0.5", "0.3", "0.25", "0.2", "0.15", "0.1", "0.05")
BOTTOMS = tuple(f"resnet18/{p}-bottom" for p in KEEP_PROBS)

# Every PGD the paper tried: scale to (step, steps), in pixel values. It prints three of them.
_TRIED = {
    4: ((1, 8), (2, 4), (4, 2)),
    8: ((1, 12), (2, 6), (4, 3)),
    16: ((1, 20), (2, 10), (4, 5)),
    32: ((1, 40), (2, 20), (4, 10)),
}
PGD_SETTINGS = tuple(
    f"pgd:eps={scale}/255,step_size={step}/255,steps={steps}" for scale, tried in _TRIED.items() for step, steps in tried
)

FGSM = {f"FGSM{eps}": f"fgsm:eps={eps}/255" for eps in (8, 16, 32)}
PGD = {"PGD16": PGD_SETTINGS[6], "PGD2,16": PGD_SETTINGS[7], "PGD32": PGD_SETTINGS[9]}

_NOTES = (
    "Nine more PGD settings were tried in the paper and are not printed.",
    "The captions name a Section 4.3, which the paper does not have; the ablations are in Section 4.2.",
    "No released code makes Bottom nets below 0.3 other than 0.1, nor DC, SM and x2 at 0.3: they follow the rule of their "
    "neighbours.",
    VARIANTS,
    "EN averages the logits of five nets with different masks.",
    "The text calls smaller steps stronger, yet in 142 of 155 rows of Tables 11-15 the rate is lower for step 2 than for step 1. "
    "The text may mean the attacked net itself; the rates are of others.",
)


def ablation(
    number: int,
    *,
    source: str,
    label: str,
    accuracy: float,
    confidence: int | None,
    numbers: Mapping[str, tuple[float, ...]],
    notes: tuple[str, ...] = (),
) -> Exhibit:
    """One of Tables 11-15.

    Args:
        number: Which.
        source: Net that the images are made on.
        label: What the paper calls it.
        accuracy: Its published test accuracy.
        confidence: Of CW; None: the table has no CW.
        numbers: Net to its printed row.
        notes: What holds for this table alone.
    """
    strong = (*PGD, f"CW{confidence}") if confidence else tuple(PGD)

    def cells(setup: Setup) -> Cells:
        attacks = FGSM | PGD | ({f"CW{confidence}": setup.cw(confidence)} if confidence else {})
        crafted = {column: setup.craft(setup.source(source), attack=attack) for column, attack in attacks.items()}
        targets = {net: setup.target(net) for net in NETS}
        return scored(targets, crafted) | accuracies(targets, ACCURACY)

    return Exhibit(
        name=f"table{number}",
        title=f"Every variant of ResNet-18 under attacks from {label}",
        where=f"Appendix A.8, Table {number}",
        caption=f"Rows are attacked ResNet-18s (p-Bottom, p-Top: a share p of bottom or top neurons kept), columns attacks made on "
        f"{label}, radius in levels of 255 (PGD: 20 or 40 steps of 1; PGD2,16: 10 of 2{'; CW: confidence' if confidence else ''}). "
        f"{WITHSTOOD}{LAST}",
        data="cifar10",
        columns=(*FGSM, *strong, ACCURACY),
        rows=tuple(Row(net, printed, numbers[net]) for net, printed in NETS.items()),
        cells=cells,
        claims=(*_defence(strong, "PGD and CW" if confidence else "PGD"), *_defence(tuple(FGSM), "FGSM"), *_ACCURACY, *_ATTACKS),
        notes=(
            f"The attacked {label} of the paper has a test accuracy of {accuracy} %.",
            *notes,
            *_NOTES,
            *((CW,) if confidence else ()),
            *TRANSFER,
        ),
    )


def _pairs(*variants: tuple[str, str]) -> list[tuple[str, str]]:
    return [(f"resnet18/{high}", f"resnet18/{low}") for high, low in variants]


_THREE = ("0.5", "0.3", "0.1")
_ENSEMBLES = [(f"{one}-en", one) for one in ("0.5-bottom-x2", "0.5-bottom", "0.3-bottom", "0.1-bottom")]


def _defence(columns: Sequence[str], attacks: str) -> tuple[Claim, ...]:
    """The claims about defence rates: FGSM apart, whose largest step leaves even published rates without an order."""

    def claim(text: str, where: str, comparisons: Callable[[Sequence[str]], tuple[Comparison, ...]]) -> Claim:
        return Claim(f"{attacks}: {text}", where, comparisons(columns))

    bottom_top = _pairs(*((f"{p}-bottom", f"{p}-top") for p in ("0.7", "0.5", "0.3")))
    mixed = (("0.5", "0.5"), ("0.7", "0.7"), ("0.7", "0.3"), ("0.3", "0.3"), ("0.3", "0.7"))
    alone = _pairs(*((f"{p}-bottom", f"{p}-bottom+{q}-top") for p, q in mixed))
    neuron = _pairs(*((f"{p}-bottom", f"{p}-bottom-dc") for p in _THREE))
    wide = [(f"resnet18/{p}-bottom-x2", "resnet18") for p in _THREE]
    return (
        claim("defects defend better in the bottom layers than in the top layers.", "Section 4.2", lambda c: above(c, bottom_top)),
        claim("bottom layers alone defend better than bottom and top layers together.", "Section 4.2", lambda c: above(c, alone)),
        claim(
            "the fewer bottom neurons are kept, the higher the defence rate.",
            "Section 4.2, Appendix A.1",
            lambda c: tuple(each for column in c for each in rising(column, ("resnet18", *BOTTOMS))),
        ),
        claim("single neurons as defects defend better than whole channels.", "Section 4.2", lambda c: above(c, neuron)),
        claim("with twice the channels, defects still defend better than none.", "Section 4.2", lambda c: above(c, wide)),
        claim(
            "five defective nets together defend better than one (read off the numbers: the text does not say so).",
            "Tables 11-15",
            lambda c: above(c, _pairs(*_ENSEMBLES)),
        ),
    )


_ACCURACY = (
    Claim(
        "The fewer bottom neurons are kept, the lower the test accuracy.",
        "Section 4.2, Appendix A.1",
        rising(ACCURACY, (*reversed(BOTTOMS), "resnet18")),
    ),
    Claim(
        "Whole channels as defects cost less test accuracy than single neurons.",
        "Section 4.2",
        above([ACCURACY], _pairs(*((f"{p}-bottom-dc", f"{p}-bottom") for p in _THREE))),
    ),
    Claim(
        "One mask for all channels of a layer costs test accuracy.",
        "Section 4.2",
        above([ACCURACY], _pairs(*((f"{p}-bottom", f"{p}-bottom-sm") for p in _THREE))),
    ),
    Claim(
        "Twice the channels at defective layers raise the test accuracy.",
        "Section 4.2",
        above([ACCURACY], _pairs(*((f"{p}-bottom-x2", f"{p}-bottom") for p in _THREE))),
    ),
    Claim(
        "Five nets together are more accurate than one (read off the numbers: the text does not say so).",
        "Tables 11-15",
        above([ACCURACY], [("resnet18/en", "resnet18"), *_pairs(*_ENSEMBLES)]),
    ),
)

_LARGER = (("FGSM8", "FGSM16"), ("FGSM16", "FGSM32"), ("PGD16", "PGD32"))
_ATTACKS = (
    Claim(
        "The larger its scale, the stronger an attack: the bottom nets withstand less of it.",
        "Appendix A.8",
        tuple(Comparison((net, small), (net, large)) for small, large in _LARGER for net in BOTTOMS),
    ),
    Claim(
        "Of two PGD attacks of one scale, that with the smaller steps is the stronger: the bottom nets withstand less of it.",
        "Appendix A.8",
        tuple(Comparison((net, "PGD2,16"), (net, "PGD16")) for net in BOTTOMS),
    ),
)
