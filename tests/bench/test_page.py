import importlib.util
import json
from pathlib import Path

import pytest

from defective.bench.page import UNKNOWN, brief, cells, details, summary, told
from defective.bench.paired import ratios
from defective.bench.settings import measured, wrong

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "results" / "bench").glob("*.json"))


def fill():
    spec = importlib.util.spec_from_file_location("fill", ROOT / "docs" / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def document(median=1.01, on="cpu"):
    fp32 = measured("bits equal", ratios([median, 1.0, 1.1], [1.0] * 3), seconds={"ours": [2.0, 4.0, 3.0]}, note="a note")
    entry = {
        "number": 1,
        "row": "step",
        "on": on,
        "machine": {"device": "A machine", "torch": "2.13.0", "python": "3.11", "defective": "0.1"},
        "peers": {"Foolbox": "3.3.4"},
        "settings": {"repeats": 3, "width": 1.0, "quick": False, "data": "shapes"},
        "seconds": 12.0,
        "missing": ["ART is not installed"],
        "lines": {"fp32": {**fp32, "reached": median <= 1.02}, "bf16": wrong("bits differ")},
    }
    return {"rows": [entry]}


def test_every_line_has_its_place_also_where_nothing_is_measured():
    states = [each.state for each in told([])]
    assert set(states) == {UNKNOWN} and len(states) == 52
    assert summary([]).count(UNKNOWN) == 52


def test_a_line_says_ratio_goal_and_whether_it_is_reached():
    lines = [cells(each) for each in told([document()], ["step"])]
    assert lines == [
        [
            "1 step",
            "resnet18/0.1-bottom, batch 128, fp32",
            "resnet18, same loop",
            "CPU",
            "1.01 x (1.00-1.10)",
            "at most 1.02 x",
            "yes",
        ],
        ["1 step", "resnet18/0.1-bottom, batch 128, bf16", "resnet18, same loop", "CPU", "check failed", "at most 1.02 x", ""],
        ["1 step", "resnet18/0.1-bottom, batch 128, bf16", "resnet18, same loop", "GPU", UNKNOWN, "at most 1.02 x", ""],
    ]
    assert "| no |" in summary([document(1.05)])


def test_each_machine_has_a_line_and_a_gpu_fills_its_own():
    lines = [cells(each) for each in told([document(), document(1.06), document(on="cuda")], ["step"])]
    assert [line[3:5] for line in lines] == [
        ["CPU", "1.01 x (1.00-1.10)"],
        ["CPU", "1.06 x (1.00-1.10)"],
        ["CPU", "check failed"],
        ["CPU", "check failed"],
        ["GPU", "check failed"],
    ]


def test_details_say_what_was_checked_and_on_what():
    text = details([document()], "step")
    assert "| yes | ours 3 |" in text
    assert "- resnet18/0.1-bottom, batch 128, fp32, CPU (a note). Checked: bits equal." in text
    assert "Checked: bits differ." in text
    assert (
        "- Measured on A machine, torch 2.13.0, defective 0.1, Foolbox 3.3.4; 3 turns, nets of width 1, images of shapes; " in text
    )
    assert "ART is not installed; 12 s in all." in text


def test_what_misses_its_mark_by_little_does_not_read_as_if_it_met_it():
    assert next(cells(each)[4] for each in told([document(1.0214)], ["step"])) == "1.021 x (1.000-1.100)"


def test_a_brief_table_has_the_ratios_of_what_is_measured():
    lines = brief([document()], ["step", "sparse"]).splitlines()
    assert lines[2:] == ["| resnet18/0.1-bottom, batch 128, fp32 | resnet18, same loop | CPU | 1.01 x (1.00-1.10) |"]


def test_an_unknown_row_has_no_details():
    with pytest.raises(ValueError, match="no row 'stairs'"):
        details([], "stairs")


def test_the_page_is_what_was_measured_and_another_number_is_found_out(tmp_path):
    made = fill()
    page = (ROOT / "docs" / "bench.md").read_text()
    assert made.filled(page) == page, "make tables"
    (tmp_path / "machine.json").write_text(json.dumps(document()))
    text = made.bench("step", tmp_path)
    assert "1.01 x (1.00-1.10)" in text and "1.01 x (1.00-1.10)" in made.bench("", tmp_path)
    (tmp_path / "machine.json").write_text(json.dumps(document(1.02)))
    assert made.bench("step", tmp_path) != text


def test_the_page_has_a_block_for_the_summary_and_one_for_each_row():
    page = (ROOT / "docs" / "bench.md").read_text()
    for row in ("", *(f" {name}" for name in dict.fromkeys(each.row.name for each in told([])))):
        assert page.count(f"<!-- bench{row} -->\n") == 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_kept_was_not_measured_in_a_hurry(file):
    for entry in json.loads(file.read_text())["rows"]:
        assert not entry["settings"]["quick"] and entry["settings"]["repeats"] >= 5
        assert {"device", "torch", "python", "defective"} <= entry["machine"].keys() and entry["seconds"] > 0
