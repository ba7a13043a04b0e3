"""A wrapped site has the outputs, gradients, names and attributes it had; only its output is masked."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.utils.checkpoint import checkpoint_sequential

from benchmarks.memory import saved_bytes
from defective import InputError, build, create_model, defect_, defects, restore_
from defective.wrapper import SiteWrapper, site_modules

X = torch.rand(2, 3, 8, 8, dtype=torch.float64)
IMAGES = torch.rand(4, 3, 32, 32)


def gradients(model, x):
    x = x.clone().requires_grad_()
    loss = (model(x) ** 2).sum()
    return torch.autograd.grad(loss, [x, *model.parameters()])


SITES = {
    "norm": lambda: nn.BatchNorm2d(3),
    "convolution": lambda: nn.Conv2d(3, 3, 1),
    "output needed by the backward": nn.Sigmoid,
    "output is the input": nn.Identity,
    "view of the input": lambda: nn.Sequential(nn.Flatten(1), nn.Unflatten(1, (3, 8, 8))),
    "container": lambda: nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("after", [nn.ReLU(inplace=True), nn.Sigmoid()], ids=str)
@pytest.mark.parametrize("site", SITES)
def test_any_site_has_the_outputs_and_gradients_of_a_selection(site, after, training):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 3, 1), SITES[site](), after, nn.Conv2d(3, 2, 1)).double().train(training)
    twin = copy.deepcopy(model)
    defect_(model, 0.3, sites=["1"], example_inputs=X)
    mask = model[1].defect_mask

    def reference(x):
        return twin[3](twin[2](torch.where(mask, twin[1](twin[0](x)), 0)))

    reference.parameters = twin.parameters
    assert torch.equal(model(X), reference(X))
    for ours, theirs in zip(gradients(model, X), gradients(reference, X), strict=True):
        assert torch.equal(ours, theirs)
    with torch.inference_mode():
        assert torch.equal(model(X), reference(X))


def test_a_model_with_all_neurons_kept_trains_as_the_plain_one_to_the_last_bit():
    plain = create_model("resnet18", width_mult=0.125).train().to(memory_format=torch.channels_last)
    model = copy.deepcopy(plain)
    defect_(model, 1.0)
    for precision in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", precision, enabled=precision == torch.bfloat16):
            assert all(torch.equal(a, b) for a, b in zip(gradients(model, IMAGES), gradients(plain, IMAGES), strict=True))


@pytest.mark.parametrize("training", [True, False])
def test_hooks_see_the_site_before_the_mask_and_the_wrapper_after_it(small_net, training):
    small_net.train(training)
    kept = {}
    small_net[1].register_forward_hook(lambda module, args, z: kept.update(raw=z))
    defect_(small_net, 0.3, sites=["1"], example_inputs=X)
    small_net[1].register_forward_hook(lambda module, args, z: kept.update(masked=z))
    out = small_net(X)
    dead = ~small_net[1].defect_mask.expand_as(kept["raw"])
    assert (kept["raw"][dead] != 0).all() and (kept["masked"][dead] == 0).all()
    (raw,) = torch.autograd.grad(out.sum(), kept["raw"])
    assert (raw[dead] == 0).all() and (raw != 0).any()


def test_attributes_belong_to_the_site(small_net):
    norm = small_net[1]
    defect_(small_net, 0.3, sites=["1"], example_inputs=X)
    wrapper = small_net[1]
    assert isinstance(wrapper, SiteWrapper) and wrapper.module is norm
    assert wrapper.weight is norm.weight and wrapper.num_features == 4
    wrapper.eps, wrapper.weight = 0.5, nn.Parameter(torch.zeros(4))
    assert norm.eps == 0.5 and not norm.weight.any() and list(dict(wrapper.named_parameters())) == ["module.weight", "module.bias"]
    wrapper.running_mean = torch.ones(4)
    assert torch.equal(norm.running_mean, torch.ones(4))
    del wrapper.running_mean
    assert not hasattr(norm, "running_mean")
    assert not hasattr(wrapper, "eps")
    wrapper.note = "mine"
    assert not hasattr(norm, "note")
    with pytest.raises(AttributeError, match="nothing"):
        _ = wrapper.nothing


def test_what_a_tool_puts_into_the_site_is_found_inside_alone(small_net):
    defect_(small_net, 0.3, sites=["0"], example_inputs=X)
    small_net[0].module.base_layer = nn.Identity()
    assert not hasattr(small_net[0], "base_layer") and hasattr(small_net[0].module, "base_layer")
    small_net[0].module.register_buffer("lora_A", torch.zeros(1))
    assert "0.module.lora_A" in small_net.state_dict() and "0.weight" in small_net.state_dict()
    small_net.load_state_dict(small_net.state_dict())
    for add in (
        lambda site: prune.l1_unstructured(site, "weight", 0.5),
        lambda site: site.register_buffer("extra", X),
        lambda site: site.add_module("extra", nn.ReLU()),
        lambda site: setattr(site, "extra", nn.ReLU()),
    ):
        with pytest.raises(InputError, match=r"wrapped Conv2d.*SITE\.module"):
            add(small_net[0])


class FusedBlock(nn.Sequential):
    """A convolution and a norm that make themselves one convolution, as blocks of timm do."""

    def fuse(self):
        return nn.utils.fuse_conv_bn_eval(*self)


def reparameterize(model):
    for name, child in list(model.named_children()):
        if hasattr(child, "fuse"):
            setattr(model, name, child.fuse())
        reparameterize(getattr(model, name))


def test_a_block_that_fuses_itself_keeps_its_mask_or_fails():
    def block(site):
        model = nn.Sequential(FusedBlock(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4)), nn.Flatten()).eval()
        defect_(model, 0.3, sites=[site], example_inputs=X.float())
        return model

    model = block("0")
    expected = model(X.float())
    reparameterize(model)
    assert isinstance(model[0].module, nn.Conv2d) and len(defects(model)) == 1
    torch.testing.assert_close(model(X.float()), expected)
    with pytest.raises(AttributeError, match=r"'eps' is not read from a wrapped BatchNorm2d: use that of SITE\.module"):
        reparameterize(block("0.1"))


@pytest.mark.parametrize(
    ("put_on", "take_off"),
    [
        (lambda conv: prune.l1_unstructured(conv, "weight", 0.5), lambda conv: prune.remove(conv, "weight")),
        (parametrizations.weight_norm, lambda conv: parametrize.remove_parametrizations(conv, "weight")),
        (
            lambda conv: parametrize.register_parametrization(conv, "weight", nn.Tanh()),
            lambda conv: parametrize.remove_parametrizations(conv, "weight"),
        ),
    ],
    ids=["pruning", "weight norm", "parametrization"],
)
def test_a_parameter_that_a_tool_gives_back_has_its_own_key(small_net, put_on, take_off):
    keys = set(small_net.state_dict())
    put_on(small_net[0])
    defect_(small_net, 0.3, sites=["0"], example_inputs=X)
    take_off(small_net[0].module)
    assert set(small_net.state_dict()) == keys | {"0.defect_mask"}


def test_a_container_is_still_indexed_iterated_and_searched():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()), nn.Flatten())
    inside = list(model[0])
    defect_(model, 0.5, sites=["0", "0.1"], example_inputs=X.float())
    assert model[0][0] is inside[0] and len(model[0]) == 2 and next(iter(model[0])) is inside[0] and model[0]
    assert model[0][1].module.module is inside[1] and len(model[0][:1]) == 1
    assert list(site_modules(model)) == ["", "0", "0.0", "0.1", "1"]
    assert list(model.state_dict()) == ["0.0.weight", "0.0.bias", "0.1.defect_mask", "0.defect_mask"]
    assert model.get_submodule("0.1").module is inside[1]
    twin = pickle.loads(pickle.dumps(model))
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin(X.float()), model(X.float()))
    restore_(model)
    assert list(model[0]) == inside


def test_modules_of_a_container_that_are_called_one_by_one_are_masked():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sequential(nn.Conv2d(3, 3, 1))), nn.Flatten())
    x = X.float()
    plain = model(x)
    defect_(model, 0.5, sites=["0"], example_inputs=x)
    masked, stage = model(x), model[0]
    assert not torch.equal(masked, plain)
    for one_by_one in (nn.Sequential(*stage), stage[:], nn.Sequential(stage[0], stage[-1])):
        assert torch.equal(one_by_one(x).flatten(1), masked)
    assert torch.equal(checkpoint_sequential(stage, 2, x, use_reentrant=False).flatten(1), masked)
    # Hooks are those of the module, wherever it is called; so are its attributes.
    seen = []
    stage[-1].register_forward_hook(lambda module, args, output: seen.append(module))
    model(x)
    assert seen == [stage[-1].module] and stage[-1][0].module is stage.module[1][0]
    assert list(model.state_dict()) == ["0.0.weight", "0.0.bias", "0.1.0.weight", "0.1.0.bias", "0.defect_mask"]


def test_a_module_that_the_model_holds_twice_stays_one():
    """Under its second name too, which runs."""
    model = nn.Module()
    model.first = model.second = nn.Conv2d(3, 3, 1)
    model.forward = lambda x: model.second(x)
    defect_(model, 0.5, sites=["first"], example_inputs=X.float())
    assert model.first is model.second and len(defects(model)) == 1
    assert {"first.defect_mask", "second.defect_mask"} < set(model.state_dict())
    assert (model(X.float())[:, ~model.first.defect_mask[0]] == 0).all()


def test_state_dicts_load_by_outer_and_by_inner_names(small_net):
    defect_(small_net, 0.3, sites=["1"], example_inputs=X)
    other = copy.deepcopy(small_net)
    with torch.no_grad():
        other[1].weight.mul_(2)
    small_net.load_state_dict(dict(other.named_parameters()) | dict(other.named_buffers()))
    assert torch.equal(small_net[1].weight, other[1].weight)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "1\.defect_mask"'):
        small_net.load_state_dict({key: value for key, value in other.state_dict().items() if "defect_mask" not in key})
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\).*"1\.module\.wrong"'):
        small_net.load_state_dict({**other.state_dict(), "1.wrong": X})


def test_tensors_may_take_the_place_of_those_of_the_state_dict(small_net):
    defect_(small_net, 0.3, sites=["1"], example_inputs=X)
    out = small_net(X)
    state = {key: value.clone() for key, value in small_net.state_dict().items()}
    state["1.bias"] = state["1.bias"] + 1
    changed = torch.func.functional_call(small_net, state, X)
    assert torch.equal(small_net(X), out) and not torch.equal(changed, out)
    with torch.no_grad():
        small_net[1].bias += 1
    assert torch.equal(small_net(X), changed)


def test_training_mode_is_that_of_the_site(small_net):
    small_net.train()
    small_net[1].eval()
    defect_(small_net, 0.3, sites=["0", "1"], example_inputs=X)
    assert [module.training for module in (*small_net[0].modules(), *small_net[1].modules())] == [True] * 4 + [False] * 4


def test_masks_add_no_memory_to_what_the_backward_keeps():
    plain, model = create_model("resnet18", width_mult=0.125), build("resnet18/0.1-bottom", width_mult=0.125)
    kept = [saved_bytes(each, IMAGES, torch.arange(4)) for each in (model, plain)]
    assert kept[0] - kept[1] == sum(defect.total for defect in defects(model))
