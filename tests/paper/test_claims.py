import math

import pytest

from defective.evaluation.rates import Rate
from defective.paper.claims import Claim, Comparison, Estimate, above, compare, difference, judge, overall, rising, student


def one(value, low=None, high=None):
    """A number of one seed; without bounds it is exact."""
    return Estimate((value,), ((value if low is None else low, value if high is None else high),))


def many(*values, spread=1.0):
    return Estimate(values, tuple((value - spread, value + spread) for value in values))


def share(hits, total):
    rate = Rate.of(hits, total)
    return Estimate((float(rate),), (rate.interval,))


# Student's t at 97.5 % by degrees of freedom, from printed tables.
T = {1: 12.7062, 2: 4.3027, 4: 2.7764}


@pytest.mark.parametrize(
    ("values", "mean", "deviation"),
    [((1.0, 3.0), 2.0, math.sqrt(2)), ((1.0, 2.0, 3.0), 2.0, 1.0), ((2.0, 4.0, 4.0, 4.0, 6.0), 4.0, math.sqrt(2))],
)
def test_students_interval_is_that_of_the_printed_table(values, mean, deviation):
    half = T[len(values) - 1] * deviation / math.sqrt(len(values))
    assert student(values) == pytest.approx((mean - half, mean + half), abs=1e-3)


def test_equal_values_have_an_interval_of_no_width():
    assert student([7.0, 7.0, 7.0]) == (7.0, 7.0)


def test_an_estimate_of_one_seed_has_the_interval_of_its_images():
    estimate = one(50.0, 45.0, 56.0)
    assert (estimate.mean, estimate.interval) == (50.0, (45.0, 56.0))


def test_an_estimate_of_several_seeds_has_the_interval_of_their_mean():
    estimate = many(1.0, 2.0, 3.0)
    assert estimate.mean == 2.0
    assert estimate.interval == pytest.approx((2 - T[2] / math.sqrt(3), 2 + T[2] / math.sqrt(3)), abs=1e-3)


def test_seeds_that_agree_leave_open_what_the_images_do():
    assert many(2.0, 2.0, 2.0, spread=3.0).interval == (-1.0, 5.0)
    # Student's is the wider one below, the images' above.
    estimate = Estimate((1.0, 2.0, 3.0), ((0.9, 8.0), (1.9, 10.0), (2.9, 12.0)))
    assert estimate.interval == pytest.approx((2 - T[2] / math.sqrt(3), 10.0), abs=1e-3)


def test_nothing_in_fifty_three_times_decides_nothing():
    none = Estimate((0.0,) * 3, (tuple(100 * bound for bound in Rate.of(0, 50).interval),) * 3)
    found, low, high = difference(none, none)
    half = 100 * Rate.of(0, 50).interval[1]
    assert (found, low, high) == pytest.approx((0, -half, half))
    assert compare(Comparison(("a", "x"), ("b", "x")), none, none).verdict == "undecided"
    one_more = Estimate((2.0,) * 3, (tuple(100 * bound for bound in Rate.of(1, 50).interval),) * 3)
    assert compare(Comparison(("a", "x"), ("b", "x")), one_more, none).verdict == "undecided"


def test_a_mean_lies_where_its_numbers_can_lie():
    shares = Estimate((0.0, 0.1, 0.4), ((0.0, 0.4), (0.0, 0.6), (0.2, 1.0)), limits=(0.0, 100.0))
    assert student(shares.values)[0] < 0 == shares.interval[0]


def test_the_images_of_each_seed_are_paired():
    left, right = many(5.0, 5.0, spread=3.0), many(1.0, 1.0, spread=4.0)
    half = sum(math.sqrt(9 + 16 - 2 * phi * 12) for phi in (0.5, 0.0)) / 2
    assert difference(left, right, {0: 0.5}) == pytest.approx((4, 4 - half, 4 + half))


def test_a_difference_lies_where_it_can_lie():
    left, right = (Estimate(values, tuple((v, v) for v in values), limits=(0.0, 100.0)) for values in ((50.0, 50.0), (10.0, 90.0)))
    assert difference(left, right) == (0.0, -100.0, 100.0)
    assert difference(Estimate((0.0, 40.0), ((0.0, 1.0), (39.0, 41.0)), limits=(0.0, 100.0)), Estimate.exact(15.0)) == (
        5.0,
        -15.0,
        85.0,
    )


