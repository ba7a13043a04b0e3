import copy

import numpy as np
import pytest
import torch
from torch import nn

from defective import (
    InputError,
    attach_masks_,
    build,
    create_model,
    defect_,
    defects,
    load,
    load_weights_,
    resize_masks_,
    restore_,
    save,
    verify,
)
from defective.surgery import mask_layers
from refusals import refused

X = torch.rand(2, 3, 8, 8, dtype=torch.float64)


@pytest.fixture
def masked_net(small_net):
    defect_(small_net, 0.3, sites=["1", "4"], example_inputs=X)
    return small_net


def plain_twin(model):
    twin = copy.deepcopy(model)
    for name in ("1", "4"):
        twin[int(name)] = twin[int(name)].module
    return twin


def test_masks_come_back_from_a_state_dict(masked_net):
    state, twin = masked_net.state_dict(), plain_twin(masked_net)
    found = attach_masks_(twin, state)
    assert [(d.site, d.live) for d in found] == [(d.site, d.live) for d in defects(masked_net)]
    assert found[0].keep_prob == found[0].live / found[0].total and found[0].pattern == "neuron"
    assert torch.equal(twin(X), masked_net(X))
    twin[1].defect_mask.fill_(False)
    assert defects(masked_net)[0].live == 77


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_masks_come_back_from_a_scripted_model(masked_net):
    twin = plain_twin(masked_net)
    attach_masks_(twin, torch.jit.script(masked_net).state_dict())
    assert torch.equal(twin(X), masked_net(X))


BAD_STATES = {
    "plain": ({"1.weight": torch.zeros(1)}, "plain model"),
    "another model's": ({"nope.defect_mask": torch.ones(1, 1, 1, 1, dtype=torch.bool)}, "'nope'"),
    "of DDP": ({"module.0.defect_mask": torch.ones(1, 4, 8, 8, dtype=torch.bool)}, r"take module\., which DDP"),
    "floats": ({"1.defect_mask": torch.ones(1, 4, 8, 8)}, "torch.float32"),
    "three axes": ({"1.defect_mask": torch.ones(4, 8, 8, dtype=torch.bool)}, r"\(4, 8, 8\)"),
    "no values": ({"1.defect_mask": torch.ones(1, 4, 8, 8, dtype=torch.bool, device="meta")}, "meta"),
}


@pytest.mark.parametrize("case", BAD_STATES)
def test_other_state_dicts_change_nothing(small_net, case):
    state, said = BAD_STATES[case]
    good = {"0.defect_mask": torch.ones(1, 4, 8, 8, dtype=torch.bool)} if case != "plain" else {}
    with pytest.raises(InputError, match=said):
        attach_masks_(small_net, good | state)
    assert defects(small_net) == [] and type(small_net[0]) is nn.Conv2d


def test_masks_are_not_put_over_others(masked_net):
    with pytest.raises(InputError, match=r"'1\.module', which"):
        attach_masks_(masked_net, {"1.module.defect_mask": torch.ones(1, 4, 8, 8, dtype=torch.bool)})
    with pytest.raises(InputError, match="already"):
        attach_masks_(masked_net, masked_net.state_dict())


def test_plain_weights_load_strictly_but_for_masks(masked_net):
    twin = plain_twin(masked_net)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(2)
    before = {site: layer.defect_mask.clone() for site, layer in mask_layers(masked_net).items()}
    load_weights_(masked_net, twin.state_dict())
    assert torch.equal(masked_net[0].weight, twin[0].weight) and torch.equal(masked_net[1].weight, twin[1].weight)
    assert all(torch.equal(layer.defect_mask, before[site]) for site, layer in mask_layers(masked_net).items())
    state = twin.state_dict()
    for bad in ({**state, "extra": X}, {key: value for key, value in state.items() if key != "6.bias"}, {**state, "6.bias": X}):
        with refused("do not fit"):
            load_weights_(masked_net, bad)


