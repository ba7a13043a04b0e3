"""Verdicts of claims on measured numbers: what decides them, and what leaves them open."""

import math
from dataclasses import replace

import numpy as np
import pytest

from defective.paper import CellKey, Claim
from defective.paper.claims import Part, pairs
from defective.results.claims import evaluate_claims
from defective.results.contrasts import Evidence
from defective.results.documents import CellResult, ClaimResult, ImageCounts, Measured
from defective.results.per_image import PerImage
from defective.statistics import Rate, Term, contrast, seed_variance
from runs import exhibit_result

HIGH = (("b", "PGD"), ("a", "PGD"))


def cell(row, *hits, column="PGD", images=1000, **more):
    rates = [100 * each / images for each in hits]
    counts = tuple(ImageCounts(num_evaluated=images, num_correct=each) for each in hits)
    mean = sum(rates) / len(rates)
    measured = Measured(
        mean=mean, low=mean, high=mean, values=rates, intervals=[(0, 100)] * len(hits), counts=counts, seeds=tuple(range(len(hits)))
    )
    jobs = tuple(f"score-{row}-{column}-{seed}" for seed in range(len(hits)))
    return CellResult(row=row, column=column, published=None, measured=measured, difference=None, jobs=jobs, **more)


def exhibit(*cells, name="table4", unit="%", data="few", jobs=None):
    rows = {each.row: each.row for each in cells}
    return exhibit_result(name, ["PGD"], rows, cells, unit=unit, data={"cifar10": data}, jobs=jobs or {})


def claim(kind="better", *, margin=0.0, rows=(("b", "a"),), name="claim", table="table4", **more):
    return Claim(name, f"{name}.", "Section 4", kind, (Part(pairs(table, ["PGD"], rows), **more),), margin)


def counted(model, hits, weight=1.0):
    return [Term.counted(100 * weight, model, seed, Rate.of(each, 1000)) for seed, each in enumerate(hits)]


def judged(*documents, of=None, **how):
    return evaluate_claims([Evidence(each) for each in documents], [of or claim(**how)])[0]


A = (500, 505, 495)


@pytest.mark.parametrize(
    ("kind", "margin", "hits", "verdict"),
    [
        ("better", 0, (600, 605, 595), "holds"),
        ("better", 0, (400, 405, 395), "fails"),
        ("better", 0, (503, 495, 507), "undecided"),
        ("trend", 0, (600, 605, 595), "holds"),
        ("similar", 8, (503, 495, 507), "holds"),
        ("similar", 8, (700, 705, 695), "fails"),
        ("similar", 8, (570, 580, 590), "undecided"),
        ("no better", 8, (300, 305, 295), "holds"),
        ("no better", 8, (700, 705, 695), "fails"),
        ("no better", 8, (570, 580, 590), "undecided"),
    ],
)
def test_three_seeds_decide_what_their_numbers_tell(kind, margin, hits, verdict):
    found = judged(exhibit(cell("a", *A), cell("b", *hits)), kind=kind, margin=margin)
    undecided = verdict == "undecided"
    assert (found.verdict, found.p >= 0.05, bool(found.reason)) == (verdict, undecided, undecided)
    [contrast] = found.contrasts
    assert contrast.estimate == pytest.approx(sum(hits) / 30 - 50) and contrast.low < contrast.estimate < contrast.high
    assert (contrast.measured, contrast.comparisons, contrast.seeds) == (1, 1, 3)


def test_training_moves_a_model_as_far_as_it_moves_all_models_of_the_exhibit():
    rows = {"a": (500, 505, 495), "b": (560, 565, 555), "c": (300, 380, 340), "d": (700, 710, 690)}
    terms = {row: counted(row, each) for row, each in rows.items()}
    compared = [replace(term, weight=sign * term.weight) for row, sign in (("b", 1), ("a", -1)) for term in terms[row]]
    for names in ("ab", "abcd"):
        [found] = judged(exhibit(*(cell(row, *rows[row]) for row in names))).contrasts
        pooled = seed_variance(term for row in names for term in terms[row])
        assert (found.low, found.high) == pytest.approx(contrast(compared, pooled).interval)


def test_groups_of_models_count_as_two_models():
    hits = {"a": (500, 505), "b": (560, 565), "c": (600, 680), "d": (700, 690)}
    [found] = judged(exhibit(*(cell(row, *each) for row, each in hits.items())), rows=(("b", "a"), ("c", "a"))).contrasts
    pooled = seed_variance(term for row in hits for term in counted(row, hits[row]))
    groups = [*counted("plain", hits["a"], -1), *counted("defective", hits["b"], 0.5), *counted("defective", hits["c"], 0.5)]
    assert (found.low, found.high) == pytest.approx(contrast(groups, pooled).interval)
    # Compared in different columns, under different sources, they are no groups.
    made = exhibit(*(cell(row, *hits[row], column=column) for row, column in ("ax", "bx", "ay", "cy")))
    part = Part(tuple(block for column, row in ("xb", "yc") for block in pairs("table4", [column], [(row, "a")])))
    [found] = judged(made, of=replace(FALL, parts=(part,))).contrasts
    sums = [term for row, weight in (("a", -0.5), ("b", 0.5), ("a", -0.5), ("c", 0.5)) for term in counted("", hits[row], weight)]
    assert (found.low, found.high) == pytest.approx(contrast(sums, seed_variance(sums)).interval)


