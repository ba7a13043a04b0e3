"""Layers are live where that is faster on this machine; the times are made up here."""

import sys

import pytest
import torch
from torch import nn

from defective import InputError, build, machine
from defective.sparse import layer_times, sparsify
from defective.sparse.layers import LiveConv
from hand_nets import assert_same, chained, conv, images, trained

X = images()


def pair():
    """Two convolutions with a tenth of the neurons alive after each."""
    return trained(chained())


@pytest.fixture
def clock(monkeypatch):
    """Seconds by what is run: a live product, a dense one, a change of form, and the whole model live and dense."""
    seconds = {"live": 1.0, "dense": 10.0, "conversion": 1.0, "whole": [1.0, 2.0]}
    asked, batches = [], set()

    def timed(self, what, layer):
        asked.append(what)
        batches.add(self._images)
        layer()()
        return seconds[what[0]]

    def shortest(works):
        for work in works:
            work()
        return seconds["whole"]

    monkeypatch.setattr(layer_times.MeasuredTimes, "_timed", timed)
    monkeypatch.setattr(machine, "shortest", shortest)
    return seconds, asked, batches


@pytest.mark.parametrize(
    ("times", "live"),
    [({}, True), ({"live": 11.0}, False), ({"whole": [2.0, 2.0]}, False)],
    ids=["faster", "slower", "slower as a whole"],
)
def test_layers_are_live_where_they_and_the_whole_are_faster(clock, times, live):
    clock[0].update(times)
    model = pair()
    fast = sparsify(model, X, timed_images=3)
    assert_same(fast, model, X)
    assert [(choice.live, choice.seconds) for choice in fast.choices] == [(live, (clock[0]["live"], 10.0))] * 2
    assert any(isinstance(each, LiveConv) for each in fast.modules()) is live
    # Each layer is timed in both forms; the images enter, the last mask's map leaves.
    assert [what[0] for what in clock[1] if what[0] != "conversion"] == ["live", "dense"] * 2
    changed = {what[:2] for what in clock[1] if what[0] == "conversion"}
    assert not changed if clock[0]["live"] > 10 else changed >= {("conversion", False), ("conversion", True)}


def test_equal_layers_are_timed_once_and_no_generator_is_touched(monkeypatch):
    monkeypatch.setattr(layer_times, "_seconds_of", {})
    runs = []

    def shortest(works):
        runs.append([work() for work in works])
        return [1.0] * len(works)

    monkeypatch.setattr(machine, "shortest", shortest)
    model, x = build("resnet18/0.1-bottom", width_mult=0.0625, image_size=16).eval(), torch.rand(1, 3, 16, 16)
    state = torch.get_rng_state()
    sparsify(model, x, timed_images=2)
    first = len(runs)
    sparsify(model, x, timed_images=2)
    assert first > 0 and len(runs) == first
    assert torch.equal(torch.get_rng_state(), state)
    sparsify(model, x, timed_images=3)
    assert len(runs) > first


def test_large_images_are_timed_in_smaller_batches(monkeypatch, clock):
    monkeypatch.setattr(sys.modules[sparsify.__module__], "TIMED_NUMBERS", 2 * 8 * 8 * 8)
    sparsify(pair(), X, timed_images=32)
    assert clock[2] == {2}


def test_a_dense_model_is_not_timed_and_a_negative_count_refused(clock):
    fast = sparsify(trained(nn.Sequential(conv(), nn.ReLU())), X, timed_images=3)
    assert clock[1] == [] and fast.choices[0].seconds is None
    with pytest.raises(InputError, match="timed_images -1 must be at least 0; 0 times nothing"):
        sparsify(pair(), X, timed_images=-1)
