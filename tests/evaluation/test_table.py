"""A document by hand and its exact table; the document of a real evaluation and its cells."""

import json

import pytest

from defective.evaluation.table import Row, html, result_table, table_rows
from defective.tables import format_table


def markdown(document):
    return format_table(result_table(document), "markdown")


def rate(hits, total, low=0.0, high=1.0):
    return {"rate": hits / total if total else None, "num_correct": hits, "num_evaluated": total, "low": low, "high": high}


def cell(target, source, attack, threat, paper, own=None):
    defense = {"paper": paper, "target-correct": own or rate(99, 99), "all": rate(98, 99)}
    return {"target": target, "source": source, "attack": attack, "threat_model": threat, "defense": defense}


def difference(model, number, low=-0.05, high=0.3, attack="pgd:eps=16/255,steps=20"):
    return {"source": "src", "attack": attack, "model": model, "against": "plain", "difference": number, "low": low, "high": high}


def score(value, low, high, without=0):
    return {"score": value, "low": low, "high": high, "without_start": without}


PGD, FGSM = "pgd:eps=16/255,steps=20", "fgsm:eps=16/255"
DOCUMENT = {
    "accuracy": {"plain": rate(95, 100, 0.888, 0.9785), "bottom": rate(1, 3, 0.0615, 0.7923)},
    "settings": {"decision": "boundary:steps=5000", "samples": 1000, "confidence": 0.99},
    "sources": {"src": rate(9, 10), "old": rate(1, 3)},
    "skipped": {"bottom": "has no gradient"},
    "cells": [
        cell("plain", "src", PGD, "black-box", rate(1, 8, 0.022, 0.471)),
        cell("bottom", "src", PGD, "adaptive", rate(4, 8, 0.215, 0.785)),
        cell("plain", "plain", PGD, "white-box", rate(0, 8), rate(1, 10, 0.018, 0.404)),
        cell("bottom", "src", FGSM, "black-box", rate(0, 0)),
        cell("plain", "src", FGSM, "black-box", rate(2, 8, 0.071, 0.591)),
        cell("plain", "old", FGSM, "gray-box (same architecture)", rate(3, 8, 0.137, 0.694)),
        cell("bottom", "a", FGSM, "gray-box (same masks)", rate(8, 8, 0.676, 1.0)),
        cell("bottom", "b", FGSM, "gray-box (other masks)", rate(0, 8, 0.0, 0.324)),
        cell("plain", "b", FGSM, "black-box", rate(6, 8, 0.409, 0.9285)),
        cell("plain", "src+bottom", FGSM, "black-box", rate(7, 8, 0.529, 0.9776)),
        cell("bottom", "src+bottom", FGSM, "white-box (shared weights)", rate(0, 4, 0.0, 0.49), rate(1, 4)),
    ],
    "differences": [difference("bottom", 0.1249), difference("bottom", None, attack=FGSM)],
    "decision": {"plain": score(1.23456e-5, 1e-5, None), "bottom": score(2e-5, 1.5e-5, 2.5e-5, 3)},
    "noise": {
        "images": 1234,
        "accuracy": {
            "plain": {"1": rate(9, 10, 0.596, 0.982), "32": rate(0, 10, 0.0, 0.278)},
            "bottom": {"1": rate(10, 10, 0.722, 1.0), "32": rate(5, 10, 0.237, 0.763)},
        },
    },
    "shuffle": {"images": 0, "accuracy": {"plain": {"2": rate(0, 0)}, "bottom": {"2": rate(0, 0)}}},
    "stimuli": {
        "plain": {
            "bias": rate(1, 4, 0.046, 0.699),
            "cue_accuracy": rate(4, 8, 0.215, 0.785),
            "silhouettes": rate(0, 0),
            "edges": rate(1, 1, 0.207, 1.0),
        }
    },
    "checks": {
        "plain": [
            {"check": "steps", "tests": "more steps never help", "verdict": "passed"},
            {"check": "radius", "tests": "a larger radius never helps", "verdict": "failed", "measured": "4: 1 %, 8: 5 %"},
        ],
        "bottom": [
            {"check": "radius", "tests": "a larger radius never helps", "verdict": "passed"},
            {"check": "steps", "tests": "more steps never help", "verdict": "undecided"},
        ],
    },
}

