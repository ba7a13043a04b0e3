import math

import pytest

from defective.statistics import Rate
from defective.tables import duration, number, percent


@pytest.mark.parametrize(
    ("value", "options", "text"),
    [
        (100.0, {}, "100.0"),
        (-3.96, {}, "−4.0"),
        (3.96, {"signed": True}, "+4.0"),
        (-0.04, {"signed": True}, "0.0"),
        (0.0, {"signed": True}, "0.0"),
        (math.inf, {}, "∞"),
        (-math.inf, {}, "−∞"),
        (-3.512e-05, {"unit": "S(M)", "signed": True}, "−3.5e-05"),
    ],
)
def test_a_number_is_exactly_this(value, options, text):
    assert number(value, **options) == text


def test_a_rate_of_no_success_is_not_exact():
    assert percent(Rate.of(0, 8)) == "0.0 (0.0–32.4)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (59.6, "1 min"), (60, "1 min"), (3599, "59 min 59 s"), (3600, "1 h"), (90_000, "1 d 1 h")],
)
def test_a_time_has_two_units_at_most(seconds, text):
    assert duration(seconds) == text
