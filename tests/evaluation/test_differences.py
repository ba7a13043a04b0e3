import math

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap, norm

from defective import InputError
from defective.evaluation import Rate
from defective.evaluation.differences import correlation, difference
from defective.paper.claims import Estimate
from defective.paper.claims import difference as mover


def everyone(n):
    return torch.ones(n, dtype=torch.bool)


def correlated(n, generator, first=0.6, second=0.68):
    """Two nets that find the same images hard, each with a denominator of its own; the rates are the true ones."""
    hard = torch.rand(n, generator=generator)
    counted = [torch.rand(n, generator=generator) < share for share in (0.8, 0.7)]
    noise = 0.1 * torch.rand(2, n, generator=generator)
    # An image is easier than the rate for just that share of all, up to a noise that is taken off again on average.
    return [(hard + each - 0.05 < rate, c) for each, rate, c in zip(noise, (first, second), counted, strict=True)]


def delta_method(first, second):
    """Standard error of the difference of two ratios over the same images, for large N."""
    influence = 0.0
    for sign, (success, counted) in ((-1, first), (1, second)):
        rate = float(Rate.among(success, counted))
        influence = influence + sign * counted.double() * (success.double() - rate) / counted.double().mean()
    return float(influence.std() / len(first[0]) ** 0.5)


def test_the_difference_is_that_of_the_two_rates(generator):
    first, second = correlated(500, generator)
    apart = difference(first, second)
    assert float(apart) == Rate.among(*second) - Rate.among(*first)
    assert (apart.first.hits, apart.second.total) == (int((first[0] & first[1]).sum()), int(second[1].sum()))
    assert apart.low < apart < apart.high
    back = difference(second, first)
    assert (float(back), back.significant) == (-float(apart), apart.significant)
    assert (back.low, back.high) == pytest.approx((-apart.high, -apart.low), abs=0.01)


def test_large_samples_agree_with_the_normal_approximation(generator):
    first, second = correlated(10_000, generator)
    apart, half = difference(first, second), norm.ppf(0.975) * delta_method(first, second)
    assert (apart.low, apart.high) == pytest.approx((apart - half, apart + half), abs=0.1 * half)
    # With one denominator for both it is the closed form for paired shares.
    n, (a, b) = 10_000, (first[0], second[0])
    gained, lost = float((b & ~a).double().mean()), float((a & ~b).double().mean())
    half = norm.ppf(0.975) * math.sqrt((gained + lost - (gained - lost) ** 2) / n)
    apart = difference((a, everyone(n)), (b, everyone(n)))
    assert (apart.low, apart.high) == pytest.approx((gained - lost - half, gained - lost + half), abs=0.1 * half)


def test_it_agrees_with_the_bootstrap_of_scipy(generator):
    first, second = correlated(400, generator)
    columns = [each.numpy() for each in (*first, *second)]

    def statistic(s, c, s2, c2, axis):
        return (s2 & c2).sum(axis) / c2.sum(axis) - (s & c).sum(axis) / c.sum(axis)

    options = {"paired": True, "vectorized": True, "method": "percentile", "n_resamples": 5000, "batch": 500}
    theirs = bootstrap(columns, statistic, random_state=np.random.default_rng(1), **options).confidence_interval
    ours = difference(first, second, resamples=5000)
    # A 2.5 % quantile of 5000 draws is uncertain by about 0.04 standard errors.
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.2 * delta_method(first, second))


def test_the_interval_covers_the_truth_about_95_times_in_100(generator):
    truth, covered, trials = 0.08, 0, 400
    for seed in range(trials):
        apart = difference(*correlated(300, generator), resamples=500, seed=seed)
        covered += apart.low <= truth <= apart.high
    assert 0.91 <= covered / trials <= 0.985


def test_pairing_narrows_the_interval_of_nets_that_find_the_same_images_hard(generator):
    first, second = correlated(2000, generator)
    order = torch.randperm(2000, generator=generator)
    paired, unpaired = difference(first, second), difference(first, (second[0][order], second[1][order]))
    assert float(paired) == float(unpaired)
    assert paired.high - paired.low < 0.8 * (unpaired.high - unpaired.low)


@pytest.mark.parametrize("n", [30, 1000])
def test_identical_nets_do_not_differ_at_all(n, generator):
    one, _ = correlated(n, generator)
    apart = difference(one, one)
    assert (float(apart), apart.low, apart.high, apart.significant) == (0, 0, 0, False)


def test_what_happens_where_no_net_counts_has_no_say(generator):
    first, second = correlated(200, generator)
    other = ~first[0] ^ first[1], ~second[0] ^ second[1]
    changed = [(torch.where(c, s, o), c) for (s, c), o in zip((first, second), other, strict=True)]
    assert difference(*changed).as_dict() == difference(first, second).as_dict()


@pytest.mark.parametrize("empty", [(0,), (1,), (0, 1)])
def test_no_image_that_counts_says_nothing(empty):
    nets = [(everyone(50), ~everyone(50) if net in empty else everyone(50)) for net in (0, 1)]
    apart = difference(*nets)
    assert math.isnan(apart) and (apart.low, apart.high) == (-1, 1) and not apart.significant
    assert apart.as_dict()["difference"] is None and apart.as_dict()["first"]["total"] == (0 if 0 in empty else 50)


def test_no_images_at_all_say_nothing():
    assert math.isnan(difference((everyone(0), everyone(0)), (everyone(0), everyone(0))))