@pytest.mark.parametrize("how", ["tile", "nearest", "redraw"])
@pytest.mark.parametrize("pattern", ["neuron", "channel", "shared"])
def test_masks_fit_another_image_size(how, pattern):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    defect_(model, 0.5, sites=["0"], pattern=pattern, example_inputs=X.float())
    old = model[0].defect_mask[0].clone()
    (found,) = resize_masks_(model, (12, 20), how)
    new = model[0].defect_mask[0]
    assert found.shape == (4, 12, 20) == tuple(new.shape) and found.pattern == pattern
    assert found.keep_prob == (0.5 if how == "redraw" else pytest.approx(0.5, abs=0.06))
    assert model(torch.rand(2, 3, 12, 20)).shape == (2, 4)
    rows, columns = torch.arange(12), torch.arange(20)
    if how == "tile":
        assert torch.equal(new, old.repeat(1, 2, 3)[:, :12, :20])
    elif how == "nearest":
        assert torch.equal(new, old[:, rows * 8 // 12][:, :, columns * 8 // 20])
    else:
        fresh = copy.deepcopy(model)
        fresh[0] = fresh[0].module
        defect_(fresh, 0.5, sites=["0"], pattern=pattern, example_inputs=torch.rand(1, 3, 12, 20))
        assert torch.equal(new, fresh[0].defect_mask[0])
    if pattern == "channel" and how != "redraw":
        assert torch.equal(new[:, 0, 0], old[:, 0, 0])


def test_a_resized_built_in_model_knows_its_size_and_travels(tmp_path):
    model = build("resnet18/0.5-bottom", width_mult=0.125)
    resize_masks_(model, 40)
    save(model, tmp_path / "model.safetensors")
    other = load(tmp_path / "model.safetensors")
    x = torch.rand(2, 3, 40, 40)
    assert torch.equal(other(x), model.eval()(x)) and other.architecture.image_shape == (3, 40, 40)
    resize_masks_(other, 32)
    assert other(torch.rand(1, 3, 32, 32)).shape == (1, 10) and str(other.spec) == "resnet18/0.5-bottom"


@pytest.mark.parametrize("how", ["tile", "nearest"])
@pytest.mark.parametrize(
    ("name", "width", "sizes"),
    [
        # Maps of one pixel, each repeated over four.
        ("vgg19/0.5-top", 0.125, (16, 32)),
        # Shares of a small cut are not those of the whole.
        ("resnet18/0.5-bottom", 0.5, (16, 32, 8, 32)),
        # Copies of neurons drawn on their own.
        ("vgg19/0.5-bottom-bernoulli", 0.125, (32, 224)),
    ],
)
def test_a_resized_model_agrees_with_its_spec(name, width, sizes, how):
    for seed in range(3):
        model = build(name, seed=seed, width_mult=width, image_size=sizes[0])
        for size in sizes[1:]:
            resize_masks_(model, size, how)
        verify(model)


def test_a_built_in_model_behind_one_that_changes_the_size_knows_what_it_gets(tmp_path):
    model = nn.Sequential(nn.Upsample(scale_factor=2), build("vgg19/0.5-bottom", width_mult=0.125)).eval()
    draws = [layer.draw for layer in mask_layers(model).values()]
    resize_masks_(model, 16)
    assert [layer.draw for layer in mask_layers(model).values()] == draws
    resize_masks_(model, 24)
    assert model[1].architecture.mask_size == (48, 48) and verify(model) is None
    save(model, tmp_path / "net.safetensors")
    plain = nn.Sequential(nn.Upsample(scale_factor=2), create_model("vgg19", width_mult=0.125))
    x = torch.rand(2, 3, 24, 24)
    assert torch.equal(load(tmp_path / "net.safetensors", plain)(x), model(x))


def test_restored_after_resizing_it_is_made_for_its_own_images_again(tmp_path):
    model = build("vgg19/0.5-bottom", width_mult=0.125)
    resize_masks_(model, 48)
    save(model, tmp_path / "model.safetensors")
    restore_(model)
    assert model.architecture.image_shape == (3, 32, 32) and defect_(model, 0.5)[0].shape == (8, 32, 32)
    # In a plain model, too, the masks of a file bring the size that they were resized to.
    other = load(tmp_path / "model.safetensors", create_model("vgg19", width_mult=0.125))
    assert other.architecture.image_shape == (3, 48, 48)


def test_masks_reach_a_built_in_model_inside_another(tmp_path):
    model = nn.Sequential(nn.Identity(), build("vgg19/0.5-bottom", width_mult=0.125)).eval()
    save(model, tmp_path / "model.safetensors")
    x = torch.rand(2, 3, 32, 32)
    for attach in (
        lambda plain: load(tmp_path / "model.safetensors", plain),
        lambda plain: (plain.load_state_dict(model.state_dict(), strict=False), attach_masks_(plain, model.state_dict())),
    ):
        plain = nn.Sequential(nn.Identity(), build("vgg19", width_mult=0.125)).eval()
        attach(plain)
        verify(plain)
        assert torch.equal(plain(x), model(x))


def test_resizing_does_not_depend_on_the_default_device(masked_net):
    """To the size they have, masks stay what they are."""
    before = {site: layer.defect_mask.clone() for site, layer in mask_layers(masked_net).items()}
    with torch.device("meta"):
        resize_masks_(masked_net, np.int64(8))
    assert all(torch.equal(layer.defect_mask, before[site]) for site, layer in mask_layers(masked_net).items())


def test_masks_on_a_built_in_model_end_its_plain_spec(tmp_path):
    model = build("vgg19", width_mult=0.125)
    attach_masks_(model, build("vgg19/0.5-bottom", width_mult=0.125).state_dict())
    save(model, tmp_path / "model.safetensors")
    assert model.spec is None and len(defects(load(tmp_path / "model.safetensors"))) == 4


@pytest.mark.parametrize("call", [attach_masks_, load_weights_])
@pytest.mark.parametrize("state", ["net.pt", nn.ReLU()])
def test_what_is_no_state_dict_is_refused(call, state, small_net):
    with refused(r"^the state dict is '\w+': pass model.state_dict\(\), or torch.load\(file\)$"):
        call(small_net, state)


def test_weights_of_another_size_are_named(small_net):
    key, tensor = next(iter(small_net.state_dict().items()))
    with refused(rf"^the weights do not fit this model: {key} has shape \(1,\), \({tensor.shape[0]}, .* in the model$"):
        load_weights_(small_net, {key: torch.zeros(1)})


def test_other_refusals_change_nothing(masked_net, small_net):
    with pytest.raises(InputError, match="no masks"):
        resize_masks_(create_model("vgg19", width_mult=0.125), 48)
    with pytest.raises(InputError, match=r"how=None .*tile, nearest, redraw"):
        resize_masks_(masked_net, 48, None)
    with pytest.raises(InputError, match=r"'stretch'.*tile, nearest, redraw"):
        resize_masks_(masked_net, 48, "stretch")
    for size in ("large", 0, (8, 8, 8), None):
        with pytest.raises(InputError, match="image_size"):
            resize_masks_(masked_net, size)
    out = masked_net(X)
    with pytest.raises(InputError, match=r"forward pass of example_inputs \(1, 3, 12, 12\)"):
        resize_masks_(masked_net, 12)
    assert torch.equal(masked_net(X), out)


def test_masks_are_resized_on_images_of_as_many_channels_as_are_named():
    model = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 8, 3, padding=1), nn.ReLU())
    defect_(model, 0.5, sites=["1"], example_inputs=torch.zeros(1, 3, 16, 16))
    # The first convolution takes other images than the model does.
    with pytest.raises(
        InputError, match=r"on an image of 12 channels and 24 x 24 pixels \(in_chans, image_size\): the forward pass"
    ):
        resize_masks_(model, 24)
    for wrong in (0, -1, "3", 2.5):
        with pytest.raises(InputError, match=f"^in_chans {wrong!r} is not a number of channels"):
            resize_masks_(model, 24, in_chans=wrong)
    assert resize_masks_(model, 24, in_chans=3)[0].shape == (8, 12, 12)
