import math
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from PIL import Image

from defective.figures import GRAY, save, svg
from defective.paper import Cell, Exhibit, Row
from defective.report.plots import plot
from defective.results.documents import Control, Difference
from defective.specs import AttackSpec, DecisionJob
from runs import cell, exhibit_result, measured

COLUMNS = ("FGSM16", "Test Accuracy")
ROWS = (
    Row("resnet18", "plain", (20.0, 95.0)),
    Row("resnet18/0.5-bottom", "half", (30.0, None)),
    Row("resnet18/0.1-bottom", "tenth", (80.0, 85.0)),
)
UNPRINTED = tuple(Row(row.name, row.label) for row in ROWS)


def cells(setup):
    """A job of its own for every cell."""
    return {
        (row.name, column): Cell(setup.target(row.name, label_smoothing=place / 10), "value")
        for row in ROWS
        for place, column in enumerate(("FGSM16", "Test Accuracy", "8", "16"))
    }


def exhibit(**changes) -> Exhibit:
    about = {"name": "made", "title": "t", "section": "w", "data": "cifar10", "columns": COLUMNS, "rows": ROWS, "cells": cells}
    return Exhibit(**about | changes)


def decisions(setup):
    """The cells, each by a decision-based attack on its model."""
    attack = AttackSpec.parse("boundary")
    return {place: Cell(DecisionJob(target=cell.job, attack=attack, samples=10), "score") for place, cell in cells(setup).items()}


def rate(row: str, column: str, seed: int) -> dict[str, int]:
    return {"num_correct": 10 * [each.name for each in ROWS].index(row) + len(column) + 3 * seed, "num_evaluated": 50}


def line(axes, label: str) -> list[tuple[float, float]]:
    (found,) = [each for each in axes.lines if each.get_label() == label]
    return [(float(x), float(y)) for x, y in zip(*found.get_data(), strict=True)]


def test_many_columns_take_several_lines_and_no_mark_is_named_that_is_not_drawn(store):
    columns = [f"PGD{number}" for number in range(15)]
    found = [cell("a", column, None, (50.0, 40.0, 60.0)) for column in columns]
    figure = plot(exhibit_result("settings", columns, {"a": "Plain"}, found), store)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == columns
    assert [sum(axes.get_subplotspec().rowspan.start == row for axes in shown) for row in (0, 1)] == [8, 7]
    assert [text.get_text().replace("\N{NO-BREAK SPACE}", " ") for text in figure.legends[0].get_texts()] == [
        "measured, 95 % interval"
    ]


def test_a_table_shows_every_number_of_its_document(store):
    document = measured(exhibit(), store, lambda row, column, seed: None if "0.5" in row else rate(row, column, seed))
    figure = plot(document, store)
    assert [axes.get_title().replace("\n", " ") for axes in figure.axes] == list(COLUMNS)
    for axes, column in zip(figure.axes, COLUMNS, strict=True):
        found = {y: document.cell(row.name, column) for y, row in enumerate(ROWS)}
        assert line(axes, "published") == [(cell.published, y) for y, cell in found.items() if cell.published is not None]
        assert line(axes, "measured") == [(found[y].measured.mean, y) for y in (0, 2)]
        (intervals,) = [each for each in axes.collections if each.get_label() == "intervals"]
        ends = [[(getattr(found[y].measured, end), y) for end in ("low", "high")] for y in (0, 2)]
        assert np.allclose(intervals.get_segments(), ends)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["plain", "half", "tenth"]
    # Rows run downwards, shares from 0 to 100.
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > len(ROWS) - 1 > 0 > top
    assert figure.axes[0].get_xlim()[0] < 0 and figure.axes[0].get_xlim()[1] > 100


def test_each_seed_is_shown(store):
    document = measured(exhibit(), store, rate, seeds=3)
    axes = plot(document, store).axes[0]
    values = [(value, y) for y, row in enumerate(ROWS) for value in document.cell(row.name, "FGSM16").measured.values]
    assert len(values) == 9 and line(axes, "seeds") == values


def test_without_a_measured_number_or_history_and_for_other_views_there_is_no_figure(store):
    for view in ("table", "scatter", "curves", "training"):
        assert plot(measured(exhibit(view=view), store, lambda *place: None), store) is None
    assert plot(measured(exhibit(view="gallery"), store, rate), store) is None
    for history in ([], [{"epoch": 1, "train_accuracy": 0.5}]):
        assert plot(measured(exhibit(view="training"), store, rate, history=history), store) is None


def test_scores_have_a_logarithmic_axis_that_holds_endless_intervals(store):
    scores = {"resnet18": (1e-6, None), "resnet18/0.5-bottom": (1e-4, 2e-4), "resnet18/0.1-bottom": (1e-3, 1e-2)}

    def score(row, column, seed):
        middle, high = scores[row]
        return {"score": middle, "low": middle / 2, "high": high, "images": 10}

    figure = plot(measured(exhibit(unit="S(M)", rows=UNPRINTED, cells=decisions), store, score), store)
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    assert line(axes, "measured") == [(middle, y) for y, (middle, _) in enumerate(scores.values())]
    (intervals,) = [each for each in axes.collections if each.get_label() == "intervals"]
    assert intervals.get_segments()[0][1][0] == axes.get_xlim()[1] < math.inf
    svg(figure)


