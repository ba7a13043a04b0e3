from collections import OrderedDict
from types import MethodType

import pytest
import torch
from torch import nn

from defective import DefectMask, InputError, defect_
from defective.sparse import sparsify
from hand_nets import chained, conv, images, mask, sparsified, trained

X = images()

# The model, a container, a site inside its wrapper, the wrapper, the layers behind the site, its mask, a layer without a mask.
PLACES = ["", "0", "0.norm.module", "0.norm", "0.norm.after", "0.norm.after.mask", "1", "2.module", "2"]


def hookable():
    block = nn.Sequential(OrderedDict(conv=conv(), norm=nn.BatchNorm2d(8)))
    model = trained(nn.Sequential(block, nn.ReLU(), conv(8, 8)))
    defect_(model, 0.1, sites=["0.norm", "2"], example_inputs=X)
    return model


def with_a_forward_of_its_own(module):
    inner = type(module).forward
    module.forward = MethodType(lambda self, x: inner(self, x) + x.mean(), module)


CHANGES = {
    "moves zero": lambda module: module.register_forward_hook(lambda module, args, output: output + 1),
    "watches": lambda module: module.register_forward_hook(lambda module, args, output: None),
    "before": lambda module: module.register_forward_pre_hook(lambda module, args: (args[0] * 2,)),
    "its own forward": with_a_forward_of_its_own,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("site", PLACES)
def test_what_the_user_adds_to_a_module_is_kept(change, site):
    model = hookable()
    before = model(X)
    CHANGES[change](model.get_submodule(site))
    assert change == "watches" or not torch.equal(model(X), before)
    sparsified(model, X)


@pytest.mark.parametrize("site", PLACES)
def test_hooks_on_derivatives_are_kept_or_refused(site):
    model = hookable()
    model.get_submodule(site).register_full_backward_hook(lambda module, grad_input, grad_output: (grad_input[0] * 2,))
    if site in ("", "0", "0.norm", "0.norm.after", "2"):
        with pytest.raises(InputError, match=r"has masks inside \(TraceError: it has a backward hook\)"):
            sparsify(model, X)
    else:
        sparsified(model, X)


def test_hooks_that_watch_go_on_watching():
    model, seen = hookable(), []
    model[0].norm.module.register_forward_hook(lambda module, args, output: seen.append(output))
    fast = sparsify(model, X)
    seen.clear()
    fast(X)
    assert len(seen) == 1


def another(kind):
    """A subclass that computes something else."""
    return type(f"Other{kind.__name__}", (kind,), {"forward": lambda self, x: kind.forward(self, x) + 1})


OTHERS = [
    another(nn.Conv2d)(8, 8, 3, padding=1),
    another(nn.BatchNorm2d)(8),
    another(nn.ReLU)(),
    another(nn.Identity)(),
    another(nn.Dropout)(),
    another(nn.Linear)(8, 8),
    another(DefectMask)(mask(seed=3).defect_mask[0]),
]


@pytest.mark.parametrize("layer", OTHERS, ids=lambda layer: type(layer).__name__)
def test_a_subclass_is_not_taken_for_its_class(layer):
    model = trained(chained(lambda model, z: model.d(z), d=layer))
    fast = sparsified(model, X)
    assert [choice.layer for choice in fast.choices] == ["a", "b"]


def test_what_follows_a_hook_does_not_overwrite_its_output():
    # The derivative of a sigmoid needs what it returned.
    model = trained(nn.Sequential(conv(), nn.ReLU(), conv(8, 8)))
    model[0].register_forward_hook(lambda module, args, output: output.sigmoid())
    sparsified(model, X)
