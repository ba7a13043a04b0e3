from types import MethodType

import pytest
import torch
from torch import Tensor, nn

from defective import DefectMask, InputError, defect_
from defective.sparse import sparsify
from graph_nets import X, chained
from hand_nets import assert_same, conv, mask, trained

HOOKS = {
    "doubles": lambda module, args, output: output * 2,
    "moves zero": lambda module, args, output: output + 1,
    "curves": lambda module, args, output: output.sigmoid(),
    "watches": lambda module, args, output: None,
}


# The model, a container, a site inside its wrapper, the wrapper, the layers behind the site, its mask, a layer without a mask.
PLACES = ["", "0", "0.norm.module", "0.norm", "0.norm.after", "0.norm.after.mask", "1", "2.module", "2"]


def hookable():
    block = nn.Sequential()
    block.add_module("conv", conv())
    block.add_module("norm", nn.BatchNorm2d(8))
    return trained(nn.Sequential(block, nn.ReLU(), conv(8, 8)))


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
@pytest.mark.parametrize("site", ["", "0", "0.norm", "1", "2"])
def test_hooks_of_the_user_from_before_the_masks_are_kept(hook, site):
    net = hookable()
    net.get_submodule(site).register_forward_hook(hook)
    defect_(net, 0.1, sites=["0.norm", "2"], example_inputs=X)
    assert_same(sparsify(net, X), net, X)


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
@pytest.mark.parametrize("site", PLACES)
def test_hooks_of_the_user_are_kept(hook, site):
    net = hookable()
    defect_(net, 0.1, sites=["0.norm", "2"], example_inputs=X)
    before = net(X)
    net.get_submodule(site).register_forward_hook(hook)
    assert hook is HOOKS["watches"] or not torch.equal(net(X), before)
    assert_same(sparsify(net, X), net, X)


@pytest.mark.parametrize("site", PLACES)
def test_hooks_before_a_module_are_kept(site):
    net = hookable()
    defect_(net, 0.1, sites=["0.norm", "2"], example_inputs=X)
    net.get_submodule(site).register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    assert_same(sparsify(net, X), net, X)


@pytest.mark.parametrize("site", PLACES)
def test_hooks_on_derivatives_are_kept_or_refused(site):
    net = hookable()
    defect_(net, 0.1, sites=["0.norm", "2"], example_inputs=X)
    net.get_submodule(site).register_full_backward_hook(lambda module, grad_input, grad_output: (grad_input[0] * 2,))
    if site in ("", "0", "0.norm", "0.norm.after", "2"):
        with pytest.raises(InputError, match=r"has masks inside \(TraceError: it has a backward hook\)"):
            sparsify(net, X)
    else:
        assert_same(sparsify(net, X), net, X)


def test_hooks_that_watch_go_on_watching():
    net = hookable()
    defect_(net, 0.1, sites=["0.norm", "2"], example_inputs=X)
    seen = []
    net[0].norm.module.register_forward_hook(lambda module, args, output: seen.append(output))
    fast = sparsify(net, X)
    seen.clear()
    fast(X)
    assert len(seen) == 1


@pytest.mark.parametrize("site", PLACES)
def test_a_forward_of_its_own_is_kept(site):
    net = hookable()
    defect_(net, 0.1, sites=["0.norm", "2"], example_inputs=X)
    module = net.get_submodule(site)
    inner = type(module).forward
    module.forward = MethodType(lambda self, x: inner(self, x) + x.mean(), module)
    assert_same(sparsify(net, X), net, X)


def another(kind):
    """A subclass that computes something else."""
    return type(f"Other{kind.__name__}", (kind,), {"forward": lambda self, x: kind.forward(self, x) + 1})


OTHERS = {
    "Conv2d": chained(lambda net, z: net.d(z), d=another(nn.Conv2d)(8, 8, 3, padding=1)),
    "BatchNorm2d": chained(lambda net, z: net.d(z), d=another(nn.BatchNorm2d)(8)),
    "ReLU": chained(lambda net, z: net.d(z), d=another(nn.ReLU)()),
    "Identity": chained(lambda net, z: net.d(z), d=another(nn.Identity)()),
    "Dropout": chained(lambda net, z: net.d(z), d=another(nn.Dropout)()),
    "Linear": chained(lambda net, z: net.d(z), d=another(nn.Linear)(8, 8)),
    "DefectMask": chained(lambda net, z: net.d(z), d=another(DefectMask)(mask(seed=3).defect_mask[0])),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_subclass_is_not_taken_for_its_class(name):
    net = trained(OTHERS[name])
    fast = sparsify(net, X)
    assert_same(fast, net, X)
    assert [choice.layer for choice in fast.choices] == ["a", "b"]


class Checking(nn.Conv2d):
    """Refuses some inputs, as a subclass may."""

    def forward(self, x: Tensor) -> Tensor:
        if x.max() > 1:
            raise ValueError("too bright")
        return super().forward(x)


def test_a_convolution_that_checks_its_input_goes_on_checking():
    net = trained(nn.Sequential(Checking(3, 8, 3, padding=1), mask(), conv(8, 8), mask(seed=1)))
    fast = sparsify(net, X)
    assert_same(fast, net, X)
    assert [choice.layer for choice in fast.choices] == ["2"]
    with pytest.raises(ValueError, match="too bright"):
        fast(X + 1)


def test_what_follows_a_hook_does_not_overwrite_its_output():
    # The derivative of a sigmoid needs what it returned.
    net = trained(nn.Sequential(conv(), nn.ReLU(), conv(8, 8)))
    net[0].register_forward_hook(HOOKS["curves"])
    assert_same(sparsify(net, X), net, X)
