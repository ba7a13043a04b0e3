import json
from dataclasses import replace

import pytest
import torch

from benchmarks import run as running
from benchmarks.paired import ratios
from benchmarks.rows import ROWS, chosen
from benchmarks.run import MEASURES, merged, read, run
from benchmarks.settings import Settings, measured, wrong
from defective import InputError


@pytest.fixture
def settings(tmp_path):
    return Settings(torch.device("cpu"), tmp_path / "nets", repeats=2, width=0.0625, quick=True)


def measure(monkeypatch, name, **lines):
    monkeypatch.setitem(running.MEASURES, name, lambda settings: {"lines": lines, "images": 3})


def test_each_row_is_measured():
    assert [row.name for row in ROWS] == list(MEASURES)


@pytest.mark.parametrize(("names", "found"), [([], list(MEASURES)), (["live", "step"], ["step", "live"]), (["cw", "cw"], ["cw"])])
def test_rows_are_chosen_by_name(names, found):
    assert [row.name for row in chosen(names)] == found


def test_the_document_carries_what_a_number_needs(settings, tmp_path, monkeypatch):
    found = measured("equal", ratios([2.0, 4.0, 3.0], [1.0, 1.0, 1.0]), seconds={"ours": [1.0]}, note="a note")
    measure(monkeypatch, "sparse", fp32=found, bf16=wrong("not equal"))
    logged = []
    document = run(chosen(["sparse"]), settings, tmp_path / "b.json", logged.append)
    assert json.loads((tmp_path / "b.json").read_text()) == document
    (entry,) = document["rows"]
    assert (entry["row"], entry["on"], entry["images"]) == ("sparse", "cpu", 3)
    assert {"device", "torch", "python", "defective"} == entry["machine"].keys() and entry["seconds"] >= 0
    assert entry["settings"] == {"repeats": 2, "width": 0.0625, "quick": True, "data": "shapes"}
    assert set(entry["peers"]) <= {"Foolbox", "torchattacks", "ART"}
    fp32, bf16 = entry["lines"]["fp32"], entry["lines"]["bf16"]
    assert fp32["ratio"] == {"median": 3, "low": 2, "high": 4, "values": [2, 4, 3]}
    assert fp32["against"] == "dense resnet18, fp32"
    assert (bf16["state"], bf16["check"]) == ("check failed", "not equal") and "seconds" not in bf16
    assert logged == ["sparse ..."]


def test_rows_of_earlier_runs_stay_and_are_replaced_row_by_row(settings, tmp_path, monkeypatch):
    file = tmp_path / "b.json"
    for name, ratio in (("sparse", 1.0), ("step", 2.0), ("sparse", 3.0)):
        measure(monkeypatch, name, fp32=measured("equal", ratios([ratio], [1.0])))
        document = run(chosen([name]), settings, file, lambda line: None)
    assert [(entry["row"], entry["lines"]["fp32"]["ratio"]["median"]) for entry in document["rows"]] == [("step", 2), ("sparse", 3)]


def test_rows_of_another_kind_of_device_stay():
    old = [{"row": "cw", "on": "cuda", "n": 1}, {"row": "cw", "on": "cpu", "n": 2}]
    assert [entry["n"] for entry in merged(old, {"row": "cw", "on": "cpu", "n": 3})] == [1, 3]


def test_a_row_that_is_not_measured_on_a_device_is_passed_over(settings, tmp_path, monkeypatch):
    monkeypatch.setitem(running.MEASURES, "sparse", lambda settings: pytest.fail("measured"))
    logged = []
    document = run(chosen(["sparse"]), replace(settings, device=torch.device("cuda")), tmp_path / "b.json", logged.append)
    assert document == {"rows": []} and logged == ["sparse: not measured on cuda"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": [1]}', '{"rows": [{"row": "cw"}]}', '{"rows": 3}'])
def test_another_file_is_not_overwritten(tmp_path, text):
    file = tmp_path / "b.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"b\.json holds no results of the benchmark: delete it, or name another file"):
        read(file)
    assert file.read_text() == text
