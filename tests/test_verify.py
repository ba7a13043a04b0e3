import pytest
import torch
from torch import nn

from defective import DefectMask, InputError, build, defect_, defects, load, restore_, save, verify
from defective.baselines import undrop_
from defective.models import Ensemble
from defective.specs import NetSpec
from defective.surgery import mask_layers
from refusals import refused

NAMES = """resnet18 resnet18/0.1-bottom resnet18/0.5-bottom+0.3-top@text resnet18/0.5-bottom-dc vgg19/0.5-bottom-dc@text
vgg19/0.5-bottom-sm densenet121/0.3-bottom+0.9-dropblock vgg19/0.5-bottom-x2-therm4-en"""


@pytest.mark.parametrize("name", NAMES.split())
def test_what_build_makes_is_what_its_spec_says(name):
    verify(build(name, width_mult=0.0625))


def test_independent_draws_and_foreign_models_pass(small_net):
    verify(build("vgg19/0.5-bottom-bernoulli", width_mult=0.125))
    verify(small_net)
    defect_(small_net, 0.5, sites=["1"], example_inputs=torch.rand(1, 3, 8, 8).double())
    verify(small_net)
    verify(nn.Sequential(DefectMask(torch.ones(1, 2, 2, dtype=torch.bool))))


def layer(model):
    return mask_layers(model)["blocks.0.norm1"]


def unmasked(model):
    model.blocks[0].norm1 = model.blocks[0].norm1.module


def masked_elsewhere(model):
    model.blocks[4].norm1 = nn.Sequential(model.blocks[4].norm1, DefectMask(torch.ones(32, 2, 2, dtype=torch.bool)))


def denser(model):
    layer(model).defect_mask.fill_(True)


def one_fewer(model):
    mask = layer(model).defect_mask
    mask[tuple(mask.nonzero()[0])] = False


def without_draws(model):
    layer(model).draw = None
    denser(model)


def alike_in_all_channels(model):
    mask = layer(model).defect_mask
    mask.copy_(torch.rand(1, 1, *mask.shape[2:]).argsort(-1).ge(mask.shape[3] // 2).expand_as(mask))


def of_another_size(model):
    layer(model).defect_mask, layer(model).draw = layer(model).defect_mask[:, :, :16, :16].contiguous(), None


def undropped(model):
    spec = model.spec
    undrop_(model)
    model.spec = spec


def of_spec(name):
    return lambda model: setattr(model, "spec", NetSpec.parse(name))


LIES = {
    "unmasked": (unmasked, "has a mask at 'blocks.0.norm1', and the model has none there"),
    "masked elsewhere": (masked_elsewhere, r"the model has a mask at 'blocks\.4\.norm1\.1', and its spec .* has none there"),
    "denser": (denser, r"blocks\.0\.norm1' keeps 4,096 of 4,096, which is not a share of keep_prob 0\.5"),
    "one fewer": (one_fewer, r"blocks\.0\.norm1' keeps 2,047 of 4,096"),
    "without draws": (without_draws, r"'blocks\.0\.norm1' keeps 4,096 of 4,096"),
    "alike in all channels": (alike_in_all_channels, "is not of pattern 'neuron'"),
    "of floats": (lambda model: setattr(layer(model), "defect_mask", layer(model).defect_mask.float()), "is torch.float32"),
    "of another size": (of_another_size, r"\(4, 16, 16\) but got \(4, 32, 32\)"),
    "of another architecture": (of_spec("resnet18"), "not the architecture that its spec resnet18 names"),
    "of another spec": (of_spec("vgg19/0.3-bottom+0.9-dropout"), r"\(0.3, 'neuron'\) at 'b.*, the model one of \(0.5, 'neuron'\)"),
    "of channels": (of_spec("vgg19/0.5-bottom+0.9-dropout-sm"), r"\(0.5, 'shared'\)"),
    "undropped": (undropped, "dropout"),
    "without values": (lambda model: model.to("meta"), "no values"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_model_that_is_not_what_it_says_is_refused(case, tmp_path):
    model = build("vgg19/0.5-bottom+0.9-dropout", width_mult=0.0625)
    change, said = LIES[case]
    change(model)
    for act in (verify, lambda model: save(model, tmp_path / "model.safetensors"), lambda model: verify(Ensemble([model]))):
        with refused(said):
            act(model)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("around", [nn.DataParallel, nn.Sequential, lambda model: torch.compile(model, backend="eager")])
def test_a_model_inside_another_is_looked_at(around):
    model = build("vgg19/0.5-bottom", width_mult=0.0625)
    verify(around(model))
    unmasked(model)
    with pytest.raises(InputError, match="has none there"):
        verify(around(model))


def test_an_ensemble_has_the_members_of_its_spec():
    model = build("vgg19/0.5-bottom-en", width_mult=0.0625)
    verify(model)
    model.members = model.members[:2]
    with pytest.raises(InputError, match="5 members, the ensemble 2"):
        verify(model)


def test_a_file_whose_masks_are_not_those_of_its_spec_is_refused(tmp_path, monkeypatch):
    model = build("vgg19/0.5-bottom", width_mult=0.0625)
    denser(model)
    monkeypatch.setattr("defective.training.checkpoint.verify", lambda model: None)
    save(model, tmp_path / "model.safetensors")
    monkeypatch.undo()
    with pytest.raises(InputError, match="keeps 4,096 of 4,096"):
        load(tmp_path / "model.safetensors")


def test_attributes_of_a_foreign_model_are_not_read_as_ours(tmp_path, small_net):
    small_net.spec, small_net.architecture, small_net.input_shape = "mine", {"name": "resnet18"}, (1, 2, 3)
    small_net.notes, small_net.build_options, small_net.bottom = "kept", object(), 3
    x = torch.rand(1, 3, 8, 8).double()
    with pytest.raises(InputError, match="example_inputs"):
        defect_(small_net, 0.5, sites=["1"])
    with pytest.raises(InputError, match="built-in"):
        defect_(small_net, 0.5, blocks="bottom", example_inputs=x)
    defect_(small_net, 0.5, sites=["1"], example_inputs=x)
    verify(small_net)
    save(small_net, tmp_path / "model.safetensors")
    restore_(small_net)
    assert load(tmp_path / "model.safetensors", model=small_net) is small_net and len(defects(small_net)) == 1
    assert (small_net.spec, small_net.notes) == ("mine", "kept")
