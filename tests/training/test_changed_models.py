"""Models that a tool or a user changed are saved and loaded as they are, or refused."""

import copy
import shutil

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from defective import Ensemble, build, defect_, load, save
from refusals import refused

X, SMALL = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 8, 8, dtype=torch.float64)


def with_gelu():
    net = build("vgg19/0.5-bottom", width_mult=0.125)
    for block in net.blocks:
        for name, module in list(block.named_children()):
            if isinstance(module, nn.ReLU):
                setattr(block, name, nn.GELU())
    return net


def with_another_head():
    net = build("vgg19/0.5-bottom", width_mult=0.125)
    net.head = nn.Linear(net.head.in_features, 3)
    return net


def with_another_epsilon():
    net = build("vgg19/0.5-bottom", width_mult=0.125)
    net.blocks[4].norm1.eps = 0.1
    return net


@pytest.mark.parametrize("make", [with_gelu, with_another_head, with_another_epsilon])
def test_a_built_in_model_that_was_changed_needs_one_to_load_into(make, tmp_path):
    net = make().eval()
    save(net, tmp_path / "net.safetensors")
    with refused(r"its model is not built in, or was changed: pass a plain model to load into"):
        load(tmp_path / "net.safetensors")
    assert torch.equal(load(tmp_path / "net.safetensors", make())(X), net(X))


def test_synchronised_norms_are_no_change(tmp_path):
    net = build("vgg19/0.5-bottom", width_mult=0.125).eval()
    save(nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(net)), tmp_path / "net.safetensors")
    assert torch.equal(load(tmp_path / "net.safetensors")(X), net(X))


def test_what_a_tool_added_to_a_masked_module_fits_a_plain_model_with_the_same(tmp_path, small_net):
    plain = copy.deepcopy(small_net)
    defect_(small_net, 0.5, sites=["3"], example_inputs=SMALL)
    weight_norm(small_net[3].module)
    save(small_net.eval(), tmp_path / "net.safetensors")
    weight_norm(plain[3])
    assert torch.equal(load(tmp_path / "net.safetensors", plain)(SMALL), small_net(SMALL))


def test_masks_of_a_loaded_model_are_not_those_of_the_file(tmp_path, small_net):
    file, other, plain = tmp_path / "net.safetensors", tmp_path / "other.safetensors", copy.deepcopy(small_net)
    for seed, to in enumerate((file, other)):
        defect_(net := copy.deepcopy(plain), 0.5, sites=["3"], example_inputs=SMALL, seed=seed)
        save(net, to)
    loaded = load(file, plain)
    before = loaded[3].defect_mask.clone()
    shutil.copyfile(other, file)
    assert torch.equal(loaded[3].defect_mask, before)


def test_swapped_arguments_are_refused(tmp_path, small_net):
    with refused(r"^the path is Sequential: write load\(path, model\)$"):
        load(small_net, tmp_path)
    with refused("^the model is PosixPath, not a torch.nn.Module: wrap it in a module"):
        save(tmp_path / "net.safetensors", small_net)
    with refused(r"^the path is NoneType: write save\(model, path\)$"):
        save(small_net, None)
    save(small_net, tmp_path / "net.safetensors")
    with refused("^the model is type, not a torch.nn.Module: wrap it in a module"):
        load(tmp_path / "net.safetensors", nn.Sequential)


@pytest.mark.parametrize(("members", "named"), [([], "none"), (["resnet18"], "str")])
def test_an_ensemble_has_modules(members, named):
    with refused(f"^the members are {named}: pass at least one module$"):
        Ensemble(members)
