import json
from pathlib import Path

import pytest

from benchmarks.page import COLUMNS, clear, machines, table
from benchmarks.paired import ratios
from benchmarks.rows import ROWS
from benchmarks.settings import absent, measured, wrong
from docs import fill

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "results" / "bench").glob("*.json"))


def document(values=(0.5, 0.6, 0.55), on="cpu", **lines):
    entry = {
        "row": "live",
        "on": on,
        "machine": {"device": "A machine", "torch": "2.13.0", "python": "3.11", "defective": "0.1"},
        "peers": {"Foolbox": "3.3.4"},
        "settings": {"repeats": 3, "width": 1.0, "quick": False, "data": "shapes"},
        "lines": {"fp32": measured("bits equal", ratios(values, [1.0] * 3)), **lines},
    }
    return {"rows": [entry]}


def cells(text):
    return [tuple(line.strip("| ").split(" | ")) for line in text.splitlines() if line.startswith("| ")][2:]


FP32 = "Training step of resnet18/0.1-bottom, live neurons only, fp32"


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((1.1, 1.2, 1.3), True),
        ((0.9, 1.2, 1.3), False),
        ((1.05, 1.2, 1.3), False),
        ((0.5, 0.6, 0.9), True),
        ((0.5, 0.8, 0.9), False),
        ((0.996, 1.0, 1.004), True),
        ((0.98, 1.0, 1.02), False),
    ],
)
def test_a_ratio_is_clear_where_the_turns_differ_less_than_the_effect(values, found):
    assert clear(ratios(values, [1.0] * 3)) == found


def test_the_table_has_what_was_measured_on_each_machine():
    documents = [document(bf16=wrong("bits differ")), document((0.7, 0.7, 0.7), "cuda", bf16=absent("not built"))]
    assert cells(table(documents)) == [
        (FP32, "resnet18", "CPU", "time", "0.55 x (0.50-0.60)"),
        (FP32, "resnet18", "GPU", "time", "0.70 x"),
    ]
    assert cells(table(documents, ["live/fp32"])) == cells(table(documents))
    assert table(documents).splitlines()[0] == f"| {' | '.join(COLUMNS)} |"


def test_processors_are_named_where_there_are_several():
    other, gpu = document((0.7, 0.7, 0.7)), document((0.6, 0.6, 0.6), "cuda")
    other["rows"][0]["machine"] = {**other["rows"][0]["machine"], "device": "Another"}
    assert [row[2:] for row in cells(table([document(), gpu, other]))] == [
        ("A machine", "time", "0.55 x (0.50-0.60)"),
        ("GPU", "time", "0.60 x"),
        ("Another", "time", "0.70 x"),
    ]


def test_what_is_not_clear_is_named_and_no_number_shown():
    text = table([document((0.5, 0.9, 1.5))])
    assert cells(text) == []
    assert text.endswith(f"Not shown, because the turns differ by more than the effect:\n\n- {FP32} (resnet18; CPU)\n")


@pytest.mark.parametrize("documents", [[], [document((0.5, 0.9, 1.5))]])
def test_a_named_line_without_a_clear_ratio_is_refused(documents):
    with pytest.raises(ValueError, match="live/fp32"):
        table(documents, ["live/fp32"])


def test_machines_are_named_once_with_their_rows():
    first, second = document(), document()
    second["rows"][0] |= {"row": "step"}
    first["rows"] += [*second["rows"], {"row": "a row of an earlier version"}]
    assert machines([first]) == (
        "- live (3 turns), step (3 turns): A machine, torch 2.13.0, Python 3.11, defective 0.1, Foolbox 3.3.4; "
        "models of width 1, images of shapes.\n"
    )


def test_every_line_has_a_key_of_its_own():
    for row in ROWS:
        assert len({line.key for line in row.lines}) == len(row.lines)


@pytest.mark.parametrize("page", ["docs/bench.md"])
def test_the_pages_are_what_was_measured(page):
    text = (ROOT / page).read_text()
    assert "<!-- bench" in text and fill.filled(text) == text, "make tables"


def test_another_number_is_found_out(tmp_path):
    (tmp_path / "machine.json").write_text(json.dumps(document()))
    text = fill.bench("live/fp32", tmp_path)
    assert "0.55 x (0.50-0.60)" in text and "A machine" in fill.bench("machines", tmp_path)
    (tmp_path / "machine.json").write_text(json.dumps(document((0.5, 0.6, 0.57))))
    assert fill.bench("live/fp32", tmp_path) != text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_kept_was_not_measured_in_a_hurry(file):
    for entry in json.loads(file.read_text())["rows"]:
        assert not entry["settings"]["quick"] and entry["settings"]["repeats"] >= 3
        assert {"device", "torch", "python", "defective"} <= entry["machine"].keys() and entry["seconds"] > 0
