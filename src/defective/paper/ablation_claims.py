"""What the paper says about the variants of ResNet-18: claims of Tables 4 and 11-15."""

from collections.abc import Sequence

from defective.paper.claims import Claim, Comparison, above, rising

KEEP_PROBS = ("0.7", "0.5", "0.3", "0.25", "0.2", "0.15", "0.1", "0.05")
BOTTOMS = tuple(f"resnet18/{p}-bottom" for p in KEEP_PROBS)

_SECTION = "Section 4.2"
_WITH_APPENDIX = "Section 4.2, Appendix A.1"
_WITHOUT_TEXT = "Tables 11-15"

_ENSEMBLES = ("0.5-bottom-x2", "0.5-bottom", "0.3-bottom", "0.1-bottom")


def _above(columns: Sequence[str], higher: str, lower: str, *values: str) -> tuple[Comparison, ...]:
    """In each column one variant lies above another, for each of the values that take the place of the braces.

    Example:
        >>> _above(["PGD"], "{}-bottom", "{}-bottom+{}-top", "0.7 0.3")
        (Comparison(left=('resnet18/0.7-bottom', 'PGD'), right=('resnet18/0.7-bottom+0.3-top', 'PGD'), within=None),)
    """
    filled = [value.split() for value in values]
    return above(columns, [(f"resnet18/{higher.format(*each)}", f"resnet18/{lower.format(*each)}") for each in filled])


def _above_plain(columns: Sequence[str], *variants: str) -> tuple[Comparison, ...]:
    return above(columns, [(f"resnet18/{variant}", "resnet18") for variant in variants])


def table4_claims(columns: Sequence[str], accuracy: str) -> tuple[Claim, ...]:
    """Claims of Table 4.

    Args:
        columns: Columns with defence rates.
        accuracy: Column with the test accuracy.
    """
    last = (accuracy,)
    falling = ("resnet18", *(f"resnet18/{p}-bottom" for p in ("0.7", "0.5", "0.3", "0.1")))
    return (
        Claim(
            "Defects in the bottom layers defend much better than as many in the top layers.",
            _SECTION,
            _above(columns, "{}-bottom", "{}-top", "0.7", "0.5", "0.3"),
        ),
        Claim(
            "Defects in the bottom layers alone defend better than the same with defects in the top layers added.",
            _SECTION,
            _above(columns, "{}-bottom", "{}-bottom+{}-top", "0.7 0.7", "0.7 0.3", "0.3 0.7", "0.3 0.3"),
        ),
        Claim(
            "The fewer bottom neurons are kept, the higher the defence rate and the lower the test accuracy.",
            _WITH_APPENDIX,
            (*(each for column in columns for each in rising(column, falling)), *rising(accuracy, falling[::-1])),
        ),
        Claim(
            "Defective neurons defend much better than as large a share of defective channels.",
            _SECTION,
            _above(columns, "{}-bottom", "{}-bottom-dc", "0.5", "0.1"),
        ),
        Claim(
            "One mask shared by all channels of a layer costs test accuracy.",
            _SECTION,
            _above(last, "{}-bottom", "{}-bottom-sm", "0.5", "0.1"),
        ),
        Claim(
            "Twice the channels at defective layers raise test accuracy, and the model still defends better than the standard one.",
            _SECTION,
            (
                *_above(last, "{}-bottom-x2", "{}-bottom", "0.5", "0.1"),
                *_above_plain(columns, "0.5-bottom-x2", "0.1-bottom-x2"),
            ),
        ),
    )


def variant_claims(fgsm: Sequence[str], others: Sequence[str], attacks: str, accuracy: str) -> tuple[Claim, ...]:
    """Claims of each of Tables 11-15.

    Args:
        fgsm: Columns of FGSM, which has claims of its own: its largest step leaves even published rates without an order.
        others: Columns of the other attacks.
        attacks: Names of the other attacks.
        accuracy: Column with the test accuracy.
    """
    return (*_defence(others, attacks), *_defence(fgsm, "FGSM"), *_accuracy(accuracy), *_STRENGTH)


def _defence(columns: Sequence[str], attacks: str) -> tuple[Claim, ...]:
    """Claims about defence rates."""
    return (
        Claim(
            f"{attacks}: defects defend better in the bottom layers than in the top layers.",
            _SECTION,
            _above(columns, "{}-bottom", "{}-top", "0.7", "0.5", "0.3"),
        ),
        Claim(
            f"{attacks}: bottom layers alone defend better than bottom and top layers together.",
            _SECTION,
            _above(columns, "{}-bottom", "{}-bottom+{}-top", "0.5 0.5", "0.7 0.7", "0.7 0.3", "0.3 0.3", "0.3 0.7"),
        ),
        Claim(
            f"{attacks}: the fewer bottom neurons are kept, the higher the defence rate.",
            _WITH_APPENDIX,
            tuple(each for column in columns for each in rising(column, ("resnet18", *BOTTOMS))),
        ),
        Claim(
            f"{attacks}: single neurons as defects defend better than whole channels.",
            _SECTION,
            _above(columns, "{}-bottom", "{}-bottom-dc", "0.5", "0.3", "0.1"),
        ),
        Claim(
            f"{attacks}: with twice the channels, defects still defend better than none.",
            _SECTION,
            _above_plain(columns, "0.5-bottom-x2", "0.3-bottom-x2", "0.1-bottom-x2"),
        ),
        Claim(
            f"{attacks}: five defective models together defend better than one (read off the numbers: the text does not say so).",
            _WITHOUT_TEXT,
            _above(columns, "{}-en", "{}", *_ENSEMBLES),
        ),
    )


def _accuracy(column: str) -> tuple[Claim, ...]:
    """Claims about the test accuracy."""
    return (
        Claim(
            "The fewer bottom neurons are kept, the lower the test accuracy.",
            _WITH_APPENDIX,
            rising(column, (*reversed(BOTTOMS), "resnet18")),
        ),
        Claim(
            "Whole channels as defects cost less test accuracy than single neurons.",
            _SECTION,
            _above([column], "{}-bottom-dc", "{}-bottom", "0.5", "0.3", "0.1"),
        ),
        Claim(
            "One mask for all channels of a layer costs test accuracy.",
            _SECTION,
            _above([column], "{}-bottom", "{}-bottom-sm", "0.5", "0.3", "0.1"),
        ),
        Claim(
            "Twice the channels at defective layers raise the test accuracy.",
            _SECTION,
            _above([column], "{}-bottom-x2", "{}-bottom", "0.5", "0.3", "0.1"),
        ),
        Claim(
            "Five models together are more accurate than one (read off the numbers: the text does not say so).",
            _WITHOUT_TEXT,
            (*_above_plain([column], "en"), *_above([column], "{}-en", "{}", *_ENSEMBLES)),
        ),
    )


# Claims about the strength of the attacks, as the bottom models show it.
_STRENGTH = tuple(
    Claim(text, "Appendix A.8", tuple(Comparison((model, weak), (model, strong)) for weak, strong in columns for model in BOTTOMS))
    for text, columns in (
        (
            "The larger its scale, the stronger an attack: the bottom models are less robust to it.",
            (("FGSM8", "FGSM16"), ("FGSM16", "FGSM32"), ("PGD16", "PGD32")),
        ),
        (
            "Of two PGD attacks of one scale, that with the smaller steps is the stronger: the bottom models are less robust to it.",
            (("PGD2,16", "PGD16"),),
        ),
    )
)
