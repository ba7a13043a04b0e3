"""A deadline stops an evaluation between two pieces: none is lost, none is made twice."""

import pytest

from defective import AttackSpec, progress
from defective.errors import OutOfTime
from defective.evaluation import EvaluatedModel, adversarial, decision, evaluate, evaluated_model, generate
from evaluations import EPS, SMALL, Counted, assert_equal, own, plain, stored
from problems import level_set, plane
from turns import in_turns, ticking

WALK = AttackSpec.parse("boundary:steps=20")


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    ticking(monkeypatch)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(adversarial, "CHUNK", 10)
    monkeypatch.setattr(evaluated_model, "CHUNK", 20)
    monkeypatch.setattr(decision, "CHUNK", 4)


def on_disk(tmp_path):
    net = plane()
    return EvaluatedModel.of("source", net, level_set(net), stored(tmp_path))


def pieces(tmp_path):
    return len(list(tmp_path.rglob("*.safetensors")))


@pytest.mark.parametrize("units", [1, 2, 3])
def test_crafting_in_turns_makes_each_piece_once(tmp_path, units):
    undisturbed = generate(EvaluatedModel.of("source", plane(), level_set(plane())), own(Counted()), samples=35)
    attack, kept = Counted(), []

    def work():
        kept.append(pieces(tmp_path))
        return generate(on_disk(tmp_path), own(attack), samples=35, batch_size=4)

    made, stops = in_turns(work, units)
    # Two pieces of answers, to find 35 images, and four of attacked images.
    assert stops == -(-6 // units) - 1
    assert kept == [units * turn for turn in range(stops + 1)]
    assert attack.calls == [4, 4, 2, 4, 4, 2, 4, 4, 2, 4, 1]
    assert_equal(made, undisturbed)


def test_a_piece_that_has_begun_is_finished(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])

    def slow(model, x, y):
        now[0] += 1000
        return attack(model, x, y)

    attack = Counted()
    with pytest.raises(OutOfTime), progress.until(10):
        generate(on_disk(tmp_path), own(slow), samples=35, batch_size=4)
    assert attack.calls == [4, 4, 2] and pieces(tmp_path) == 3


def test_what_is_there_is_read_after_the_deadline(tmp_path):
    made = generate(on_disk(tmp_path), own(Counted()), samples=35)
    with progress.until(0):
        assert_equal(generate(on_disk(tmp_path), own(Counted()), samples=35), made)


def test_what_is_kept_nowhere_is_not_stopped(tmp_path):
    with progress.until(0):
        made = generate(EvaluatedModel.of("source", plane(), level_set(plane())), own(Counted()), samples=35)
    assert len(made.y) == 35
    attack = Counted()
    generate(on_disk(tmp_path), own(attack), samples=35)
    with progress.until(0):
        generate(on_disk(tmp_path), own(attack, version=""), samples=35)
    assert attack.calls == [10, 10, 10, 5] * 2


def test_a_whole_evaluation_in_turns_says_the_same(data, tmp_path):
    nets, sources = {"a": plane(), "b": plane(2)}, {"s": plane(1)}

    def run(attack, folder):
        return plain(
            evaluate(nets, data, sources=sources, attacks=[own(attack, eps=EPS)], run=stored(folder), mask_draws=0, **SMALL)
        )

    whole, turns = Counted(), Counted()
    expected = run(whole, tmp_path / "whole")
    found, stops = in_turns(lambda: run(turns, tmp_path / "turns"), 7)
    assert found == expected and turns.calls == whole.calls
    assert stops == -(-pieces(tmp_path / "whole") // 7) - 1
    assert pieces(tmp_path / "turns") == pieces(tmp_path / "whole")
