"""What a model may look like to be followed, and what is said where it may not."""

import operator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defective import InputError, defect_
from defective.sparse import sparsify
from hand_nets import Net, chained, conv, images, mask, sparsified, trained

X = images()


def summed(sum_of, channels=8):
    """Two masked branches and a masked layer on their sum, or on another joint of more channels."""
    return Net(
        lambda model, x: model.k(model.c(sum_of(model.m(model.a(x)), model.l(model.b(x))))),
        a=conv(),
        b=conv(),
        c=conv(channels, 8),
        m=mask(),
        l=mask(seed=1),
        k=mask(seed=2),
    )


LIVE = {
    "nothing": chained(),
    "nn.ReLU": chained(lambda model, z: model.r(z), r=nn.ReLU()),
    "nn.ReLU in place": chained(lambda model, z: model.r(z), r=nn.ReLU(inplace=True)),
    "F.relu in place": chained(lambda model, z: F.relu(z, True)),
    "z.relu_": chained(lambda model, z: z.relu_()),
    "F.leaky_relu": chained(lambda model, z: F.leaky_relu(z, 0.3, True)),
    "nn.Dropout": chained(lambda model, z: model.r(z), r=nn.Dropout()),
    "a list": chained(lambda model, z: model.r(z), r=nn.Sequential(nn.Sequential(nn.ReLU()), nn.Identity())),
    "x + y": summed(lambda y, z: y + z),
    "torch.add": summed(lambda y, z: torch.add(y, z)),
    "x.add_": summed(lambda y, z: y.add_(z)),
    "x += y": summed(lambda y, z: operator.iadd(y, z)),
    "cat, 1": summed(lambda y, z: torch.cat([y, z], 1), 16),
    "cat, dim=1": summed(lambda y, z: torch.cat((y, z), dim=1), 16),
    "cat with itself": chained(lambda model, z: model.d(torch.cat([z, z], 1)), d=conv(16, 8)),
    "cat of a, b, a": summed(lambda y, z: torch.cat([y, z, y], 1), 24),
}

# Rightly computed, though not always through live neurons alone.
SOUND = {
    "sigmoid": chained(lambda model, z: z.sigmoid()),
    "max pool": chained(lambda model, z: F.interpolate(F.max_pool2d(z, 2), scale_factor=2)),
    "group norm": chained(lambda model, z: model.r(z), r=nn.GroupNorm(2, 8)),
    "x + x": chained(lambda model, z: z + z),
    "x * y": summed(lambda y, z: y * z),
    "add, alpha=2": summed(lambda y, z: torch.add(y, z, alpha=2)),
    "cat, dim=-3": summed(lambda y, z: torch.cat([y, z], dim=-3), 16),
    "cat of chunks": summed(lambda y, z: torch.cat(torch.cat([y, z], 2).chunk(2, 2), 1)[:, 8:]),
    "cat of rows": Net(lambda model, x: model.m(model.a(torch.cat([x, x], 2))), a=conv(), m=mask(shape=(8, 16, 8))),
    "a sum that spreads": Net(
        lambda model, x: model.m(model.a(F.adaptive_avg_pool2d(x, 1)) + model.b(x)), a=conv(3, 8, 1), b=conv(), m=mask()
    ),
    "squeeze and excite": chained(lambda model, z: z * model.c(F.adaptive_avg_pool2d(z, 1)).sigmoid(), c=conv(8, 8, 1)),
    "circular padding": Net(lambda model, x: model.m(model.a(x)), a=conv(padding_mode="circular"), m=mask()),
    "an output nobody reads": Net(lambda model, x: (model.b(x), model.m(model.a(x)))[1], a=conv(), b=conv(), m=mask()),
    "a parameter": Net(lambda model, x: model.m(model.a(x) + model.a.bias.view(1, 8, 1, 1).relu()), a=conv(), m=mask()),
    "a shape": Net(lambda model, x: model.m(model.a(x)).view(x.shape[0], -1), a=conv(), m=mask()),
    "a mask twice": Net(
        lambda model, x: (z := model.a(x), one := model.m(z), other := model.m(z), model.k(model.b(one.relu_()) + model.b(other)))[
            3
        ],
        a=conv(),
        b=conv(8, 8),
        m=mask(),
        k=mask(seed=1),
    ),
    "a map read behind an activation and before": Net(
        lambda model, x: model.k(model.b(model.m((z := model.a(x)).relu()))) + model.l(z),
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
    "x.view": Net(lambda model, x: model.h(model.m(model.a(x)).view(-1, 512)), a=conv(), m=mask(), h=nn.Linear(512, 4)),
}


@pytest.mark.parametrize("name", LIVE)
def test_models_that_are_followed_live(name):
    model = trained(LIVE[name])
    fast = sparsified(model, X)
    assert all(choice.live for choice in fast.choices if choice.layer != "d")


@pytest.mark.parametrize("name", SOUND)
def test_models_that_are_followed(name):
    model = trained(SOUND[name])
    sparsified(model, X)


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

    model = trained(nn.Sequential(part(3), nn.Sequential(part(8), conv(8, 8), mask(seed=2))))
    fast = sparsified(model, X)
    assert [type(module) for module in fast.body.children()].count(Branching) == 2


def test_the_output_of_a_part_that_branches_may_be_masked():
    model = trained(nn.Sequential(Branching(conv()), conv(8, 8)))
    defect_(model, 0.1, sites=["0", "1"], example_inputs=X)
    sparsified(model, X)


def in_place_sum(model, x):
    z = y = model.a(x)
    # torch.fx sees y = y + x and keeps the old z.
    y += x[:, :1]
    return model.b(y) + z


REFUSED = {
    "a mask in a part that branches": (
        nn.Sequential(Branching(nn.Sequential(conv(), mask()))),
        "fx cannot follow Branching '0', which has masks inside .*must not branch.*choose sites outside it",
    ),
    "a model that branches": (
        Branching(conv()),
        "cannot follow Branching, whose forward must not branch on values: Tr.*control flow",
    ),
    "a map overwritten by a layer": (
        Net(lambda model, x: model.b(model.r(z := model.a(x))) + z, a=conv(), b=conv(8, 8), r=nn.ReLU(inplace=True)),
        "^a is overwritten in place by r and read again: make r work out of place$",
    ),
    "by a method": (Net(lambda model, x: model.b((z := model.a(x)).mul_(2)) + z, a=conv(), b=conv(8, 8)), "a is overwritten.*mul_"),
    "under another name": (
        Net(lambda model, x: model.b(F.relu(model.i(z := model.a(x)), inplace=True)) + z, a=conv(), b=conv(8, 8), i=nn.Identity()),
        "a is overwritten in place by relu",
    ),
    "in part": (
        Net(lambda model, x: (z := model.a(x), z[:, :2].zero_(), model.b(z))[2], a=conv(), b=conv(8, 8)),
        "a is overwritten.*zero_",
    ),
    "the images": (Net(lambda model, x: model.a(x.mul_(0.5)) + x.mean(), a=conv()), "x is overwritten.*mul_"),
    "a sum that torch.fx overlooks": (Net(in_place_sum, a=conv(), b=conv(8, 8)), "does not compute what Net computes.*in place"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused(name):
    model, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        sparsify(trained(model), X)
