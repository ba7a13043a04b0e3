"""Text from outside, such as file names, in a form that can be shown and stored."""

import codecs
import re

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