def test_a_single_image_that_counts_proves_nothing():
    counted = torch.arange(100) == 3
    apart = difference((~everyone(100), counted), (everyone(100), counted))
    assert (float(apart), apart.low, apart.high, apart.significant) == (1, -1, 1, False)


def test_a_clear_difference_is_significant_and_a_small_one_is_not():
    success = torch.arange(100)
    clear = difference((success < 50, everyone(100)), (success < 80, everyone(100)))
    assert clear.significant and clear.low > 0.2
    assert not difference((success < 50, everyone(100)), (success < 51, everyone(100))).significant
    assert difference((success < 80, everyone(100)), (success < 50, everyone(100))).high < -0.2


def test_the_seed_alone_decides(generator):
    nets = correlated(300, generator)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    one, other = difference(*nets, seed=1), difference(*nets, seed=2)
    assert one.as_dict() == difference(*nets, seed=1).as_dict() != other.as_dict()
    assert torch.equal(states[0], torch.get_rng_state()) and states[1] == np.random.get_state()[1].tolist()  # noqa: NPY002


@pytest.mark.parametrize(
    "second",
    [
        (everyone(4), everyone(5)),
        (everyone(4), everyone(4)),
        (everyone(5).float(), everyone(5)),
        (everyone(5), everyone(5).long()),
        (everyone(5).view(5, 1), everyone(5)),
    ],
)
def test_outcomes_that_do_not_pair_are_refused(second):
    with pytest.raises(InputError, match=r"^success and counted of the two nets are [^\n]*: pass bools"):
        difference((everyone(5), everyone(5)), second)


def test_no_draws_are_refused():
    with pytest.raises(InputError, match="resamples 0"):
        difference((everyone(5), everyone(5)), (everyone(5), everyone(5)), resamples=0)


def of_table(both, first, second, neither):
    """Two nets on images that both, the first alone, the second alone and neither gets right."""
    counts = [both, first, second, neither]
    return [(torch.repeat_interleave(torch.tensor(right), torch.tensor(counts)), everyone(sum(counts))) for right in RIGHT]


RIGHT = ([True, True, False, False], [True, False, True, False])


@pytest.mark.parametrize(
    ("table", "phi"),
    [
        # ad - bc above n / 2, which is taken off; from 0 to n / 2; below 0.
        ((14, 5, 0, 22), (14 * 22 - 41 / 2) / (19 * 22 * 14 * 27) ** 0.5),
        ((4, 1, 6, 13), (52 - 6 - 12) / (5 * 19 * 10 * 14) ** 0.5),
        ((1, 1, 7, 12), 0.0),
        ((1, 7, 6, 2), (2 - 42) / (8 * 8 * 7 * 9) ** 0.5),
    ],
)
def test_where_all_images_count_the_correlation_is_the_corrected_phi_of_newcombe(table, phi):
    assert correlation(*of_table(*table)) == pytest.approx(phi, abs=1e-12)


def test_the_paired_difference_is_that_of_the_textbook():
    # Table 6.2 of Altman et al., Statistics with Confidence, 2000: 0.12, from 0.01 to 0.23.
    first, second = of_table(14, 5, 0, 22)
    one, other = (Estimate((float(rate),), (rate.interval,)) for rate in (Rate.among(*first), Rate.among(*second)))
    assert [round(each, 2) for each in mover(one, other, {0: correlation(first, second)})] == [0.12, 0.01, 0.23]


def test_the_correlation_is_that_of_the_delta_method(generator):
    nets = correlated(300, generator)
    moved = [counted.double() * (success.double() - float(Rate.among(success, counted))) for success, counted in nets]
    expected = float((moved[0] @ moved[1] - 0.5) / (moved[0].norm() * moved[1].norm()))
    assert correlation(*nets) == pytest.approx(expected, abs=1e-12)
    assert correlation(nets[0], (~nets[0][0], nets[0][1])) == pytest.approx(-1)


@pytest.mark.parametrize("rate", ["never", "always", "no image"])
def test_what_cannot_move_has_no_correlation(rate, generator):
    second = correlated(50, generator)[1]
    success = torch.zeros(50, dtype=torch.bool) if rate == "never" else everyone(50)
    counted = torch.zeros(50, dtype=torch.bool) if rate == "no image" else second[1]
    assert correlation((success, counted), second) == correlation(second, (success, counted)) == 0.0


def test_images_that_count_for_one_net_alone_do_not_tie_the_rates(generator):
    (a, _), (b, _) = correlated(100, generator)
    half = torch.arange(100) < 50
    assert correlation((a, half), (b, ~half)) == 0.0


def test_intervals_by_the_correlation_cover_as_often_as_they_say():
    generator = torch.Generator().manual_seed(5)
    truth, inside, widths = 0.08, 0, [0.0, 0.0]
    for _ in range(400):
        first, second = correlated(300, generator)
        rates = [Rate.among(*each) for each in (first, second)]
        one, other = (Estimate((float(rate),), (rate.interval,)) for rate in rates)
        found = mover(other, one, {0: correlation(first, second)}), mover(other, one)
        inside += found[0][1] <= truth <= found[0][2]
        widths = [width + high - low for width, (_, low, high) in zip(widths, found, strict=True)]
    # 95 % of 400 is 380; four standard deviations of that count are 17.
    assert abs(inside - 380) <= 17
    assert widths[0] < 0.8 * widths[1]
