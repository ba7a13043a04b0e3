"""Models of timm: norms with activations inside, padding that depends on the image, parts that branch."""

import pytest
import torch
from torch import nn

from defective import InputError, defect_
from defective.sparse import sparsify, train_live
from defective.sparse.graph import TIMM_ZERO_KEEPING
from hand_nets import conv, mask, sparsified, trained

pytest.importorskip("torchvision_operators")
timm = pytest.importorskip("timm")
layers = pytest.importorskip("timm.layers")
activations = pytest.importorskip("timm.layers.activations")
activations_me = pytest.importorskip("timm.layers.activations_me")

X = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def timm_model(name, x=X, **options):
    torch.manual_seed(0)
    model = trained(timm.create_model(name, num_classes=10, **options))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear) and not module.weight.any():
                nn.init.normal_(module.weight, std=0.1)
    assert model(x).std() > 0
    return model


# EfficientNets (the first three), regnet and densenet have norm and activation in one module.
LIVE = {
    "tinynet_e": {},
    "tf_mobilenetv3_small_minimal_100": {},
    "mobilenetv3_small_050": {},
    "regnetx_002": {},
    "densenet121": {"growth_rate": 8, "block_config": (2, 2, 2)},
    "levit_128s": {"img_size": 32},
}


@pytest.mark.parametrize("name", LIVE)
def test_models_with_masked_norms(name):
    model = timm_model(name, **LIVE[name])
    assert defect_(model, 0.1, sites=nn.BatchNorm2d, example_inputs=X)
    fast = sparsified(model, X)
    assert sum(choice.live for choice in fast.choices) >= len(fast.choices) / 3
    assert all(choice.layer in dict(model.named_modules()) or choice.layer.endswith("conv") for choice in fast.choices)


def test_parts_that_branch_are_called_as_they_are():
    model = timm_model("mobilevit_xxs")
    defect_(model, 0.1, sites=["stem.bn", "stages.0.0.conv1_1x1.bn", "stages.0.0.conv2_kxk.bn"], example_inputs=X)
    fast = sparsified(model, X)
    assert sum(choice.live for choice in fast.choices) >= 2
    defect_(model, 0.1, sites=["stages.2.1.conv_1x1"], example_inputs=X)
    with pytest.raises(
        InputError, match=r"cannot follow MobileVitBlock 'stages\.2\.1', which has masks inside.*choose sites outside"
    ):
        sparsify(model, X)


@pytest.mark.parametrize("drop", [None, nn.Dropout])
@pytest.mark.parametrize("act", ["relu", "silu", "gelu", "hard_swish", "sigmoid", None])
def test_norm_and_activation_in_one(act, drop):
    norm = layers.BatchNormAct2d(8, act_layer=act or nn.Identity, apply_act=act is not None, drop_layer=drop, eps=0.1)
    model = trained(nn.Sequential(conv(), norm, mask(), conv(8, 8), norm, mask(seed=1)))
    x = X[:, :, :8, :8]
    fast = sparsified(model, x)
    assert [choice.live for choice in fast.choices] == [act != "sigmoid"] * 2
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())


def test_norm_and_activation_in_one_are_trained():
    model = trained(nn.Sequential(conv(), layers.BatchNormAct2d(8), conv(8, 8), mask(0.5), nn.Flatten(), nn.Linear(512, 4)))
    defect_(model, 0.1, sites=["1"], example_inputs=X[:, :, :8, :8])
    fast = train_live(model, X[:, :, :8, :8])
    assert all(choice.live for choice in fast.choices)
    before = model[1].running_mean.clone()
    fast.train()(X[:, :, :8, :8]).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert not torch.equal(model[1].running_mean, before) and type(model[1].module) is layers.BatchNormAct2d


ME = ("HardMishMe", "HardSwishMe", "MishMe", "SwishMe")
ZERO_KEEPING = [getattr(activations_me if name in ME else activations, name) for name in sorted(TIMM_ZERO_KEEPING)]


@pytest.mark.parametrize("act", [*ZERO_KEEPING, activations.Sigmoid, activations.PReLU, activations_me.HardSigmoidMe])
def test_activations(act):
    model = trained(nn.Sequential(conv(), mask(), act(inplace=True), conv(8, 8), mask(seed=1)))
    x = X[:, :, :8, :8]
    fast = sparsified(model, x)
    assert fast.choices[1].live == (act in ZERO_KEEPING)
