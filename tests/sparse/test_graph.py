"""What a model may look like to be followed, and what is said where it may not."""

import operator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defective import InputError, defect_
from defective.sparse import sparsify
from graph_nets import X, chained
from hand_nets import Net, assert_same, conv, mask, trained


def summed(sum_of):
    """Two masked branches and a masked layer on their sum."""
    return Net(
        lambda net, x: net.k(net.c(sum_of(net.m(net.a(x)), net.l(net.b(x))))),
        a=conv(),
        b=conv(),
        c=conv(8, 8),
        m=mask(),
        l=mask(seed=1),
        k=mask(seed=2),
    )


def joined(cat):
    """As summed, with twice the channels."""
    net = summed(cat)
    net.c = conv(16, 8)
    return net


LIVE = {
    "nothing": chained(lambda net, z: z),
    "nn.ReLU": chained(lambda net, z: net.r(z), r=nn.ReLU()),
    "nn.ReLU in place": chained(lambda net, z: net.r(z), r=nn.ReLU(inplace=True)),
    "F.relu in place": chained(lambda net, z: F.relu(z, True)),
    "z.relu_": chained(lambda net, z: z.relu_()),
    "F.leaky_relu": chained(lambda net, z: F.leaky_relu(z, 0.3, True)),
    "nn.Dropout": chained(lambda net, z: net.r(z), r=nn.Dropout()),
    "a list": chained(lambda net, z: net.r(z), r=nn.Sequential(nn.Sequential(nn.ReLU()), nn.Identity())),
    "x + y": summed(lambda y, z: y + z),
    "torch.add": summed(lambda y, z: torch.add(y, z)),
    "x.add_": summed(lambda y, z: y.add_(z)),
    "x += y": summed(lambda y, z: operator.iadd(y, z)),
    "cat, 1": joined(lambda y, z: torch.cat([y, z], 1)),
    "cat, dim=1": joined(lambda y, z: torch.cat((y, z), dim=1)),
    "cat with itself": chained(lambda net, z: net.d(torch.cat([z, z], 1)), d=conv(16, 8)),
    "cat of a, b, a": joined(lambda y, z: torch.cat([y, z, y], 1)),
}


LIVE["cat of a, b, a"].c = conv(24, 8)

# Rightly computed, though not always through live neurons alone.
SOUND = {
    "sigmoid": chained(lambda net, z: z.sigmoid()),
    "max pool": chained(lambda net, z: F.interpolate(F.max_pool2d(z, 2), scale_factor=2)),
    "group norm": chained(lambda net, z: net.r(z), r=nn.GroupNorm(2, 8)),
    "x + x": chained(lambda net, z: z + z),
    "x * y": summed(lambda y, z: y * z),
    "add, alpha=2": summed(lambda y, z: torch.add(y, z, alpha=2)),
    "x.add_, alpha=2": summed(lambda y, z: y.add_(z, alpha=2)),
    "cat, dim=-3": joined(lambda y, z: torch.cat([y, z], dim=-3)),
    "cat of chunks": summed(lambda y, z: torch.cat(torch.cat([y, z], 2).chunk(2, 2), 1)[:, 8:]),
    "cat of rows": Net(lambda net, x: net.m(net.a(torch.cat([x, x], 2))), a=conv(), m=mask(shape=(8, 16, 8))),
    "a sum that spreads": Net(
        lambda net, x: net.m(net.a(F.adaptive_avg_pool2d(x, 1)) + net.b(x)), a=conv(3, 8, 1), b=conv(), m=mask()
    ),
    "squeeze and excite": chained(lambda net, z: z * net.c(F.adaptive_avg_pool2d(z, 1)).sigmoid(), c=conv(8, 8, 1)),
    "circular padding": Net(lambda net, x: net.m(net.a(x)), a=conv(padding_mode="circular"), m=mask()),
    "an output nobody reads": Net(lambda net, x: (net.b(x), net.m(net.a(x)))[1], a=conv(), b=conv(), m=mask()),
    "a parameter": Net(lambda net, x: net.m(net.a(x) + net.a.bias.view(1, 8, 1, 1).relu()), a=conv(), m=mask()),
    "a shape": Net(lambda net, x: net.m(net.a(x)).view(x.shape[0], -1), a=conv(), m=mask()),
    "a layer twice": Net(
        lambda net, x: net.m(net.b(net.n(net.b(net.a(x))))), a=conv(), b=conv(8, 8), n=nn.BatchNorm2d(8), m=mask()
    ),
    "a mask twice": Net(
        lambda net, x: (z := net.a(x), one := net.m(z), other := net.m(z), net.k(net.b(one.relu_()) + net.b(other)))[3],
        a=conv(),
        b=conv(8, 8),
        m=mask(),
        k=mask(seed=1),
    ),
    "a map read behind an activation and before": Net(
        lambda net, x: net.k(net.b(net.m((z := net.a(x)).relu()))) + net.l(z),
        a=conv(),
        b=conv(8, 8),
        m=mask(),
        k=mask(seed=1),
        l=mask(seed=2),
    ),
    "masks around a list": nn.Sequential(
        nn.Sequential(conv(), mask()), nn.Sequential(nn.ReLU(), nn.Sequential(conv(8, 8), mask()))
    ),
    "a wrapper of torch": nn.Sequential(nn.DataParallel(nn.Sequential(conv(), nn.BatchNorm2d(8), mask(), conv(8, 8), mask()))),
    "x.view": Net(lambda net, x: net.h(net.m(net.a(x)).view(-1, 512)), a=conv(), m=mask(), h=nn.Linear(512, 4)),
}


