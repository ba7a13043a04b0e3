"""Which neurons live, on models small enough to say it by hand."""

import pytest
import torch
from torch import nn

from defective import build
from defective.sparse import layer_times, sparsify
from defective.sparse.graph import Traced
from defective.sparse.layers import LiveConv
from defective.sparse.liveness import choose_layers, live_neurons
from hand_nets import Net, chained, conv, images, mask, sparsified, trained

X = images()


ALL, ONE, OTHER = torch.ones(8, 8, 8, dtype=torch.bool), mask().defect_mask[0], mask(seed=1).defect_mask[0]
HALF, QUARTER = mask(0.5), mask(0.5, seed=1)
# What is computed, of which layers, and the live neurons of some nodes.
CHAINS = {
    "what a mask lets through is needed before it": (
        lambda model, x: model.m(model.r(model.n(model.a(x)))),
        {"n": nn.BatchNorm2d(8), "r": nn.ReLU()},
        {"x": ALL[:3], "a": ONE, "n": ONE, "r": ONE, "m": ONE},
    ),
    "dead neurons stay dead through activations, not through norms and pools": (
        lambda model, x: model.p(model.n(model.r(model.m(model.a(x))))),
        {"r": nn.ReLU(), "n": nn.BatchNorm2d(8), "p": nn.MaxPool2d(2)},
        {"a": ONE, "r": ONE, "n": ALL, "p": ALL[:, :4, :4]},
    ),
    "nor through a sigmoid": (lambda model, x: model.s(model.m(model.a(x))), {"s": nn.Sigmoid()}, {"m": ONE, "s": ALL}),
    "a sum lives where either operand does": (
        lambda model, x: model.m(model.a(x)) + model.k(model.b(x)),
        {"b": conv(), "k": mask(seed=1)},
        {"add": ONE | OTHER, "a": ONE, "b": OTHER},
    ),
    "a concatenation lives part by part": (
        lambda model, x: torch.cat([model.m(model.a(x)), x], 1),
        {},
        {"cat": torch.cat([ONE, ALL[:3]])},
    ),
    "a second mask narrows the first": (
        lambda model, x: model.k(model.r(model.h(model.a(x)))),
        {"h": HALF, "r": nn.ReLU(), "k": QUARTER},
        dict.fromkeys("ahrk", HALF.defect_mask[0] & QUARTER.defect_mask[0]),
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_live_neurons_are_alive_and_needed(name):
    function, layers, wanted = CHAINS[name]
    traced = Traced(trained(Net(function, a=conv(), m=mask(), **layers)), X[:1])
    found = {node.name: live for node, live in live_neurons(traced).items()}
    assert all(torch.equal(found[node], live) for node, live in wanted.items())


@pytest.mark.parametrize(
    "second",
    [conv(8, 8), conv(8, 8, groups=4), nn.Conv2d(8, 8, 3, 2, (1, 2)), nn.Conv2d(8, 8, (1, 3), padding=2, dilation=2)],
    ids=["plain", "grouped", "strided", "dilated"],
)
def test_needed_products_are_those_of_the_sparse_matrices(second):
    shape = second(torch.zeros(1, 8, 8, 8)).shape[1:]
    fast = sparsify(trained(chained(b=second, k=mask(seed=1, shape=tuple(shape)))), X)
    found = [len(module.values) for module in fast.modules() if isinstance(module, LiveConv)]
    assert found == [choice.needed for choice in fast.choices]
    assert fast.choices[1].dense == shape.numel() * second.weight[0].numel()


@pytest.mark.parametrize(("conversion", "live"), [(0.0, True), (1e9, False)])
def test_a_layer_is_live_where_that_pays_for_the_conversions(monkeypatch, conversion, live):
    monkeypatch.setattr(layer_times, "CONVERSION", conversion)
    fast = sparsified(trained(chained(m=mask(0.9), k=mask(0.02, seed=1))), X)
    # Nine tenths of the neurons before it are too many for a sparse first layer.
    assert {choice.layer: choice.live for choice in fast.choices} == {"a": False, "b": live}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_only_a_cpu_gains_by_live_layers(device):
    model = build("resnet18/0.1-bottom", width_mult=0.25).eval()
    traced = Traced(model, torch.rand(1, 3, 32, 32))
    nodes, choices = choose_layers(traced, live_neurons(traced), "fp32", torch.device(device))
    assert bool(nodes) == any(choice.live for choice in choices) == (device == "cpu")
