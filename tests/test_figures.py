import math
import re
from xml.etree import ElementTree

import pytest

from defective.figures import COLOURS, bars
from defective.statistics import Rate

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_svg_that_asks_for_nothing_and_names_all_of_them():
    names = ["_plain", *(f"model <{number}>" for number in range(len(COLOURS) + 2))]
    groups = {group: {name: Rate.of(number, 10) for number, name in enumerate(names)} for group in ("FGSM 16/255", "noise")}
    svg = bars(groups, y_label="accuracy, %")
    text = " ".join(text.text or "" for text in ElementTree.fromstring(svg).iter(f"{SVG}text"))
    assert all(word in text for word in ("FGSM", "16/255", "noise", "accuracy, %", "100", *names))
    assert svg.startswith("<svg") and svg.rstrip().endswith("</svg>")
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg)
    assert svg == bars(groups, y_label="accuracy, %")


def size(svg):
    return [float(ElementTree.fromstring(svg).get(side).removesuffix("pt")) / 72 for side in ("width", "height")]


@pytest.mark.parametrize(("groups", "inches"), [(2, (4.8, 3)), (12, (12, 3)), (13, (7, 6)), (25, (9, 9))])
def test_many_groups_go_on_below(groups, inches):
    """Five bars are an inch, and 12 inches the most."""
    names = {f"group {number:03}": {model: Rate.of(1, 2) for model in "abcde"} for number in range(groups)}
    svg = bars(names, y_label="%")
    assert size(svg) == pytest.approx(inches, abs=0.02)
    shown = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert shown.count("group") == groups and shown.count("a") == 1
    assert sorted(word for word in shown if re.fullmatch(r"\d{3}", word) and word != "100") == sorted(
        name[-3:] for name in names if name != "group 100"
    )


def test_a_bar_is_as_high_as_its_rate():
    def height(rate: Rate) -> float:
        svg = ElementTree.fromstring(bars({"one": {"model": rate}}, y_label="%"))
        (bar,) = [path for path in svg.iter(f"{SVG}path") if COLOURS[0] in path.get("style", "") and path.get("clip-path")]
        ys = [float(y) for _, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", bar.get("d"))]
        return max(ys) - min(ys)

    assert math.isclose(height(Rate.of(20, 100)) * 4, height(Rate.of(80, 100)), rel_tol=1e-3)


def test_a_rate_without_images_is_left_out():
    assert "nan" not in bars({"one": {"plain": Rate.of(0, 0), "defective": Rate.of(1, 2)}}, y_label="%")
