"""Which neurons live, on models small enough to say it by hand."""

import pytest
import torch
from torch import nn

from defective import build
from defective.sparse import layer_times, sparsify
from defective.sparse.graph import Traced
from defective.sparse.liveness import choose_layers, live_neurons
from hand_nets import Net, assert_same, conv, images, mask, trained

X = images()


def live_by_name(model):
    traced = Traced(trained(model), X[:1])
    return {node.name: tensor for node, tensor in live_neurons(traced).items()}


def test_only_what_a_mask_lets_through_is_needed_before_it():
    kept = mask().defect_mask[0]
    chains = {
        "conv": Net(lambda model, x: model.m(model.a(x)), a=conv(), m=mask()),
        "norm": Net(lambda model, x: model.m(model.n(model.a(x))), a=conv(), n=nn.BatchNorm2d(8), m=mask()),
        "relu": Net(lambda model, x: model.m(model.r(model.n(model.a(x)))), a=conv(), n=nn.BatchNorm2d(8), r=nn.ReLU(), m=mask()),
    }
    for model in chains.values():
        found = live_by_name(model)
        assert torch.equal(found.pop("x"), torch.ones(3, 8, 8, dtype=torch.bool))
        assert found.keys() >= {"a", "m"}
        found.pop("output", None)
        assert all(torch.equal(live, kept) for live in found.values())


def test_dead_neurons_stay_dead_through_activations_not_through_norms_or_pools():
    model = Net(
        lambda model, x: model.p(model.n(model.r(model.m(model.a(x))))),
        a=conv(),
        m=mask(),
        r=nn.ReLU(),
        n=nn.BatchNorm2d(8),
        p=nn.MaxPool2d(2),
    )
    found = live_by_name(model)
    assert torch.equal(found["r"], mask().defect_mask[0])
    assert found["n"].all()
    assert found["p"].all()
    assert found["p"].shape == (8, 4, 4)
    assert live_by_name(Net(lambda model, x: model.s(model.m(model.a(x))), a=conv(), m=mask(), s=nn.Sigmoid()))["s"].all()


def test_a_sum_lives_where_either_operand_does():
    model = Net(lambda model, x: model.m(model.a(x)) + model.k(model.b(x)), a=conv(), b=conv(), m=mask(), k=mask(seed=1))
    one, other = mask().defect_mask[0], mask(seed=1).defect_mask[0]
    found = live_by_name(model)
    assert torch.equal(found["add"], one | other)
    assert torch.equal(found["a"], one)
    assert torch.equal(found["b"], other)


def test_a_concatenation_lives_part_by_part():
    model = Net(lambda model, x: torch.cat([model.m(model.a(x)), x], 1), a=conv(), m=mask())
    assert torch.equal(live_by_name(model)["cat"], torch.cat([mask().defect_mask[0], torch.ones(3, 8, 8, dtype=torch.bool)]))


def test_a_second_mask_narrows_the_first():
    model = Net(lambda model, x: model.k(model.r(model.m(model.a(x)))), a=conv(), m=mask(0.5), r=nn.ReLU(), k=mask(0.5, seed=1))
    both = mask(0.5).defect_mask[0] & mask(0.5, seed=1).defect_mask[0]
    assert all(torch.equal(live, both) for name, live in live_by_name(model).items() if name not in ("x", "output"))


def needed_by_brute_force(layer, live_in, live_out):
    """Output neurons that change with an input neuron, counted one live input neuron at a time."""
    ones = nn.Conv2d(
        layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups
    )
    nn.init.ones_(ones.weight)
    single = torch.eye(live_in.numel())[live_in.flatten()].view(-1, *live_in.shape)
    return int((ones._conv_forward(single, ones.weight, None) != 0)[:, live_out].sum())


@pytest.mark.parametrize(
    "second",
    [conv(8, 8), conv(8, 8, groups=4), nn.Conv2d(8, 8, 3, 2, (1, 2)), nn.Conv2d(8, 8, (1, 3), padding=2, dilation=2)],
    ids=["plain", "grouped", "strided", "dilated"],
)
def test_needed_products_are_those_counted_one_by_one(second):
    shape = second(torch.zeros(1, 8, 8, 8)).shape[1:]
    model = Net(
        lambda model, x: model.k(model.b(model.m(model.a(x)))),
        a=conv(),
        b=second,
        m=mask(0.3),
        k=mask(0.3, seed=1, shape=tuple(shape)),
    )
    choices = {choice.layer: choice for choice in sparsify(model, X).choices}
    before, after = model.m.defect_mask[0], model.k.defect_mask[0]
    assert choices["a"].needed == needed_by_brute_force(model.a, torch.ones(3, 8, 8, dtype=torch.bool), before)
    assert choices["b"].needed == needed_by_brute_force(second.float(), before, after)
    share = 8 // second.groups * second.kernel_size[0] * second.kernel_size[1]
    assert choices["b"].dense == shape.numel() * share


@pytest.mark.parametrize(("conversion", "live"), [(0.0, True), (1e9, False)])
def test_a_layer_is_live_where_that_pays_for_the_conversions(monkeypatch, conversion, live):
    monkeypatch.setattr(layer_times, "CONVERSION", conversion)
    model = trained(
        Net(lambda model, x: model.k(model.b(model.m(model.a(x)))), a=conv(), b=conv(8, 8), m=mask(0.9), k=mask(0.02, seed=1))
    )
    fast = sparsify(model, X)
    # Nine tenths of the neurons before it are too many for a sparse first layer.
    assert {choice.layer: choice.live for choice in fast.choices} == {"a": False, "b": live}
    assert_same(fast, model, X)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_only_a_cpu_gains_by_live_layers(device):
    model = build("resnet18/0.1-bottom", width_mult=0.25).eval()
    traced = Traced(model, torch.rand(1, 3, 32, 32))
    nodes, choices = choose_layers(traced, live_neurons(traced), "fp32", torch.device(device))
    assert bool(nodes) == any(choice.live for choice in choices) == (device == "cpu")
