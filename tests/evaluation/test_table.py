"""A result by hand and its exact table; a notebook's plot."""

from defective.evaluation import EvaluationResult
from defective.evaluation.decision import DecisionResult
from defective.evaluation.result import Curves, RateDifference
from defective.evaluation.sanity_checks import CHECKS, SanityCheck
from defective.evaluation.settings import Settings
from defective.evaluation.shape_bias import ShapeReport
from defective.evaluation.transfer import TransferCell
from defective.statistics import Rate
from defective.tables import format_table


def cell(target, source, attack, threat, paper, own=(99, 99)):
    defense = {"paper": Rate.of(*paper), "target-correct": Rate.of(*own), "all": Rate.of(98, 99)}
    about = {"target": target, "source": source, "attack": attack, "threat_model": threat, "defense": defense}
    return TransferCell(**about, images=99, source_fooled=9, sample="", change={})


def difference(model, number, attack):
    rates = {"first": Rate.of(1, 8), "second": Rate.of(2, 8), "significant": False}
    about = {"source": "src", "attack": attack, "model": model, "against": "plain"}
    return RateDifference(**about, difference=number, low=-0.05, high=0.3, **rates)


def score(value, low, high, without=0):
    return DecisionResult(score=value, low=low, high=high, images=9, without_start=without, median_queries=1, sample="")


def curves(images, **accuracy):
    rates = {name: {strength: Rate.of(*found) for strength, found in curve.items()} for name, curve in accuracy.items()}
    return Curves(images=images, sample="", accuracy=rates)


def check(name, verdict, measured=""):
    return SanityCheck.of(name, verdict, measured)


PGD, FGSM = "pgd:eps=16/255,steps=20", "fgsm:eps=16/255"
NOTHING = EvaluationResult(
    data="levels",
    test_images=100,
    settings=Settings(samples=1000),
    accuracy={"plain": Rate.of(95, 100), "bottom": Rate.of(1, 3)},
    cells=(),
    differences=(),
    decision={},
    noise=None,
    shuffle=None,
    stimuli={},
    checks={},
    skipped={},
    sources={},
)
PARTS = {
    "sources": {"src": Rate.of(9, 10), "old": Rate.of(1, 3)},
    "skipped": {"bottom": "has no gradient"},
    "cells": (
        cell("plain", "src", PGD, "black-box", (1, 8)),
        cell("bottom", "src", PGD, "adaptive", (4, 8)),
        cell("plain", "plain", PGD, "white-box", (0, 8), (1, 10)),
        cell("bottom", "src", FGSM, "black-box", (0, 0)),
        cell("plain", "src", FGSM, "black-box", (2, 8)),
        cell("plain", "old", FGSM, "gray-box (same architecture)", (3, 8)),
        cell("bottom", "a", FGSM, "gray-box (same masks)", (8, 8)),
        cell("bottom", "b", FGSM, "gray-box (other masks)", (0, 8)),
        cell("plain", "b", FGSM, "black-box", (6, 8)),
        cell("plain", "src+bottom", FGSM, "black-box", (7, 8)),
        cell("bottom", "src+bottom", FGSM, "white-box (shared weights)", (0, 4), (1, 4)),
    ),
    "differences": (difference("bottom", 0.1249, PGD), difference("bottom", None, FGSM)),
    "decision": {"plain": score(1.23456e-5, 1e-5, None), "bottom": score(2e-5, 1.5e-5, 2.5e-5, 3)},
    "noise": curves(1234, plain={1: (9, 10), 32: (0, 10)}, bottom={1: (10, 10), 32: (5, 10)}),
    "shuffle": curves(0, plain={2: (0, 0)}, bottom={2: (0, 0)}),
    "stimuli": {
        "plain": ShapeReport(bias=Rate.of(1, 4), cue_accuracy=Rate.of(4, 8), silhouettes=Rate.of(0, 0), edges=Rate.of(1, 1))
    },
    "checks": {
        "plain": (check("steps", "passed"), check("radius", "failed", "4: 1 %, 8: 5 %")),
        "bottom": (check("radius", "passed"), check("steps", "undecided")),
    },
}
FOUND = NOTHING.model_copy(update=PARTS)

