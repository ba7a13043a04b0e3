import json
from dataclasses import replace

import pytest
import torch

from defective import InputError
from defective.bench import run as running
from defective.bench.paired import ratios
from defective.bench.rows import chosen
from defective.bench.run import merged, read, run
from defective.bench.settings import Settings, measured, wrong


@pytest.fixture
def settings(tmp_path):
    return Settings(torch.device("cpu"), tmp_path / "nets", repeats=2, width=0.0625, quick=True)


def measure(monkeypatch, name, **lines):
    monkeypatch.setitem(running.MEASURES, name, lambda settings: {"lines": lines, "images": 3})


def test_the_document_carries_what_a_number_needs(settings, tmp_path, monkeypatch):
    found = measured("equal", ratios([2.0, 4.0, 3.0], [1.0, 1.0, 1.0]), seconds={"ours": [1.0]}, note="said")
    measure(monkeypatch, "sparse", fp32=found, bf16=wrong("not equal"))
    said = []
    document = run(chosen(["sparse"]), settings, tmp_path / "b.json", said.append)
    assert json.loads((tmp_path / "b.json").read_text()) == document
    (entry,) = document["rows"]
    assert (entry["number"], entry["row"], entry["on"], entry["images"]) == (6, "sparse", "cpu", 3)
    assert {"device", "torch", "python", "defective"} == entry["machine"].keys() and entry["seconds"] >= 0
    assert entry["settings"] == {"repeats": 2, "width": 0.0625, "quick": True, "data": "shapes"}
    assert set(entry["peers"]) <= {"Foolbox", "torchattacks", "ART"}
    fp32, bf16 = entry["lines"]["fp32"], entry["lines"]["bf16"]
    assert fp32["ratio"] == {"median": 3, "low": 2, "high": 4, "values": [2, 4, 3]}
    assert fp32["reached"] is True and fp32["to_reach"] == {"at least": 2.0} and fp32["against"].startswith("plain dense resnet18")
    assert (bf16["state"], bf16["check"], bf16["reached"]) == ("check failed", "not equal", False) and "seconds" not in bf16
    assert said == ["[6/9] sparse: Logits through live neurons only, images a second"]


def test_rows_of_earlier_runs_stay_and_are_replaced_row_by_row(settings, tmp_path, monkeypatch):
    file = tmp_path / "b.json"
    for name, ratio in (("sparse", 1.0), ("step", 2.0), ("sparse", 3.0)):
        measure(monkeypatch, name, fp32=measured("equal", ratios([ratio], [1.0])))
        document = run(chosen([name]), settings, file, lambda line: None)
    assert [(entry["row"], entry["lines"]["fp32"]["ratio"]["median"]) for entry in document["rows"]] == [("step", 2), ("sparse", 3)]


def test_rows_of_another_kind_of_device_stay():
    old = [{"row": "cw", "on": "cuda", "number": 4, "n": 1}, {"row": "live", "on": "cpu", "number": 9, "n": 2}]
    new = {"row": "cw", "on": "cpu", "number": 4, "n": 3}
    assert [entry["n"] for entry in merged(old, new)] == [3, 1, 2]


def test_a_row_that_is_not_asked_for_on_a_device_is_passed_over(settings, tmp_path, monkeypatch):
    monkeypatch.setitem(running.MEASURES, "sparse", lambda settings: pytest.fail("measured"))
    said = []
    document = run(chosen(["sparse"]), replace(settings, device=torch.device("cuda")), tmp_path / "b.json", said.append)
    assert document == {"rows": []} and said == ["[6/9] sparse: nothing is asked for on cuda"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": [1]}', '{"rows": [{"row": "cw"}]}', '{"rows": 3}'])
def test_another_file_is_not_overwritten(settings, tmp_path, text):
    file = tmp_path / "b.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"b\.json holds no results of the bench: delete it, or name another file"):
        read(file)
    assert file.read_text() == text
