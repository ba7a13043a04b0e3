"""The demo on fewer images and smaller models: its files, its page, and that a second call goes on from the first."""

import dataclasses
import json
import re

import pytest
from bs4 import BeautifulSoup

from defective import defects, demo, load
from defective.cli import main
from defective.data import shapes
from defective.training.recipes import recipe_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The result, the folder and the page of one small run."""
    counts = {"train": 1500, "test": 120}

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
        page = BeautifulSoup((out / "index.html").read_text(encoding="utf-8"), "html.parser")
        again = demo.run_demo(out, samples=40, device="cpu")
    return {"out": out, "result": result, "page": page, "trained": trained, "again": again}


def test_a_second_call_trains_nothing_and_measures_the_same(made):
    assert {file: file.stat().st_mtime_ns for file in made["trained"]} == made["trained"] and len(made["trained"]) == 3
    first, again = (made[name].as_json() | {"seconds": 0} for name in ("result", "again"))
    assert first == again
    assert json.loads((made["out"] / "evaluation.json").read_text()) == made["again"].as_json()


def test_the_models_are_what_the_page_says(made):
    assert defects(load(made["out"] / "plain")) == []
    assert {defect.keep_prob for defect in defects(load(made["out"] / "defective"))} == {0.1}


def test_the_page_shows_the_numbers_of_the_result(made):
    result, text = made["result"], made["page"].get_text()
    shown = [[cell.get_text() for cell in row("th") + row("td")] for row in made["page"].select(".scroll tbody tr")]
    table = result.as_table()
    assert shown == [line for heading, rows in table.blocks() for line in ([heading], *map(list, rows))]
    parts = {heading.partition(",")[0] for heading in table.headings}
    assert parts >= {"clean", "transfer", "noise", "shape and texture"} and len(result.noise.accuracy["plain"]) == 10
    assert result.accuracy["plain"].num_evaluated == 120 and "nan" not in text
    for rate in (result.cells[-1].defense["paper"], result.accuracy["defective"], result.stimuli["plain"].bias):
        assert (f"{100 * rate:.0f}\xa0%" if rate.num_evaluated else "an unknown share") in text


def test_the_page_has_pictures_figures_and_masks_and_needs_no_network(made):
    page, text = made["page"], made["page"].get_text()
    examples = len(page.select(".triple"))
    assert 1 <= examples <= 6 and len(page.select("svg")) == 1
    assert len(page.select("img[src^='data:image/png;base64,']")) == len(page.select("[src]")) == 3 * examples + 2
    links = {f"#{each['id']}" for each in page.select("[id]")}
    assert {link["href"] for link in page.select("[href]")} <= {"data:,", *links}
    assert not re.search(r"https?:", re.sub(r'xmlns(:\w+)?="[^"]*"', "", str(page)))
    for defect in defects(load(made["out"] / "defective"))[:2]:
        assert f"{defect.site}: {defect.live:,} of {defect.total:,} neurons live" in text
    assert text.rindex("Next step") > text.index("How it was measured")


def test_images_come_first_on_which_the_models_differ(made):
    differ = [{"✓", "✗"} <= {*figure.text} for figure in made["page"].select(".verdicts")]
    assert differ == sorted(differ, reverse=True)
    fooled = int(re.search(r"([\d,]+) of [\d,]+ images fool it", made["page"].get_text())[1])
    assert len(differ) == min(6, fooled)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_command_prints_the_result(made, capsys, monkeypatch, form):
    monkeypatch.setattr("defective.cli.demo.run_demo", lambda *_, **__: made["result"])
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["demo", "--out", str(made["out"]), *form]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    if form:
        assert json.loads(out) == made["result"].as_json()
        return
    assert max(map(len, out.splitlines())) <= 80 and "pictures and masks:" in out
    assert all(cell in out for row in made["result"].as_table().rows for cell in row[1:])
