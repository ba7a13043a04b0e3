"""The one place that formats numbers as text."""

import json
import math
import re

from defective.statistics import Rate

DASH = "–"
# The measurement is done, but no image qualified: none fooled the source, or the model was correct on none.
NO_IMAGES = "no images"
_MINUS = "−"


def number(value: float, unit: str = "%", *, digits: int = 1, signed: bool = False) -> str:
    """A number without its unit: percent with ``digits`` decimals, scores ``"S(M)"`` with two significant digits.

    Example:
        >>> number(51.294, digits=2), number(51.294), number(-3.96, signed=True), number(3.512e-05, "S(M)")
        ('51.29', '51.3', '−4.0', '3.5e-05')
    """
    if math.isinf(value):
        return "∞" if value > 0 else f"{_MINUS}∞"
    sign = "+" if signed else ""
    text = f"{value:{sign}.{digits}f}" if unit == "%" else f"{value:{sign}.1e}"
    if float(text) == 0:
        # A sign before zero would point to a difference that is not shown.
        text = text.lstrip("+-")
    # The minus of an exponent stays as it is: such text is read by programs too.
    return re.sub(r"^-", _MINUS, text)


def exact(value: float) -> str:
    """A number in full precision, as programs read it.

    Example:
        >>> exact(46.2), exact(float("inf"))
        ('46.2', 'Infinity')
    """
    return json.dumps(float(value))


def interval(low: float, high: float, unit: str = "%", *, signed: bool = False) -> str:
    """The two bounds of an interval; ``signed`` for those of a difference.

    Example:
        >>> interval(40.24, 50), interval(-1, 2.5, signed=True), interval(1e-6, float("inf"), "S(M)")
        ('40.2–50.0', '−1.0 to +2.5', '1.0e-06–∞')
    """
    join = " to " if signed else DASH
    return join.join(number(bound, unit, signed=signed) for bound in (low, high))


def percent(rate: Rate) -> str:
    """A rate in percent with its 95 % interval.

    Example:
        >>> percent(Rate.of(30, 40)), percent(Rate.of(0, 0))
        ('75.0 (59.8–85.8)', 'no images')
    """
    if not rate.num_evaluated:
        return NO_IMAGES
    low, high = rate.interval
    return f"{number(100 * rate)} ({interval(100 * low, 100 * high)})"


def difference(mean: float, low: float, high: float) -> str:
    """A signed difference of shares with its interval.

    Example:
        >>> difference(10.0, 4.17, 15.83)
        '+10.0 (+4.2 to +15.8)'
    """
    return f"{number(mean, signed=True)} ({interval(low, high, signed=True)})"


def count(many: int, thing: str) -> str:
    """A number of things.

    Example:
        >>> count(1, "seed"), count(1200, "job")
        ('1 seed', '1,200 jobs')
    """
    return f"{many:,} {thing}{'s' * (many != 1)}"


def duration(seconds: float) -> str:
    """A time in its two largest units.

    Example:
        >>> duration(4.21), duration(75), duration(7380), duration(200_000)
        ('4.2 s', '1 min 15 s', '2 h 3 min', '2 d 7 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, next_size, next_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {name}" + (f" {rest} {next_name}" if rest else "")
    return f"{whole} s"