def test_a_scatter_names_each_point(store):
    document = measured(exhibit(view="scatter"), store, rate)
    (axes,) = plot(document, store).axes
    pairs = [tuple(document.cell(row.name, column).measured.mean for column in COLUMNS) for row in ROWS]
    assert line(axes, "measured, 95\N{NO-BREAK SPACE}% intervals") == pairs
    assert line(axes, "published") == [(20.0, 95.0), (80.0, 85.0)]
    assert sorted(text.get_text() for text in axes.texts) == sorted(["plain", "half", "tenth", "plain", "tenth"])
    assert {tuple(text.xy) for text in axes.texts} == {*pairs, (20.0, 95.0), (80.0, 85.0)}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("FGSM16, %", "defence rate under Test Accuracy, %")


def test_a_trade_off_has_the_lowest_number_of_a_row_and_of_its_plain_control_against_accuracy(store):
    columns = ("PGD16", *COLUMNS)
    document = measured(exhibit(view="trade-off", columns=columns, rows=UNPRINTED), store, rate)
    # The control is under its own strongest attacker, whichever is that of the model.
    apart = {"difference": Difference(mean=0, low=0, high=0), "verdict": "yes", "reason": "", "checkpoints": ()}
    rates = {(ROWS[1].name, "PGD16"): 30, (ROWS[1].name, "FGSM16"): 70}
    controls = {place: Control(accuracy=60, rate=found, **apart) for place, found in rates.items()}
    cells = tuple(cell.model_copy(update={"control": controls.get((cell.row, cell.column))}) for cell in document.cells)
    (axes,) = plot(document.model_copy(update={"cells": cells}), store).axes
    expected = {}
    for row in ROWS:
        *attacked, accuracy = (document.cell(row.name, column).measured for column in columns)
        expected[row.label] = accuracy.mean, min(each.mean for each in attacked if each)
    assert {text.get_text(): tuple(text.xy) for text in axes.texts} == expected
    assert axes.get_xlabel() == "Test Accuracy, %" and line(axes, "plain model of equal accuracy") == [(60, 30)]


def test_names_of_close_points_lie_apart(store):
    rows = tuple(Row(row.name, f"0.{place}5", (60 + place / 4, 90 - place / 4)) for place, row in enumerate(ROWS))
    figure = plot(
        measured(exhibit(view="scatter", rows=rows), store, lambda *place: {"num_correct": 500, "num_evaluated": 1000}), store
    )
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]
    assert len(boxes) == 6
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_curves_run_over_the_columns(store):
    document = measured(exhibit(view="curves", columns=("8", "16"), rows=UNPRINTED), store, rate)
    (axes,) = plot(document, store).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("standard deviation σ of the noise, in levels of 255", "accuracy, %")
    for row, band in zip(ROWS, axes.collections, strict=True):
        numbers = {float(column): document.cell(row.name, column).measured for column in ("8", "16")}
        assert line(axes, row.label) == [(x, each.mean) for x, each in numbers.items()]
        ends = {(x, getattr(each, end)) for x, each in numbers.items() for end in ("low", "high")}
        assert ends <= {tuple(vertex) for vertex in band.get_paths()[0].vertices.tolist()}


def test_training_shows_the_history(store):
    history = [
        {"epoch": number + 1, "train_loss": 1.0, "train_accuracy": 0.5 + number / 8, "test_accuracy": 0.25 + number / 8}
        for number in range(3)
    ]
    document = measured(exhibit(view="training"), store, rate, history=history)
    figure = plot(document, store)
    assert [axes.get_title() for axes in figure.axes] == list(COLUMNS)
    for axes in figure.axes:
        for row in ROWS:
            assert line(axes, f"{row.label}, train") == [(1, 50), (2, 62.5), (3, 75)]
            assert line(axes, f"{row.label}, test") == [(1, 25), (2, 37.5), (3, 50)]


@pytest.fixture
def figure(store):
    return plot(measured(exhibit(), store, rate), store)


def test_text_of_the_svg_is_text_in_gray_on_nothing(figure):
    root = ElementTree.fromstring(svg(figure))
    words = " ".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert all(label in words for label in ("plain", "half", "tenth", "FGSM16", "published", "measured"))
    assert "#ffffff" not in svg(figure)
    assert {to_hex(text.get_color()) for text in figure.findobj(Text)} == {GRAY}


def test_files_are_written_in_three_formats_and_equal_figures_have_equal_bytes(figure, store, tmp_path):
    other = plot(measured(exhibit(), store, rate), store)
    assert svg(figure) == svg(other)
    files = save(figure, tmp_path / "figures" / "table4")
    assert [file.name for file in files] == ["table4.svg", "table4.pdf", "table4.png"]
    assert {to_hex(text.get_color()) for text in figure.findobj(Text)} == {"#000000"}
    svg(figure)
    assert {to_hex(text.get_color()) for text in figure.findobj(Text)} == {GRAY}
    again = save(other, tmp_path / "other")
    assert all(one.read_bytes() == same.read_bytes() for one, same in zip(files, again, strict=True))
    image = Image.open(files[2])
    width, height = figure.get_size_inches()
    assert image.size == (int(300 * width), int(300 * height))
    assert image.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)
    pdf = files[1].read_bytes()
    assert b"/Type3" not in pdf and (b"/TrueType" in pdf or b"/CIDFontType2" in pdf)
