"""A mask, in place or not, is a selection to the last bit, forward and backward, whatever its site is and whoever looks on."""

import copy

import pytest
import torch
from torch import nn

from defective import build, create_model, defect_, defects
from defective.bench.memory import saved_bytes

X = torch.rand(2, 3, 8, 8, dtype=torch.float64)
IMAGES = torch.rand(4, 3, 32, 32)


def gradients(net, x):
    x = x.clone().requires_grad_()
    loss = (net(x) ** 2).sum()
    return torch.autograd.grad(loss, [x, *net.parameters()])


SITES = {
    "norm": lambda: nn.BatchNorm2d(3),
    "convolution": lambda: nn.Conv2d(3, 3, 1),
    "output needed by the backward": nn.Sigmoid,
    "output is the input": nn.Identity,
    "view of the input": lambda: nn.Sequential(nn.Flatten(1), nn.Unflatten(1, (3, 8, 8))),
    "container": lambda: nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("after", [nn.ReLU(), nn.ReLU(inplace=True), nn.Sigmoid()], ids=str)
@pytest.mark.parametrize("site", SITES)
def test_any_site_has_the_outputs_and_gradients_of_a_selection(site, after, training):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 3, 1), SITES[site](), after, nn.Conv2d(3, 2, 1)).double().train(training)
    twin = copy.deepcopy(net)
    defect_(net, 0.3, sites=["1"], example_inputs=X)
    mask = net[1].defect_mask

    def reference(x):
        return twin[3](twin[2](torch.where(mask, twin[1](twin[0](x)), 0)))

    reference.parameters = twin.parameters
    assert torch.equal(net(X), reference(X))
    for ours, theirs in zip(gradients(net, X), gradients(reference, X), strict=True):
        assert torch.equal(ours, theirs)
    with torch.no_grad():
        assert torch.equal(net(X), reference(X))
    with torch.inference_mode():
        assert torch.equal(net(X), reference(X))


def test_a_training_step_is_that_of_a_selection_to_the_last_bit():
    net = build("resnet18/0.5-bottom", width_mult=0.125).train().to(memory_format=torch.channels_last)
    twin = copy.deepcopy(net)
    for module in twin.modules():
        if hasattr(module, "defect_mask"):
            module._forward_hooks.clear()
            module.register_forward_hook(lambda m, args, z: torch.where(m.defect_mask, z, 0))
    for precision in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", precision, enabled=precision == torch.bfloat16):
            found, expected = gradients(net, IMAGES), gradients(twin, IMAGES)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_hook_keeps_what_it_was_given(small_net):
    kept = {}
    small_net[1].register_forward_hook(lambda module, args, z: kept.update(raw=z, copy=z.detach().clone()))
    defect_(small_net, 0.3, sites=["1", "4"], example_inputs=X)
    small_net[1].register_forward_hook(lambda module, args, z: kept.update(masked=z))
    out = small_net(X)
    dead = ~small_net[1].defect_mask.expand_as(kept["raw"])
    assert torch.equal(kept["raw"], kept["copy"]) and (kept["raw"][dead] != 0).all()
    assert (kept["masked"][dead] == 0).all()
    raw, after = torch.autograd.grad(out.sum(), [kept["raw"], kept["masked"]], retain_graph=True)
    assert (raw[dead] == 0).all() and torch.equal(raw, after.masked_fill(dead, 0)) and (raw != 0).any()


def test_a_hook_on_all_modules_keeps_what_it_was_given(small_net):
    defect_(small_net, 0.3, sites=["1", "4"], example_inputs=X)
    kept = []
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, args, z: kept.append((z, z.clone())) if module is small_net[1] else None
    )
    try:
        small_net(X)
    finally:
        handle.remove()
    assert torch.equal(*kept[0]) and (kept[0][0] != 0).all()


def test_masks_add_next_to_nothing_to_what_the_backward_keeps():
    plain, net = create_model("resnet18", width_mult=0.125), build("resnet18/0.1-bottom", width_mult=0.125)
    extra = saved_bytes(net, IMAGES, torch.arange(4)) - saved_bytes(plain, IMAGES, torch.arange(4))
    assert extra == sum(defect.total for defect in defects(net))


def test_masks_work_in_a_traced_net(small_net):
    defect_(small_net, 0.3, sites=["1", "4"], example_inputs=X)
    assert torch.equal(torch.fx.symbolic_trace(small_net)(X), small_net(X))


def test_derivatives_of_higher_order(small_net):
    defect_(small_net, 0.3, sites=["1", "4"], example_inputs=X)
    x = X[:1].clone().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: small_net(x).sin(), x, atol=1e-4)
