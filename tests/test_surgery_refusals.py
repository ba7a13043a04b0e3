import pytest
import torch
from torch import nn

from defective import InputError, build, create_model, defect_, defects, restore_
from hand_nets import Net
from masked_net import X, masked
from refusals import refused


class Permute(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1)


def swin():
    """Channels last, as the blocks of Swin have them."""
    return nn.Sequential(Permute(), nn.LayerNorm(3), nn.GELU(), nn.Flatten(), nn.Linear(192, 5)).double()


def asserting(model, x):
    assert x.shape[-1] == 7, "only 7 x 7"
    return model.act(x)


def gated():
    return Net(lambda model, x: model.gate(x, x), gate=nn.Bilinear(8, 8, 8)).double()


def _twice(model):
    shared = nn.ReLU()
    return nn.Sequential(nn.Conv2d(3, 4, 1), shared, nn.Conv2d(4, 4, 1), shared)


def _idle(model):
    model.add_module("unused", nn.Identity())
    model.forward = lambda x: x
    return model


def _aliased(model):
    model.again = model[1]
    return model


def vgg():
    return create_model("vgg19", width_mult=0.1)


REFUSALS = {
    "unknown name": (lambda model: masked(model, sites=["nope"]), "nope"),
    "no match": (lambda model: masked(model, sites=lambda name, module: False), "no module matched the predicate"),
    "empty": (lambda model: masked(model, sites=[]), "empty"),
    "an alias": (lambda model: masked(_aliased(model), sites=["again"]), "module 'again' is the same as '1': name that one"),
    "named twice": (lambda model: masked(model, sites=["1", "1"]), "twice"),
    "runs twice": (lambda model: masked(_twice(model).double(), sites=["1"]), "more than once"),
    "defective already": (lambda model: masked(masked(model)), "already"),
    "keep_prob above 1": (lambda model: masked(model, keep_prob=1.01), "1.01"),
    "keep_prob below 0": (lambda model: masked(model, keep_prob=-1), "-1"),
    "flat output": (lambda model: masked(model, sites=["6"]), r"\(2, 5\)"),
    "no example_inputs": (lambda model: defect_(model, 0.5, sites=["1"]), "example_inputs"),
    "blocks on a foreign model": (lambda model: defect_(model, 0.5, blocks="bottom", example_inputs=X), "built-in"),
    "blocks and sites": (lambda model: masked(model, blocks="top"), "not both"),
    "unknown region": (lambda _: defect_(vgg(), 0.5, blocks="middle"), "middle"),
    "unknown block": (lambda _: defect_(vgg(), 0.5, blocks=7), "7"),
    "block twice": (lambda _: defect_(vgg(), 0.5, blocks=[1, 1]), "twice"),
    "block without sites": (lambda model: defect_(create_model("senet18", width_mult=0.1), 0.5, blocks=0), "no mask site"),
    "unknown placement": (lambda _: defect_(vgg(), 0.5, placement="here"), "here"),
    "placement beside sites": (lambda model: masked(model, placement="text"), "placement 'text' is for blocks"),
    "a shape for images": (lambda model: defect_(model, 0.5, sites=["1"], example_inputs=(1, 3, 8, 8)), r"torch\.zeros\(1, 3"),
    "the model itself": (lambda model: defect_(nn.ReLU(), 0.5, sites=[""], example_inputs=X), "itself"),
    "no pattern": (lambda model: masked(model, pattern=None), "no mask pattern None; there are neuron, channel, shared"),
    "several patterns": (lambda model: masked(model, pattern=["neuron"]), r"no mask pattern \['neuron'\]"),
    "no sampling": (lambda model: masked(model, sampling=None), "no mask sampling None"),
    "no placement": (lambda _: defect_(vgg(), 0.5, placement=None), "no placement None"),
    "a number for sites": (lambda model: masked(model, sites=50), "no module '50' in this model"),
    "no block": (lambda _: defect_(vgg(), 0.5, blocks=[None]), r"blocks \[None\] are neither bottom, top nor whole numbers"),
    "a word for a block": (
        lambda _: defect_(vgg(), 0.5, blocks=["a"]),
        "blocks \\['a'\\] are neither bottom, top nor whole numbers",
    ),
    "400 digits": (lambda model: masked(model, keep_prob=10**400), "^keep_prob with about 400 digits is not a number"),
    "no such type": (lambda model: masked(model, sites=nn.Conv3d), "no module is a Conv3d"),
    "no number": (lambda model: masked(model, keep_prob="much"), "much"),
    "layer norm of (N, H, W, C)": (lambda model: masked(swin(), sites=["1"]), r"looks like \(N, H, W, C\)"),
    "activation of (N, H, W, C)": (lambda model: masked(swin(), sites=["2"]), r"looks like \(N, H, W, C\)"),
    "several arguments": (lambda model: masked(gated(), sites=["gate"]), "one tensor"),
    "images that the model cannot take": (
        lambda model: defect_(model, 0.5, sites=["1"], example_inputs=X[:, :1]),
        r"forward pass of example_inputs \(2, 1, 8, 8\)",
    ),
    "a site that does not run": (lambda model: masked(_idle(model), sites=["unused"]), "did not run"),
    "a scripted model": (lambda model: masked(torch.jit.script(model), sites=["0"]), "do this before torch.jit.script"),
    "an assertion of the model": (lambda model: masked(Net(asserting, act=nn.ReLU()), sites=["act"]), "AssertionError: only 7 x 7"),
}


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_name_the_mistake_and_change_nothing(small_net, case):
    act, said = REFUSALS[case]
    with refused(said):
        act(small_net)
    if case != "defective already":
        assert defects(small_net) == []


def test_another_image_size_is_refused():
    model = build("resnet18/0.5-bottom", width_mult=0.125)
    with pytest.raises(InputError, match=r"stem\.norm.*\(8, 32, 32\).*\(8, 64, 64\).*resize the images.*resize_masks_"):
        model(torch.rand(1, 3, 64, 64))


def test_a_changed_model_loses_its_spec_and_another_keeps_it(small_net):
    for change in (restore_, lambda model: defect_(model, 0.5, blocks="top")):
        model = build("vgg19/0.5-bottom", width_mult=0.0625)
        change(model)
        assert model.spec is None and model.build_options is None
    plain = build("vgg19", width_mult=0.0625)
    restore_(plain)
    with pytest.raises(InputError):
        defect_(plain, 2.0)
    assert str(plain.spec) == "vgg19"
    small_net.spec = "mine"
    masked(small_net)
    restore_(small_net)
    assert small_net.spec == "mine"


def test_modules_and_predicates_of_other_forms_are_refused(small_net):
    x = torch.zeros(1, 3, 8, 8)
    with refused("^sites is a module, BatchNorm2d: pass its name or its type$"):
        defect_(small_net, 0.5, sites=small_net[1], example_inputs=x)
    with refused(r"^sites must be a predicate \(name, module\) -> bool, and this one failed: TypeError: "):
        defect_(small_net, 0.5, sites=lambda name: True, example_inputs=x)


@pytest.mark.parametrize("call", [defects, restore_, lambda model: defect_(model, 0.5, sites=["0"])])
def test_what_is_no_model_is_refused(call):
    with refused("^the model is dict, not a torch.nn.Module: wrap it in a module"):
        call({})