FALL = Claim("fall", "Falls.", "A", "better", (Part((((CellKey("table4", "a", "x"), 1.0), (CellKey("table4", "a", "y"), -1.0)),)),))


@pytest.mark.parametrize("rows", [("a",), ("a", "b"), ("a", "b", "c")])
def test_of_any_other_sum_the_values_seed_by_seed_tell_how_far_training_moves_it(rows):
    # The sources behind the columns are trained anew, too, and each moves all models alike.
    hits = {"a": ((700, 702), (300, 322)), "b": ((900, 950), (500, 590)), "c": ((600, 610), (200, 230))}
    cells = [cell(row, *each, column=column) for row, both in hits.items() for column, each in zip("xy", both, strict=True)]
    blocks = tuple(((CellKey("table4", row, "x"), 1.0), (CellKey("table4", row, "y"), -1.0)) for row in rows)
    [found] = judged(exhibit(*cells), of=replace(FALL, parts=(Part(blocks),))).contrasts
    signed = [(sign / len(rows), of) for row in rows for sign, of in zip((1, -1), hits[row], strict=True)]
    terms = [term for weight, of in signed for term in counted("", of, weight)]
    assert (found.low, found.high) == pytest.approx(contrast(terms, seed_variance(terms)).interval)
    sums = [sum(hits[row][0][seed] - hits[row][1][seed] for row in rows) / 10 / len(rows) for seed in (0, 1)]
    assert (found.high - found.low) / 2 > 12.7 * np.std(sums, ddof=1) / math.sqrt(2)


def test_one_seed_decides_nothing():
    found = judged(exhibit(cell("a", 10), cell("b", 990)))
    assert (found.verdict, found.reason) == ("undecided", "one seed decides nothing")
    # Nor does one that they have in common.
    assert judged(exhibit(cell("a", 10), cell("b", 990, 980))).verdict == "undecided"
    # Nor how high the rate of one model is, or how it falls: another source might have been trained.
    high = Claim("high", "High.", "Section 4", "better", (Part((((CellKey("table4", "b", "PGD"), 1.0),),), bound=80.0),))
    assert judged(exhibit(cell("b", 990)), of=high).verdict == "undecided"
    assert judged(exhibit(cell("b", 990, 985)), of=high).verdict == "holds"
    assert judged(exhibit(cell("a", 700, column="x"), cell("a", 300, column="y")), of=FALL).verdict == "undecided"


@pytest.mark.parametrize(("hits", "verdict"), [((600, 605, 595), "undecided"), ((400, 405, 395), "fails")])
def test_one_part_is_enough_to_fail_but_not_to_hold(hits, verdict):
    """What keeps another part from a test keeps the claim from holding; that counts among the parts, any of which might have failed."""
    one = claim(rows=(("b", "a"),))
    both = replace(one, parts=(replace(one.parts[0], about="b"), Part(pairs("table4", ["PGD"], [("c", "a")]))))
    measured = exhibit(cell("a", *A), cell("b", *hits), cell("c", 900))
    found = judged(measured, of=both)
    said = {"undecided": "", "fails": "by b; other parts are not tested: "}[verdict] + "one seed decides nothing"
    assert (found.verdict, found.reason) == (verdict, said)
    assert found.p == (1.0 if verdict == "undecided" else pytest.approx(2 * judged(measured, of=one).p))


def test_models_at_chance_and_unequal_training_leave_it_undecided():
    found = judged(exhibit(cell("a", *A, at_chance=("vgg19 on few",)), cell("b", 900, 905, 895)))
    assert (found.verdict, found.reason) == ("undecided", "no better than chance: vgg19 on few")
    found = judged(exhibit(cell("a", *A, epochs=2), cell("b", 900, 905, 895, epochs=5)))
    reason = "trained for fewer epochs than what it is compared with: a (2 against 5)"
    assert (found.verdict, found.reason) == ("undecided", reason)
    assert judged(exhibit(cell("a", *A, epochs=5), cell("b", 900, 905, 895, epochs=5))).verdict == "holds"


