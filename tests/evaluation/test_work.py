import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from defective.evaluation import Work, work
from defective.files import cache_folder, read_tensors, write_tensors

WHAT = {"part": "sum", "of": [1, 2], "seed": 0}
MADE = {
    "bits": torch.tensor([True, False]),
    "bytes": torch.arange(6, dtype=torch.uint8).view(2, 3),
    "numbers": torch.tensor([0.1, -1e-300], dtype=torch.float64),
    "count": torch.tensor(7),
    "nothing": torch.empty(0, 3),
}


class Maker:
    """Makes the tensors and counts how often."""

    def __init__(self, made=None):
        self.made, self.calls = made or MADE, 0

    def __call__(self):
        self.calls += 1
        return self.made


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert tensor.dtype == other[name].dtype and torch.equal(tensor, other[name])


def test_a_piece_is_made_once_and_comes_back_as_it_was(tmp_path):
    make = Maker()
    first = Work(tmp_path).piece(WHAT, make)
    again = Work(tmp_path).piece(dict(reversed(WHAT.items())), make)
    assert make.calls == 1 and len(files(tmp_path)) == 1
    assert_equal(first, MADE)
    assert_equal(again, MADE)


@pytest.mark.parametrize("what", [{"part": "sum "}, {"of": [2, 1]}, {"seed": 1}, {"more": None}])
def test_another_piece_is_another_piece(tmp_path, what):
    Work(tmp_path).piece(WHAT, Maker())
    make = Maker({"a": torch.ones(1)})
    assert_equal(Work(tmp_path).piece(WHAT | what, make), make.made)
    assert make.calls == 1 and len(files(tmp_path)) == 2


@pytest.mark.parametrize("context", [{}, {"code": "2", "device": "cpu"}, {"code": "1", "device": "cuda"}])
def test_a_piece_of_another_context_is_made_again(tmp_path, context):
    here, make = {"code": "1", "device": "cpu"}, Maker()
    for known in (here, context, here, context):
        Work(tmp_path, **known).piece(WHAT, make)
    assert make.calls == 2


def test_the_cache_knows_code_torch_and_device(cache, monkeypatch):
    make = Maker()

    def ask(device="cpu"):
        Work.in_cache(torch.device(device)).piece(WHAT, make)
        return make.calls

    assert (ask(), ask(), ask("meta"), ask("meta"), ask("meta:0")) == (1, 1, 2, 2, 2)
    monkeypatch.setattr(work, "_code", lambda: "changed")
    assert ask() == 3
    monkeypatch.setattr(torch, "__version__", "0.4.1")
    assert ask() == 4
    assert len(files(cache_folder() / "pieces")) == 4


def test_the_code_is_every_source_file_of_the_package(tmp_path, monkeypatch):
    (tmp_path / "evaluation").mkdir()
    monkeypatch.setattr(work, "__file__", str(tmp_path / "evaluation" / "work.py"))
    seen = [work._code.__wrapped__()]
    for file, text in (("evaluation/work.py", "a = 1"), ("layers.py", "b = 2"), ("evaluation/work.py", "a = 2"), ("notes.txt", "")):
        (tmp_path / file).write_text(text)
        seen.append(work._code.__wrapped__())
    assert len(set(seen)) == 4 and seen[3] == seen[4]


def cut(file):
    file.write_bytes(file.read_bytes()[:-1])


def empty(file):
    file.write_bytes(b"")


def scribble(file):
    file.write_bytes(b"no tensors" * 20)


def foreign(file):
    save_file({"bits": torch.zeros(2)}, file)


def of_no_document(file):
    save_file({"bits": torch.zeros(2)}, file, {"defective": "{"})


@pytest.mark.parametrize("damage", [cut, empty, scribble, foreign, of_no_document])
def test_a_damaged_piece_is_made_again(tmp_path, damage):
    make = Maker()
    Work(tmp_path).piece(WHAT, make)
    (file,) = files(tmp_path)
    damage(file)
    for _ in range(2):
        assert_equal(Work(tmp_path).piece(WHAT, make), MADE)
    assert make.calls == 2


