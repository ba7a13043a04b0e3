import math
import re
from xml.etree import ElementTree

import pytest

from defective.report.figures import COLOURS, bars, curves
from defective.statistics import Rate

CURVES = {
    "plain": {8: Rate.of(90, 100), 16: Rate.of(50, 100), 32: Rate.of(0, 100)},
    "defective <b>": {8: Rate.of(100, 100), 16: Rate.of(80, 100), 32: Rate.of(40, 100)},
}
BARS = {
    "FGSM 16/255": {"plain": Rate.of(30, 100), "defective <b>": Rate.of(100, 100)},
    "noise": {"plain": Rate.of(0, 100), "defective <b>": Rate.of(60, 100)},
}
SVG = "{http://www.w3.org/2000/svg}"


def words(svg: str) -> str:
    return " ".join(text.text or "" for text in ElementTree.fromstring(svg).iter(f"{SVG}text"))


@pytest.fixture(params=["curves", "bars"])
def svg(request):
    if request.param == "curves":
        return curves(CURVES, x_label="level σ", y_label="accuracy, %")
    return bars(BARS, y_label="accuracy, %")


def test_it_is_svg_that_asks_for_nothing(svg):
    assert ElementTree.fromstring(svg).tag == f"{SVG}svg"
    assert svg.startswith("<svg") and svg.rstrip().endswith("</svg>")
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg)


def test_names_and_axes_are_readable_text(svg):
    text = words(svg)
    for label in ("plain", "defective <b>", "accuracy, %", "100"):
        assert label in text


def test_points_and_groups_are_named():
    text = words(curves(CURVES, x_label="level σ", y_label="%"))
    assert "level σ" in text
    assert [number for number in text.split() if number in ("8", "16", "32")] == ["8", "16", "32"]
    text = words(bars(BARS, y_label="%"))
    assert all(word in text for word in ("FGSM", "16/255", "noise"))


def test_equal_figures_have_equal_bytes():
    assert bars(BARS, y_label="%") == bars(BARS, y_label="%")


def test_more_names_than_colours_are_all_drawn():
    many = {f"net-{number}": {8: Rate.of(number, 10), 16: Rate.of(1, 10)} for number in range(len(COLOURS) + 2)}
    assert all(name in words(curves(many, x_label="x", y_label="y")) for name in many)
    groups = {"one": {name: rates[8] for name, rates in many.items()}}
    assert all(name in words(bars(groups, y_label="y")) for name in many)


def test_a_bar_is_as_high_as_its_rate():
    def height(rate: Rate) -> float:
        svg = ElementTree.fromstring(bars({"one": {"net": rate}}, y_label="%"))
        (bar,) = [path for path in svg.iter(f"{SVG}path") if COLOURS[0] in path.get("style", "") and path.get("clip-path")]
        ys = [float(y) for _, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", bar.get("d"))]
        return max(ys) - min(ys)

    assert math.isclose(height(Rate.of(20, 100)) * 4, height(Rate.of(80, 100)), rel_tol=1e-3)


def test_a_rate_without_images_is_left_out():
    svg = bars({"one": {"plain": Rate.of(0, 0), "defective": Rate.of(1, 2)}}, y_label="%")
    assert "nan" not in svg