def test_what_is_not_measured_is_said_and_what_is_counts():
    for found in (judged(), judged(exhibit(cell("a", *A)))):
        assert (found.verdict, found.reason) == ("not measured", "not run yet")
    assert judged(of=replace(claim(), parts=())).reason == "no table or figure measures it"
    assert judged(of=replace(claim("qualitative"), parts=())).reason == "no number decides it"
    two = claim(rows=(("b", "a"), ("c", "a")))
    found = judged(exhibit(cell("a", *A), cell("b", 600, 605, 595)), of=two)
    assert found.verdict == "holds" and (found.contrasts[0].measured, found.contrasts[0].comparisons) == (1, 2)
    three = claim(rows=(("b", "a"), ("c", "a"), ("d", "a")))
    found = judged(exhibit(cell("a", *A), cell("b", 600, 605, 595)), of=three)
    assert (found.verdict, found.reason) == ("undecided", "fewer than half of its comparisons are measured: 1 of 3")
    both = replace(two, parts=(two.parts[0], Part(pairs("table4", ["PGD"], [("d", "a")]))))
    found = judged(exhibit(cell("a", *A), cell("b", 600, 605, 595)), of=both)
    assert (found.verdict, found.reason, found.p) == ("undecided", "a part is not run yet", 1)
    assert judged(exhibit(cell("a", *A), cell("b", 400, 405, 395)), of=both).verdict == "fails"


def test_comparisons_of_one_seed_are_left_out_where_half_of_them_have_two():
    rows = exhibit(cell("a", *A), cell("b", 600, 605, 595), cell("c", 900))
    two = claim(rows=(("b", "a"), ("c", "a")))
    [found] = judged(rows, of=two).contrasts
    assert (found.measured, found.seeds, found.estimate) == (1, 3, pytest.approx(10))
    three = claim(rows=(("b", "a"), ("c", "a"), ("d", "a")))
    [found] = judged(rows, of=three).contrasts
    assert (found.measured, found.seeds) == (2, 1)


def test_equal_numbers_of_one_job_are_counted_and_a_shared_number_once():
    """A job of noise measures many models and strengths, of which two may agree; Table 4 has numbers of Table 11."""
    noise = {"jobs": ("noise-0",)}
    hits = {"a": {"x": 500, "y": 500, "z": 500}, "b": {"x": 600, "y": 600, "z": 900}}
    cells = [cell(row, number, number + 5, column=column) for row, each in hits.items() for column, number in each.items()]
    first = exhibit(*(each.model_copy(update=noise) for each in cells))
    part = Part(pairs("table4", ["x", "y", "z"], [("b", "a")]))
    [found] = judged(first, of=replace(claim(), parts=(part,))).contrasts
    assert found.estimate == pytest.approx(20) and found.measured == 3
    second = exhibit(*(each.model_copy(update=noise) for each in cells), name="table11")
    both = Part((*part.blocks, *pairs("table11", ["x", "y", "z"], [("b", "a")])))
    [again] = judged(first, second, of=replace(claim(), parts=(both,))).contrasts
    assert (again.estimate, again.low, again.high) == pytest.approx((found.estimate, found.low, found.high))


def test_of_equal_numbers_the_copy_in_the_table_with_all_models_counts():
    rows = {"a": (500, 505), "b": (560, 565), "c": (600, 680)}
    cells = [cell(row, *each).model_copy(update={"jobs": (row,)}) for row, each in rows.items()]
    large, small = exhibit(*cells, name="table11"), exhibit(*cells[:2])
    of_both = Part((*pairs("table4", ["PGD"], [("b", "a")]), *pairs("table11", ["PGD"], [("b", "a"), ("c", "a")])))
    [expected] = judged(large, of=replace(claim(), parts=(Part(pairs("table11", ["PGD"], [("b", "a"), ("c", "a")])),))).contrasts
    [found] = judged(small, large, of=replace(claim(), parts=(of_both,))).contrasts
    assert (found.estimate, found.low, found.high) == pytest.approx((expected.estimate, expected.low, expected.high))


def test_comparisons_without_a_seed_in_common_are_not_averaged():
    def at(row, hits, seed):
        found = cell(row, hits)
        return found.model_copy(update={"measured": found.measured.model_copy(update={"seeds": (seed,)})})

    made = exhibit(at("a", 500, 0), at("b", 600, 0), at("c", 500, 1), at("d", 700, 1))
    [found] = judged(made, rows=(("b", "a"), ("d", "c"))).contrasts
    assert (found.measured, found.comparisons, found.seeds, found.estimate) == (1, 2, 1, pytest.approx(10))


def test_all_parts_must_hold_and_one_is_enough_to_fail():
    parts = (Part(pairs("table4", ["PGD"], [("b", "a")])), Part(pairs("table4", ["PGD"], [("c", "a")])))
    both = replace(claim(), parts=parts)
    high, low = (900, 905, 895), (100, 105, 95)
    for b, c, verdict in ((high, high, "holds"), (high, low, "fails"), (low, low, "fails")):
        assert judged(exhibit(cell("a", *A), cell("b", *b), cell("c", *c)), of=both).verdict == verdict