MARKDOWN = """\
|  | plain | bottom |
| :-- | --: | --: |
| **clean** |  |  |
| accuracy | 95.0 (88.8–97.8) | 33.3 (6.1–79.2) |
| **transfer** |  |  |
| pgd:eps=16/255, steps=20 on src | 12.5 (2.2–47.1) | 50.0 (21.5–78.5) a |
| fgsm:eps=16/255 on src | 25.0 (7.1–59.1) | no images |
| fgsm:eps=16/255 on old | 37.5 (13.7–69.4) g |  |
| fgsm:eps=16/255 on a |  | 100.0 (67.6–100.0) s |
| fgsm:eps=16/255 on b | 75.0 (40.9–92.9) | 0.0 (0.0–32.4) m |
| fgsm:eps=16/255 on src+bottom | 87.5 (52.9–97.8) |  |
| **white-box, shared weights** |  |  |
| fgsm:eps=16/255 on src+bottom |  | 0.0 (0.0–49.0) |
| **white-box** |  |  |
| pgd:eps=16/255, steps=20 | 10.0 (1.8–40.4) |  |
| **defence rate minus that of plain** |  |  |
| pgd:eps=16/255, steps=20 on src |  | +12.5 (−5.0 to +30.0) |
| **decision-based** |  |  |
| S(M) x 1e5, boundary:steps=5000 | 1.23 (1.00–∞) | 2.00 (1.50–2.50, 3 without start) |
| **noise, 1,234 images that all classify correctly** |  |  |
| sigma 1 | 90.0 (59.6–98.2) | 100.0 (72.2–100.0) |
| sigma 32 | 0.0 (0.0–27.8) | 50.0 (23.7–76.3) |
| **shuffle, 0 images that all classify correctly** |  |  |
| 2 x 2 patches | no images | no images |
| **shape and texture** |  |  |
| shape bias: shape decisions among decisions for either cue | 25.0 (4.6–69.9) |  |
| cue-conflict images decided for either cue | 50.0 (21.5–78.5) |  |
| accuracy on silhouettes | no images |  |
| accuracy on edge drawings | 100.0 (20.7–100.0) |  |
| **sanity check** |  |  |
| more steps never help | passed | undecided |
| a larger radius never helps | failed | passed |

- In % with 95 % intervals, up to 1,000 images per source and attack.
- Transfer cells that are not black-box are marked: g = gray-box, same architecture with other weights; \
s = gray-box, same masks with other weights; m = gray-box, other masks; a = adaptive, defective source.
- Accuracy of the sources: src 90.0, old 33.3.
- bottom has no gradient.
- No image to shuffle: all models are correct with a confidence of 0.99 or more on none (--confidence).
- no images: of those that the model classified correctly before, none fooled the source when attacked.
- plain fails the sanity check that a larger radius never helps: 4: 1 %, 8: 5 %.
"""

NOTHING = {
    "cells": [],
    "differences": [],
    "decision": {},
    "noise": None,
    "shuffle": None,
    "stimuli": {},
    "checks": {},
    "sources": {},
    "skipped": {},
}


def test_the_markdown_is_exactly_this():
    assert markdown(DOCUMENT) == MARKDOWN
    assert markdown(json.loads(json.dumps(DOCUMENT))) == MARKDOWN


def test_the_rows_are_those_of_the_markdown():
    rows = table_rows(DOCUMENT)
    assert rows[1] == Row(
        "transfer", "pgd:eps=16/255, steps=20 on src", {"plain": "12.5 (2.2–47.1)", "bottom": "50.0 (21.5–78.5) a"}
    )
    lines = [line for line in MARKDOWN.splitlines()[2:] if line.startswith("|") and "**" not in line]
    assert [row.label for row in rows] == [line.split("|")[1].strip() for line in lines]


def test_parts_that_were_not_run_have_no_rows():
    assert [row.part for row in table_rows(DOCUMENT | NOTHING)] == ["clean"]
    note = "- In % with 95 % intervals, up to 1,000 images per source and attack."
    assert markdown(DOCUMENT | NOTHING).splitlines() == [*MARKDOWN.splitlines()[:4], "", note]


def test_models_that_were_left_out_have_blank_cells():
    document = DOCUMENT | NOTHING
    document["decision"] = {"bottom": DOCUMENT["decision"]["bottom"]}
    document["noise"] = {"images": 2, "accuracy": {"bottom": DOCUMENT["noise"]["accuracy"]["bottom"]}}
    document["checks"] = {"bottom": DOCUMENT["checks"]["bottom"]}
    rows = table_rows(document)[1:]
    assert len(rows) == 5 and all(list(row.cells) == ["bottom"] for row in rows)
    assert all("|  |" in line for line in markdown(document).splitlines()[4:] if line.startswith("|") and "**" not in line)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (score(None, 0.0, None, 5), "no start found"),
        (score(0.25, 0.0, None), "25000.00 (0.00–∞)"),
        (score(3.14159e-5, 3e-5, 4e-5), "3.14 (3.00–4.00)"),
        (score(3.14159e-5, 3e-5, 4e-5, 12), "3.14 (3.00–4.00, 12 without start)"),
    ],
)
def test_a_score_in_words(found, text):
    document = DOCUMENT | NOTHING | {"decision": {"plain": found}}
    assert table_rows(document)[1].cells == {"plain": text}


def test_a_notebook_shows_the_table_and_a_plot():
    shown = html(DOCUMENT)
    assert shown.startswith(format_table(result_table(DOCUMENT), "html"))
    # A bar for each transfer cell with images, as long as its rate.
    assert shown.count("<rect") == 8 and 'width="37.5"' in shown and "plain: pgd on src" in shown
    assert "<svg" not in html(DOCUMENT | NOTHING)
