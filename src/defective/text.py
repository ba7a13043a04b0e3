"""Text from outside, such as file names, in a form that can be shown and stored."""

import codecs
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

# Control characters, what turns the direction of writing, line separators, and halves of characters.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# Signs of tables and messages, for terminals that lack them.
_PLAIN = {"–": "-", "−": "-", "×": "x", "∞": "inf", "σ": "sigma", "²": "2", "…": "...", "\N{NO-BREAK SPACE}": " "}
# Name of the error handler for text output: signs become plain ones, other characters that the encoding lacks escapes.
REPLACED = "defective.replaced"


def _replaced(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in lacking), error.end


codecs.register_error(REPLACED, _replaced)


def as_text(name: str) -> str:
    r"""The name of a file as text that can be shown and stored: bytes that are no text are written as their numbers.

    Example:
        >>> as_text("caf\udce9"), as_text("café"), as_text("\ud800")
        ('caf\\xe9', 'café', '\\ud800')
    """
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return name.encode("utf-8", "backslashreplace").decode("utf-8")


def visible(text: str, *, keep: str = "") -> str:
    r"""Text in which every character that would not be seen, or would command a terminal, is written as an escape.

    Args:
        text: Any text.
        keep: Characters that stay as they are.

    Example:
        >>> print(visible("a\x1b[31m\nb"))
        a\x1b[31m\nb
    """
    return _HIDDEN.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], as_text(text))


def one_line(text: str) -> str:
    """Text as :func:`visible` shows it, without spaces around it."""
    return visible(text).strip(" ")


def shortened(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are.

    Example:
        >>> shortened(["a", "b", "c", "d", "e"])
        'a, b, c and 2 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def short(value: object) -> str:
    """A number as text of at most 40 characters, text in quotes; Python does not convert thousands of digits to text."""
    if isinstance(value, int) and abs(value) > 10**36:
        return f"with about {int(value.bit_length() * 0.30103)} digits"
    return (repr(value) if isinstance(value, str) else str(value))[:40]


# What pydantic says of a value that it refuses, and plain words for it.
_PLAIN_WORDS = {
    "Input should be ": "must be ",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "greater than": "more than",
    "a valid integer": "a whole number",
    "a valid boolean": "true or false",
    "a valid ": "a ",
    "Field required": "is missing",
    "Extra inputs are not permitted": "is not known",
}


def plain(reason: str) -> str:
    """What pydantic says of a value in plain words; messages of ours stay.

    Example:
        >>> plain("Input should be greater than or equal to 1"), plain("Value error, name a scale")
        ('must be at least 1', 'name a scale')
    """
    if reason.startswith("Value error, "):
        return reason.removeprefix("Value error, ")
    for said, words in _PLAIN_WORDS.items():
        reason = reason.replace(said, words)
    return reason.partition(", unable to ")[0]


def choices(value: object, known: Iterable[str]) -> str:
    """What may stand in place of ``value``, for the end of a message that refuses it: the nearest name if one is near, and all.

    Example:
        >>> print("no table or figure 'tabel4'" + choices("tabel4", ["table1", "table4"]))
        no table or figure 'tabel4'; did you mean table4? There are table1, table4
        >>> print("no scale 'huge'" + choices("huge", ["tiny", "small"]))
        no scale 'huge'; there are tiny, small
    """
    listed = list(known)
    near = nearest(value, listed)
    return f"; did you mean {near}? There are {', '.join(listed)}" if near else f"; there are {', '.join(listed)}"


def nearest(value: object, known: Iterable[str]) -> str | None:
    """The name most like ``value``, whatever the case of its letters; None if none is like it or it is no text.

    Example:
        >>> nearest("ResNet-18", ["resnet18", "vgg19"]), nearest("pdg", ["fgsm", "pgd"]), nearest("huge", ["tiny", "small"])
        ('resnet18', 'pgd', None)
    """
    lower = {name.lower(): name for name in known}
    found = get_close_matches(value[:200].lower(), lower, n=1, cutoff=0.65) if isinstance(value, str) else []
    return lower[found[0]] if found else None
