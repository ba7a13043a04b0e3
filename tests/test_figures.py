import math
import re
from xml.etree import ElementTree

from defective.figures import COLOURS, bars
from defective.statistics import Rate

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_svg_that_asks_for_nothing_and_names_all_of_them():
    names = [f"model <{number}>" for number in range(len(COLOURS) + 2)]
    groups = {group: {name: Rate.of(number, 10) for number, name in enumerate(names)} for group in ("FGSM 16/255", "noise")}
    svg = bars(groups, y_label="accuracy, %")
    text = " ".join(text.text or "" for text in ElementTree.fromstring(svg).iter(f"{SVG}text"))
    assert all(word in text for word in ("FGSM", "16/255", "noise", "accuracy, %", "100", *names))
    assert svg.startswith("<svg") and svg.rstrip().endswith("</svg>")
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg)
    assert svg == bars(groups, y_label="accuracy, %")


def test_a_bar_is_as_high_as_its_rate():
    def height(rate: Rate) -> float:
        svg = ElementTree.fromstring(bars({"one": {"model": rate}}, y_label="%"))
        (bar,) = [path for path in svg.iter(f"{SVG}path") if COLOURS[0] in path.get("style", "") and path.get("clip-path")]
        ys = [float(y) for _, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", bar.get("d"))]
        return max(ys) - min(ys)

    assert math.isclose(height(Rate.of(20, 100)) * 4, height(Rate.of(80, 100)), rel_tol=1e-3)


def test_a_rate_without_images_is_left_out():
    assert "nan" not in bars({"one": {"plain": Rate.of(0, 0), "defective": Rate.of(1, 2)}}, y_label="%")