@pytest.mark.parametrize("name", LIVE)
def test_models_that_are_followed_live(name):
    net = trained(LIVE[name])
    fast = sparsify(net, X)
    assert_same(fast, net, X)
    assert all(choice.live for choice in fast.choices if choice.layer != "d")


@pytest.mark.parametrize("name", SOUND)
def test_models_that_are_followed(name):
    net = trained(SOUND[name])
    assert_same(sparsify(net, X), net, X)


class Branching(nn.Module):
    """Looks at values."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) if x.sum() > 0 else x.new_zeros(0)


def test_parts_that_branch_may_lie_in_others_and_follow_each_other():
    def part(ins):
        return nn.Sequential(Branching(nn.Sequential(Branching(conv(ins)), nn.BatchNorm2d(8))), mask(), nn.ReLU())

    net = trained(nn.Sequential(part(3), nn.Sequential(part(8), conv(8, 8), mask(seed=2))))
    fast = sparsify(net, X)
    assert_same(fast, net, X)
    assert [type(module) for module in fast.body.children()].count(Branching) == 2


def test_the_output_of_a_part_that_branches_may_be_masked():
    net = trained(nn.Sequential(Branching(conv()), conv(8, 8)))
    defect_(net, 0.1, sites=["0", "1"], example_inputs=X)
    assert_same(sparsify(net, X), net, X)


def in_place_sum(net, x):
    z = y = net.a(x)
    # torch.fx sees y = y + x and keeps the old z.
    y += x[:, :1]
    return net.b(y) + z


REFUSED = {
    "a mask in a part that branches": (
        nn.Sequential(Branching(nn.Sequential(conv(), mask()))),
        "fx cannot follow Branching '0', which has masks inside .*must not branch.*choose sites outside it",
    ),
    "a model that branches": (Branching(conv()), "fx cannot follow Branching .*control flow.*must not branch"),
    "a map overwritten by a layer": (
        Net(lambda net, x: net.b(net.r(z := net.a(x))) + z, a=conv(), b=conv(8, 8), r=nn.ReLU(inplace=True)),
        "^a is overwritten in place by r and read again: let r work out of place$",
    ),
    "by a function": (
        Net(lambda net, x: net.b(F.relu(z := net.a(x), inplace=True)) + z, a=conv(), b=conv(8, 8)),
        "a is overwritten.*relu",
    ),
    "by a method": (Net(lambda net, x: net.b((z := net.a(x)).mul_(2)) + z, a=conv(), b=conv(8, 8)), "a is overwritten.*mul_"),
    "by a sum": (Net(lambda net, x: net.b((z := net.a(x)).add_(x[:, :1])) + z, a=conv(), b=conv(8, 8)), "a is overwritten.*add_"),
    "under another name": (
        Net(lambda net, x: net.b(F.relu(net.i(z := net.a(x)), inplace=True)) + z, a=conv(), b=conv(8, 8), i=nn.Identity()),
        "a is overwritten in place by relu",
    ),
    "in part": (
        Net(lambda net, x: (z := net.a(x), z[:, :2].zero_(), net.b(z))[2], a=conv(), b=conv(8, 8)),
        "a is overwritten.*zero_",
    ),
    "the images": (Net(lambda net, x: net.a(x.mul_(0.5)) + x.mean(), a=conv()), "x is overwritten.*mul_"),
    "a sum that torch.fx overlooks": (Net(in_place_sum, a=conv(), b=conv(8, 8)), "not what Net computes.*in place"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused(name):
    net, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        sparsify(trained(net), X)