def test_p_values_are_adjusted_for_the_number_of_claims_and_observations_apart():
    made = exhibit(cell("a", *A), cell("b", 600, 605, 595), cell("c", 503, 495, 507))
    clear, other = claim(name="clear"), claim(name="other", rows=(("c", "a"),))
    missing, ours = claim(name="missing", rows=(("d", "a"),)), replace(clear, name="ours", ours=True)
    found = evaluate_claims([Evidence(made)], [clear, other, missing, ours])
    assert [each.adjusted_p for each in found] == pytest.approx([2 * found[0].p, found[1].p, None, found[3].p])
    assert found[0].p == found[3].p and found[2].p is None


def test_numbers_that_tables_share_count_once():
    cells = (cell("a", *A), cell("b", 600, 605, 595))
    both = replace(claim(), parts=(Part((*pairs("table4", ["PGD"], [("b", "a")]), *pairs("table11", ["PGD"], [("b", "a")]))),))
    [found], [alone] = (
        judged(*made, of=both).contrasts for made in ((exhibit(*cells), exhibit(*cells, name="table11")), (exhibit(*cells),))
    )
    assert (found.measured, alone.measured, found.comparisons) == (2, 1, 2)
    assert found.model_copy(update={"measured": 1}) == alone


def test_one_sentence_measured_on_two_data_sets_is_one_claim():
    one = exhibit(cell("a", *A), cell("b", 600, 605, 595))
    other = exhibit(cell("a", 400, 410, 405), cell("b", 700, 710, 705), data="other")
    found = judged(one, other)
    assert [each.about for each in found.contrasts] == ["few", "other"]
    assert [each.estimate for each in found.contrasts] == pytest.approx([10, 30 - 1 / 30], abs=0.1)
    assert [each.measured for each in found.contrasts] == [1, 1] and found.verdict == "holds"
    assert judged(one, exhibit(cell("a", *A), cell("b", 400, 405, 395), data="other")).verdict == "fails"
    assert judged(one).contrasts[0].about == ""
    across = replace(claim(), parts=(Part((((CellKey("table4", "b", "PGD"), 1.0), (CellKey("table11", "a", "PGD"), -1.0)),)),))
    assert judged(one, exhibit(cell("a", *A), name="table11", data="other"), of=across).verdict == "not measured"


def test_pairing_image_by_image_decides_what_counts_leave_open():
    rng = np.random.default_rng(0)
    hard = rng.random(1000)
    hits = {row: [hard < share + shift for shift in (0.001, -0.001, 0)] for row, share in (("a", 0.5), ("b", 0.52))}
    made = exhibit(*(cell(row, *(int(each.sum()) for each in of)) for row, of in hits.items()))
    everyone = np.ones(1000, dtype=bool)
    paired = Evidence(made, lambda row, column, seed: PerImage(hits[row][seed], everyone, "few"))
    [alone], [together] = (evaluate_claims([each], [claim()]) for each in (Evidence(made), paired))
    assert (alone.verdict, together.verdict) == ("undecided", "holds")
    assert alone.contrasts[0].estimate == pytest.approx(together.contrasts[0].estimate)


def test_scores_are_compared_by_the_log_ratio_on_common_images():
    moved, image = np.log(np.linspace(1e-6, 1e-4, 100)), np.arange(100)
    # Each seed draws images of its own, few of which both models have.
    drawn = {("a", 0): image < 30, ("b", 0): (image >= 20) & (image < 50), ("a", 1): image >= 50, ("b", 1): image >= 90}

    def scores(row, *values):
        found = cell(row, *[1] * len(values), images=100)
        return found.model_copy(update={"measured": found.measured.model_copy(update={"mean": values[0], "values": values})})

    made = exhibit(scores("a", 1e-5, 1e-5), scores("b", 2e-5, 2e-5), unit="S(M)", name="table7")
    raised = {"a": 0.0, "b": math.log(2)}
    known = Evidence(made, lambda row, column, seed: PerImage(moved + raised[row] + 0.01 * seed, drawn[row, seed], "few"))
    [found] = evaluate_claims([known], [claim(table="table7")])
    assert found.contrasts[0].estimate == pytest.approx(math.log(2)) and found.verdict == "holds"
    [unknown] = evaluate_claims([Evidence(made)], [claim(table="table7")])
    assert unknown.contrasts[0].estimate == pytest.approx(math.log(2)) and unknown.verdict == "undecided"
    assert ClaimResult.model_validate_json(unknown.model_dump_json()) == unknown