MARKDOWN = f"""\
|  | plain | bottom |
| :-- | --: | --: |
| **clean** |  |  |
| accuracy | 95.0 (88.8–97.8) | 33.3 (6.1–79.2) |
| **transfer** |  |  |
| pgd:eps=16/255, steps=20 on src | 12.5 (2.2–47.1), all 99.0 | 50.0 (21.5–78.5) a, all 99.0 |
| fgsm:eps=16/255 on src | 25.0 (7.1–59.1), all 99.0 | no images, all 99.0 |
| fgsm:eps=16/255 on old | 37.5 (13.7–69.4) g, all 99.0 |  |
| fgsm:eps=16/255 on a |  | 100.0 (67.6–100.0) s, all 99.0 |
| fgsm:eps=16/255 on b | 75.0 (40.9–92.9), all 99.0 | 0.0 (0.0–32.4) m, all 99.0 |
| fgsm:eps=16/255 on src+bottom | 87.5 (52.9–97.8), all 99.0 |  |
| **white-box, shared weights** |  |  |
| fgsm:eps=16/255 on src+bottom |  | 0.0 (0.0–49.0), all 99.0 |
| **white-box** |  |  |
| pgd:eps=16/255, steps=20 | 10.0 (1.8–40.4) |  |
| **defence rate minus that of plain** |  |  |
| pgd:eps=16/255, steps=20 on src |  | +12.5 (−5.0 to +30.0) |
| **decision-based** |  |  |
| S(M) x 1e5, boundary:steps=5000 | 1.23 (1.00–∞) | 2.00 (1.50–2.50, 3 without start) |
| **noise, 1,234 images that all models classify correctly** |  |  |
| sigma 1 | 90.0 (59.6–98.2) | 100.0 (72.2–100.0) |
| sigma 32 | 0.0 (0.0–27.8) | 50.0 (23.7–76.3) |
| **shuffle, 0 images that all models classify correctly** |  |  |
| 2 x 2 patches | no images | no images |
| **shape and texture** |  |  |
| shape bias: shape decisions among decisions for either cue | 25.0 (4.6–69.9) |  |
| cue-conflict images decided for either cue | 50.0 (21.5–78.5) |  |
| accuracy on edge drawings | 100.0 (20.7–100.0) |  |
| **sanity check** |  |  |
| {CHECKS["steps"]} | passed | undecided |
| {CHECKS["radius"]} | failed | passed |

- In % with 95 % intervals, up to 1,000 images per source and attack.
- Transfer cells: defence rate; all: the share of all attacked images that are classified correctly.
- Transfer cells that are not black-box are marked: g = gray-box, same architecture with other weights; \
s = gray-box, same masks with other weights; m = gray-box, other masks; a = adaptive, defective source.
- Accuracy of the sources: src 90.0, old 33.3.
- bottom has no gradient.
- No image to shuffle: on none are all models correct with a confidence of at least 0.99 (lower --confidence).
- no images: of those that the model classified correctly before, none fooled the source when attacked.
- plain fails the sanity check that {CHECKS["radius"]}: 4: 1 %, 8: 5 %.
"""


def markdown(found):
    return format_table(found.as_table(), "markdown")


def test_the_markdown_is_exactly_this():
    assert markdown(FOUND) == MARKDOWN
    assert markdown(EvaluationResult.model_validate(FOUND.as_json())) == MARKDOWN


def test_sets_of_one_source_and_attack_have_a_row_each():
    rates = [(1, 8), (2, 8)]
    transferred = tuple(cell(target, "src", FGSM, "black-box", rate) for rate in rates for target in ("plain", "bottom"))
    found = NOTHING.model_copy(
        update={"cells": transferred, "differences": tuple(difference("bottom", each, FGSM) for each in (0.1, 0.2))}
    )
    rows = found.as_table().rows[1:]
    assert [row[0] for row in rows] == [f"{FGSM} on src", f"{FGSM} on src (2)"] * 2
    assert [row[1].split()[0] for row in rows[:2]] == ["12.5", "25.0"] and [row[2].split()[0] for row in rows[2:]] == [
        "+10.0",
        "+20.0",
    ]


def test_parts_that_were_not_run_have_no_rows():
    note = "- In % with 95 % intervals, up to 1,000 images per source and attack."
    assert markdown(NOTHING).splitlines() == [*MARKDOWN.splitlines()[:4], "", note]


def test_models_that_were_left_out_have_blank_cells():
    left = {
        "decision": {"bottom": PARTS["decision"]["bottom"]},
        "noise": curves(2, bottom={1: (1, 1), 32: (1, 1)}),
        "checks": {"bottom": PARTS["checks"]["bottom"]},
    }
    rows = NOTHING.model_copy(update=left).as_table().rows[1:]
    assert len(rows) == 5 and all(plain == "" != bottom for _, plain, bottom in rows)


def test_scores_that_are_large_or_none():
    found = {"plain": score(0.25, 0.0, None), "bottom": score(None, 0.0, None, 5)}
    assert NOTHING.model_copy(update={"decision": found}).as_table().rows[1][1:] == ("25000.00 (0.00–∞)", "no start found")


def test_a_notebook_shows_the_table_and_a_plot():
    shown = FOUND._repr_html_()
    assert shown.startswith(format_table(FOUND.as_table(), "html"))
    for label in ("pgd", "fgsm", "on src", "on old", "on a", "on b", "on src+bottom", "plain", "bottom", "sigma 32", "bias", "%"):
        assert f">{label}</text>" in shown
    assert "<svg" not in NOTHING._repr_html_()


def test_attacks_of_one_name_have_bars_of_their_own():
    cells = tuple(cell("plain", "src", f"pgd:eps={eps}/255,steps=20", "black-box", (1, 8)) for eps in (8, 16))
    shown = NOTHING.model_copy(update={"cells": cells}).as_figure()
    assert shown.count(">pgd:eps=8/255,</text>") == shown.count(">pgd:eps=16/255,</text>") == 1