def test_the_cost_of_a_piece_counts_whenever_it_was_made(tmp_path, monkeypatch):
    clock = iter([10.0, 13.5, 20.0, 21.0])
    monkeypatch.setattr(work.time, "perf_counter", lambda: next(clock))
    first = Work(tmp_path)
    first.piece(WHAT, Maker())
    first.piece(WHAT | {"seed": 1}, Maker())
    assert first.seconds == 4.5
    again = Work(tmp_path)
    for known in (again, again, first):
        known.piece(WHAT, Maker())
    assert (first.seconds, again.seconds) == (4.5, 3.5)


def test_what_is_not_kept_costs_each_time(monkeypatch):
    clock = iter([1.0, 2.0, 5.0, 8.0])
    monkeypatch.setattr(work.time, "perf_counter", lambda: next(clock))
    nowhere = Work()
    for _ in range(2):
        nowhere.piece(WHAT, Maker())
    assert nowhere.seconds == 4


def test_a_piece_whose_cost_is_not_known_is_used(tmp_path):
    Work(tmp_path).piece(WHAT, Maker())
    (file,) = files(tmp_path)
    tensors, about = read_tensors(file)
    del about["seconds"]
    write_tensors(file, tensors, about)
    assert_equal(Work(tmp_path).piece(WHAT, pytest.fail), MADE)


def test_nothing_is_kept_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make = Maker()
    for _ in range(2):
        assert_equal(Work().piece(WHAT, make), MADE)
    assert make.calls == 2 and files(tmp_path) == []


@pytest.mark.parametrize("kept", [True, False])
def test_pieces_are_plain_tensors_kept_or_not(tmp_path, kept):
    weight = torch.ones(3, 2, requires_grad=True)
    made = Work(tmp_path if kept else None).piece(WHAT, lambda: {"a": (2 * weight).t()})["a"]
    assert not made.requires_grad and made.is_contiguous() and made.device.type == "cpu"
    assert torch.equal(made, torch.full((2, 3), 2.0))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_piece_that_is_broken_off_leaves_nothing(tmp_path, error):
    def break_off():
        raise error

    with pytest.raises(error):
        Work(tmp_path).piece(WHAT, break_off)
    assert files(tmp_path) == []
    make = Maker()
    Work(tmp_path).piece(WHAT, make)
    assert make.calls == 1


def test_a_piece_that_another_process_finished_meanwhile_does_no_harm(tmp_path):
    inner, outer = Maker(), Maker()

    def make():
        Work(tmp_path).piece(WHAT, inner)
        return outer()

    assert_equal(Work(tmp_path).piece(WHAT, make), MADE)
    assert (inner.calls, outer.calls, len(files(tmp_path))) == (1, 1, 1)
    assert_equal(Work(tmp_path).piece(WHAT, pytest.fail), MADE)


TOGETHER = """
import sys, torch
from pathlib import Path
from defective.evaluation.work import Work

def make():
    print("making", flush=True)
    sys.stdin.readline()
    return {"a": torch.arange(100_000)}

for number in range(5):
    made = Work(Path(sys.argv[1])).piece({"number": number}, make)["a"]
    assert torch.equal(made, torch.arange(100_000))
print("done", flush=True)
"""


@pytest.mark.slow
def test_two_processes_that_write_the_same_pieces_do_no_harm(tmp_path):
    command = [sys.executable, "-c", TOGETHER, str(tmp_path)]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for _ in range(5):
        # Each has begun before either ends: both write.
        assert [process.stdout.readline() for process in both] == ["making\n"] * 2
        for process in both:
            process.stdin.write("\n")
            process.stdin.flush()
    assert [process.communicate()[0] for process in both] == ["done\n"] * 2
    assert [process.returncode for process in both] == [0, 0]
    assert len(files(tmp_path)) == 5
    for number in range(5):
        assert torch.equal(Work(tmp_path).piece({"number": number}, pytest.fail)["a"], torch.arange(100_000))
