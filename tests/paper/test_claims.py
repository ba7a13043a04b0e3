import pytest

from defective.paper.claims import Claim, Comparison, above, compare, judge, overall, rising
from defective.statistics import Estimate, Rate


def one(value, low=None, high=None):
    """A number of one seed; without bounds it is exact."""
    return Estimate((value,), ((value if low is None else low, value if high is None else high),))


def many(*values, spread=1.0):
    return Estimate(values, tuple((value - spread, value + spread) for value in values))


def test_nothing_in_fifty_three_times_decides_nothing():
    none = Estimate((0.0,) * 3, (tuple(100 * bound for bound in Rate.of(0, 50).interval),) * 3)
    assert compare(Comparison(("a", "x"), ("b", "x")), none, none).verdict == "undecided"
    one_more = Estimate((2.0,) * 3, (tuple(100 * bound for bound in Rate.of(1, 50).interval),) * 3)
    assert compare(Comparison(("a", "x"), ("b", "x")), one_more, none).verdict == "undecided"


VERDICTS = {
    "clearly above": (None, one(60, 57, 63), one(50, 45, 55), "holds"),
    "clearly below": (None, one(50, 45, 55), one(60, 57, 63), "fails"),
    "too close to call": (None, one(52, 47, 57), one(50, 45, 55), "undecided"),
    "exactly equal": (None, one(50), one(50), "fails"),
    "no left": (None, None, one(50), "not measured"),
    "no right": (None, one(50), None, "not measured"),
    "above in every seed": (None, many(5, 6, 7), many(1, 2, 3.5), "holds"),
    "below in every seed": (None, many(1, 2, 3.5), many(5, 6, 7), "fails"),
    "now above, now below": (None, many(5, 1, 7), many(1, 5, 6), "undecided"),
    "near": (5.0, one(52), one(50), "holds"),
    "near from below": (5.0, one(50), one(52), "holds"),
    "just near": (5.0, one(55), one(50), "holds"),
    "far above": (5.0, one(55.1), one(50), "fails"),
    "far below": (5.0, one(50), one(55.1), "fails"),
    "perhaps near": (5.0, one(52, 48, 56), one(50), "undecided"),
    "perhaps far": (5.0, one(58, 53, 63), one(50), "undecided"),
    "near, not measured": (5.0, one(50), None, "not measured"),
}


@pytest.mark.parametrize(("within", "left", "right", "verdict"), VERDICTS.values(), ids=VERDICTS)
def test_a_comparison_has_the_verdict_of_its_difference(within, left, right, verdict):
    assert compare(Comparison(("left", "PGD"), ("right", "PGD"), within), left, right).verdict == verdict


CELLS = {
    ("low", "PGD"): one(10.0),
    ("high", "PGD"): one(20.0),
    ("vague", "PGD"): one(15.0, 5.0, 25.0),
    ("table10", "low", "PGD"): one(12.0),
}
HOLDS = Comparison(("high", "PGD"), ("low", "PGD"))
FAILS = Comparison(("low", "PGD"), ("high", "PGD"))
UNDECIDED = Comparison(("vague", "PGD"), ("low", "PGD"))
UNMEASURED = Comparison(("none", "PGD"), ("low", "PGD"))


@pytest.mark.parametrize(
    ("comparisons", "verdict"),
    [
        ((HOLDS, HOLDS), "holds"),
        ((HOLDS, UNDECIDED), "undecided"),
        ((UNDECIDED, UNMEASURED, HOLDS), "not measured"),
        ((UNMEASURED, UNDECIDED, FAILS, HOLDS), "fails"),
    ],
)
def test_a_claim_is_worth_its_worst_comparison(comparisons, verdict):
    each = [judgement.verdict for judgement in judge(Claim("a", "b", comparisons), CELLS.get)]
    assert overall(each) == verdict
    names = {HOLDS: "holds", FAILS: "fails", UNDECIDED: "undecided", UNMEASURED: "not measured"}
    assert each == [names[comparison] for comparison in comparisons]


def test_a_claim_may_name_a_number_or_another_exhibit():
    claim = Claim("a", "b", (Comparison(("high", "PGD"), 19.5), Comparison(("low", "PGD"), ("table10", "low", "PGD"), within=3)))
    assert [(each.verdict, each.difference[0]) for each in judge(claim, CELLS.get)] == [("holds", 0.5), ("holds", -2.0)]


def test_correlations_narrow_a_difference_until_it_is_decided():
    cells = {("a", "x"): one(52.0, 48.0, 56.0), ("b", "x"): one(50.0, 46.0, 54.0)}
    claim = Claim("a", "b", (Comparison(("a", "x"), ("b", "x")), Comparison(("a", "x"), 40.0)))
    (alone, fixed), (together, same) = (judge(claim, cells.get, lambda left, right, each=each: {0: each}) for each in (0.0, 0.9))
    assert (alone.verdict, together.verdict) == ("undecided", "holds")
    assert fixed == same


def test_numbers_of_no_common_seed_are_not_compared():
    left, right = (Estimate((value,), ((value, value + 1),), (seed,)) for value, seed in ((1.0, 0), (0.0, 3)))
    assert compare(Comparison(("a", "x"), ("b", "x")), left, right).verdict == "not measured"


def test_rising_compares_neighbours():
    assert rising("PGD", ["a", "b", "c"]) == (Comparison(("b", "PGD"), ("a", "PGD")), Comparison(("c", "PGD"), ("b", "PGD")))


def test_above_compares_every_pair_in_every_column():
    made = above(("PGD", "CW"), [("a", "b"), ("c", "d")])
    expected = {(column, *pair) for column in ("PGD", "CW") for pair in (("a", "b"), ("c", "d"))}
    assert {(each.left[1], each.left[0], each.right[0]) for each in made} == expected
    assert all(each.left[1] == each.right[1] and each.within is None for each in made)
