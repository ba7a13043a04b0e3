"""The demo on fewer images and smaller models: its files, its page, and that a second call goes on from the first."""

import dataclasses
import html
import json
import re

import pytest

from defective import defects, demo, load
from defective.cli import main
from defective.data import shapes
from defective.training.recipes import recipe_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The result, the folder and the page of one small run."""
    counts = {"train": 600, "test": 120}

    def fewer(split):
        data = shapes(split)
        kept = slice(counts.get(split, 100))
        texture = None if data.y_texture is None else data.y_texture[kept]
        return dataclasses.replace(data, x=data.x[kept], y=data.y[kept], y_texture=texture)

    def smaller(*arguments):
        return recipe_for(*arguments).changed(width_mult=0.0625, epochs=2, batch_size=32)

    out = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "shapes", fewer)
        patch.setattr(demo, "recipe_for", smaller)
        result = demo.run_demo(out, samples=40, device="cpu")
        trained = {file: file.stat().st_mtime_ns for file in out.glob("*/model.safetensors")}
        page = (out / "index.html").read_text(encoding="utf-8")
        again = demo.run_demo(out, samples=40, device="cpu")
    return {"out": out, "result": result, "page": page, "trained": trained, "again": again}


def measured(result):
    return [result[key] for key in ("table", "noise", "attacks", "seed", "samples", "recipe")]


def test_the_result_is_kept_as_it_was_returned(made):
    assert json.loads((made["out"] / "result.json").read_text()) == made["again"]
    assert made["result"]["page"] == str(made["out"] / "index.html")


def test_a_second_call_trains_nothing_and_measures_the_same(made):
    assert {file: file.stat().st_mtime_ns for file in made["trained"]} == made["trained"]
    assert len(made["trained"]) == 3
    assert measured(made["again"]) == measured(made["result"])


def test_the_models_are_what_the_page_says(made):
    assert defects(load(made["out"] / "plain")) == []
    assert {defect.keep_prob for defect in defects(load(made["out"] / "defective"))} == {0.1}


def test_the_page_shows_the_numbers_of_the_result(made):
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', made["page"])
    assert [html.unescape(name) for name, _ in rows] == list(demo.COLUMNS)
    table = made["result"]["table"]
    for name, cells in rows:
        values = re.findall(r"<td[^>]*>(.*?)<small>(.*?)</small></td>", cells)
        for model, (value, small) in zip(("plain", "defective"), values, strict=True):
            rate = table[model][html.unescape(name)]
            if rate["num_evaluated"] == 0:
                assert (value, small) == ("–", "no images")
                continue
            assert value == f"{100 * rate['rate']:.1f}"
            assert small.replace("\xa0", " ") == f"{100 * rate['low']:.1f}–{100 * rate['high']:.1f}, n = {rate['num_evaluated']:,}"
    assert table["plain"]["accuracy"]["num_evaluated"] == 120
    assert "nan" not in re.sub(r"<svg.*?</svg>|base64,[^\"]*", "", made["page"], flags=re.DOTALL)


def test_the_page_needs_no_network(made):
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", made["page"])
    assert "http:" not in without_names and "https:" not in without_names
    assert not re.search(r'(src|href)="(?!data:|#)', without_names)


def test_the_page_has_pictures_figures_and_masks(made):
    assert made["page"].count("<svg") == 1
    examples = made["page"].count('class="triple"')
    assert 1 <= examples <= 6
    pictures = made["page"].count('src="data:image/png;base64,')
    assert pictures == 3 * examples + 2
    for defect in defects(load(made["out"] / "defective"))[:2]:
        assert f"<code>{defect.site}</code>: {defect.live:,} of {defect.total:,} neurons live" in made["page"]
    assert made["page"].rindex("Next step") > made["page"].index("How it was measured")


def test_images_come_first_on_which_the_models_differ(made):
    figures = re.findall(r'<div class="verdicts">(.*?)</div>', made["page"], re.DOTALL)
    differ = [("✓" in each) and ("✗" in each) for each in figures]
    assert differ == sorted(differ, reverse=True)
    told = [int(number) for number in re.search(r"Of the (\d+) .*? on (\d+), only the plain one on (\d+);", made["page"]).groups()]
    assert sum(differ) == min(len(figures), told[1] + told[2]) and len(figures) == min(6, told[0])


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_command_prints_the_result(made, capsys, monkeypatch, form):
    monkeypatch.setattr("defective.cli.demo.run_demo", lambda *_, **__: made["result"])
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["demo", "--out", str(made["out"]), *form]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    if form:
        assert json.loads(out) == made["result"]
        return
    assert max(map(len, out.splitlines())) <= 80
    for column, rate in made["result"]["table"]["defective"].items():
        assert column in out
        assert (f"{100 * rate['rate']:.1f} (" if rate["num_evaluated"] else "no images") in out
