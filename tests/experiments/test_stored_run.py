import pytest
import torch
from safetensors.torch import save_file

from defective.evaluation.measurement import Chunk, Measurement
from defective.experiments import stored_run as module
from defective.experiments.stored_run import StoredRun
from defective.files import cache_folder, write_tensors
from evaluations import stored

WHAT = {"part": "sum", "of": [1, 2], "seed": 0}
MADE = {
    "bits": torch.tensor([True, False]),
    "bytes": torch.arange(6, dtype=torch.uint8).view(2, 3),
    "numbers": torch.tensor([0.1, -1e-300], dtype=torch.float64),
    "count": torch.tensor([7]),
    "nothing": torch.empty(0, 3),
}


class Maker:
    """Makes the tensors and counts how often."""

    def __init__(self, made=None):
        self.made, self.calls = made or MADE, 0

    def __call__(self, advance=None):
        self.calls += 1
        return self.made


def once(what, make, **options):
    """A measurement of one chunk."""
    return Measurement("", [Chunk(what, 1, lambda advance: make())], **options)


def files(folder):
    return [path for path in folder.rglob("*.safetensors") if path.is_file()]


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert tensor.dtype == other[name].dtype and torch.equal(tensor, other[name])


def test_a_chunk_is_made_once_and_comes_back_as_it_was(tmp_path):
    make = Maker()
    first = stored(tmp_path)(once(WHAT, make))
    again = stored(tmp_path)(once(dict(reversed(WHAT.items())), make))
    assert make.calls == 1 and len(files(tmp_path)) == 1
    assert_equal(first, MADE)
    assert_equal(again, MADE)


@pytest.mark.parametrize("what", [{"part": "sum "}, {"of": [2, 1]}, {"seed": 1}, {"more": None}])
def test_another_chunk_is_another_chunk(tmp_path, what):
    stored(tmp_path)(once(WHAT, Maker()))
    make = Maker({"a": torch.ones(1)})
    assert_equal(stored(tmp_path)(once(WHAT | what, make)), make.made)
    assert make.calls == 1 and len(files(tmp_path)) == 2


def test_the_cache_folder_holds_a_store(cache):
    make = Maker()
    for _ in range(2):
        StoredRun.in_cache()(once(WHAT, make))
    assert make.calls == 1 and len(files(cache_folder() / "store" / "chunks")) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(b""),
        lambda file: save_file({"bits": torch.zeros(2)}, file),
        lambda file: write_tensors(file, MADE, WHAT),
        lambda file: write_tensors(file, MADE, WHAT | {"seconds": [1]}),
    ],
    ids=["cut off", "empty", "foreign", "without its cost", "with a cost that is no number"],
)
def test_a_corrupt_chunk_is_made_again(tmp_path, damage):
    make = Maker()
    stored(tmp_path)(once(WHAT, make))
    (file,) = files(tmp_path)
    damage(file)
    for _ in range(2):
        assert_equal(stored(tmp_path)(once(WHAT, make)), MADE)
    assert make.calls == 2


def test_the_cost_of_a_chunk_counts_whenever_it_was_made(tmp_path, monkeypatch):
    clock = iter([10.0, 13.5, 20.0, 21.0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    first = stored(tmp_path)
    first(once(WHAT, Maker()))
    first(once(WHAT | {"seed": 1}, Maker()))
    assert first.seconds == 4.5
    again = stored(tmp_path)
    for known in (again, again, first):
        known(once(WHAT, Maker()))
    assert (first.seconds, again.seconds) == (4.5, 3.5)


def test_what_is_not_storable_is_made_and_costs_each_time(tmp_path, monkeypatch):
    clock = iter([1.0, 2.0, 5.0, 8.0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    run, make = stored(tmp_path), Maker()
    for _ in range(2):
        assert_equal(run(once(WHAT, make, storable=False)), MADE)
    assert (run.seconds, make.calls, files(tmp_path)) == (4, 2, [])


@pytest.mark.parametrize("storable", [True, False])
def test_chunks_are_plain_tensors_stored_or_not(tmp_path, storable):
    weight = torch.ones(3, 2, requires_grad=True)
    made = stored(tmp_path)(once(WHAT, lambda: {"a": (2 * weight).t()}, storable=storable))["a"]
    assert not made.requires_grad and made.is_contiguous() and made.device.type == "cpu"
    assert torch.equal(made, torch.full((2, 3), 2.0))


def test_a_chunk_that_another_process_finished_meanwhile_does_no_harm(tmp_path):
    inner, outer = Maker(), Maker()

    def make():
        stored(tmp_path)(once(WHAT, inner))
        return outer()

    assert_equal(stored(tmp_path)(once(WHAT, make)), MADE)
    assert (inner.calls, outer.calls, len(files(tmp_path))) == (1, 1, 1)
    assert_equal(stored(tmp_path)(once(WHAT, pytest.fail)), MADE)