def test_the_difference_of_two_numbers_takes_the_bounds_that_face_each_other():
    # Lower: sqrt(1 + 2^2) below 6; upper: sqrt(4^2 + 3^2) above it.
    assert difference(one(10.0, 9.0, 14.0), one(4.0, 1.0, 6.0)) == pytest.approx((6.0, 6 - math.sqrt(5), 11.0))


def test_turned_round_the_difference_changes_its_sign():
    left, right = one(10.0, 9.0, 14.0), one(4.0, 1.0, 6.0)
    found, low, high = difference(left, right)
    assert difference(right, left) == (-found, -high, -low)


@pytest.mark.parametrize(
    ("left", "right", "interval"),
    [((56, 70), (48, 80), (0.0524, 0.3339)), ((9, 10), (3, 10), (0.1705, 0.8090)), ((10, 10), (0, 10), (0.6075, 1.0))],
)
def test_the_difference_of_two_shares_is_that_of_newcombes_table(left, right, interval):
    # Newcombe 1998, Statistics in Medicine 17, 873-890, Table II, method 10.
    assert difference(share(*left), share(*right))[1:] == pytest.approx(interval, abs=6e-5)


@pytest.mark.parametrize(
    ("correlation", "below", "above"), [(1.0, 1.0, 1.0), (0.0, 5**0.5, 5.0), (0.5, 3**0.5, 13**0.5), (-1.0, 3, 7)]
)
def test_numbers_that_move_together_lie_less_uncertainly_apart(correlation, below, above):
    # Lower: 1 and 2 apart from each other's bounds; upper: 4 and 3.
    found = difference(one(10.0, 9.0, 14.0), one(4.0, 1.0, 6.0), {0: correlation})
    assert found == pytest.approx((6.0, 6 - below, 6 + above))


def test_a_bound_that_lies_nowhere_leaves_the_difference_open():
    found = difference(one(2.0, 1.0, math.inf), one(1.0, 0.5, 1.5), {0: 0.9})
    assert found[2] == math.inf and math.isfinite(found[1])


def test_seeds_are_compared_one_by_one():
    # Far apart from seed to seed, always 1 to 3 apart within one.
    found, low, high = difference(many(101.0, 12.0, 53.0), many(100.0, 10.0, 50.0))
    assert found == 2.0
    assert (low, high) == pytest.approx((2 - T[2] / math.sqrt(3), 2 + T[2] / math.sqrt(3)), abs=1e-3)


def test_only_seeds_that_both_have_are_compared():
    assert difference(many(5.0, 6.0, 99.0), many(4.0, 4.0)) == difference(many(5.0, 6.0), many(4.0, 4.0))


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


def test_rising_compares_neighbours():
    assert rising("PGD", ["a", "b", "c"]) == (Comparison(("b", "PGD"), ("a", "PGD")), Comparison(("c", "PGD"), ("b", "PGD")))


def test_above_compares_every_pair_in_every_column():
    made = above(("PGD", "CW"), [("a", "b"), ("c", "d")])
    expected = {(column, *pair) for column in ("PGD", "CW") for pair in (("a", "b"), ("c", "d"))}
    assert {(each.left[1], each.left[0], each.right[0]) for each in made} == expected
    assert all(each.left[1] == each.right[1] and each.within is None for each in made)


def test_seeds_are_paired_by_number_not_by_place():
    left = Estimate((5.0, 9.0), ((4.0, 6.0), (8.0, 10.0)), (1, 2))
    right = Estimate((1.0, 4.0), ((0.0, 2.0), (3.0, 5.0)), (0, 1))
    # Only seed 1 is on both sides.
    assert difference(left, right) == pytest.approx((1.0, 1 - 2**0.5, 1 + 2**0.5))
    assert difference(Estimate((1.0,), ((0.0, 2.0),), (0,)), Estimate((1.0,), ((0.0, 2.0),), (3,))) is None
    assert (
        compare(Comparison(("a", "x"), ("b", "x")), Estimate((1.0,), ((0, 2),), (0,)), Estimate((0.0,), ((0, 1),), (3,))).verdict
        == "not measured"
    )
