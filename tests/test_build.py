import numpy as np
import pytest
import torch

from defective import Ensemble, InputError, build, create_model, defects, load, save
from defective.baselines import Drop, Thermometer, drops
from defective.build import member_seed
from defective.sites import image_shape
from refusals import refused

X = torch.rand(2, 3, 32, 32)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_the_seed_decides_everything_and_the_global_generator_is_left_alone():
    torch.manual_seed(123)
    before = torch.get_rng_state()
    a = build("resnet18/0.3-bottom", seed=4, width_mult=0.125)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    assert same(a, build("resnet18/0.3-bottom", seed=4, width_mult=0.125))
    assert not same(a, build("resnet18/0.3-bottom", seed=5, width_mult=0.125))


def test_accelerators_are_not_reseeded(monkeypatch):
    reseeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", reseeded.append)
    build("resnet18", width_mult=0.125)
    assert reseeded == []


def test_sizes_of_numpy_become_plain_numbers(tmp_path):
    model = build("resnet18/0.3-bottom", num_classes=np.int64(7), image_size=torch.tensor(32), width_mult=0.125)
    assert [type(value) for value in model.build_options.values()] == [int, int, int, float, int, int]
    save(model, tmp_path / "net.safetensors")
    assert load(tmp_path / "net.safetensors").build_options == model.build_options


@pytest.mark.parametrize("suffix", ["-dc", "-x2", ""])
def test_blocks_that_are_not_there_and_blocks_named_twice_are_refused(suffix):
    with refused("no block 4; .* has blocks 0, 1, 2, 3$" if suffix else "^no block 4; this model has blocks"):
        build(f"wrn32_4/0.5-blocks4{suffix}", width_mult=0.125)
    with refused(" names block 1 twice$" if suffix else "defective already"):
        build(f"resnet18/0.5-bottom+0.5-blocks1{suffix}", width_mult=0.125)


def test_masks_and_weights_vary_apart():
    a = build("vgg19/0.3-bottom", seed=1, mask_seed=7, width_mult=0.125)
    other_masks = build("vgg19/0.3-bottom", seed=1, mask_seed=8, width_mult=0.125)
    other_weights = build("vgg19/0.3-bottom", seed=2, mask_seed=7, width_mult=0.125)
    site = defects(a)[0].site
    assert torch.equal(a.head.weight, other_masks.head.weight)
    assert not torch.equal(a.get_submodule(site).defect_mask, other_masks.get_submodule(site).defect_mask)
    assert torch.equal(a.get_submodule(site).defect_mask, other_weights.get_submodule(site).defect_mask)
    assert not torch.equal(a.head.weight, other_weights.head.weight)


def test_an_ensemble_averages_five_models_of_different_masks():
    model = build("vgg19/0.5-bottom-en", seed=2, width_mult=0.125).eval()
    assert isinstance(model, Ensemble) and len(model.members) == 5
    torch.testing.assert_close(model(X), sum(member(X) for member in model.members) / 5)
    assert same(model.members[3], build("vgg19/0.5-bottom", seed=member_seed(2, 3), width_mult=0.125))
    masks = {member.blocks[0].norm1.defect_mask.numpy().tobytes() for member in model.members}
    assert len(masks) == 5
    assert len(defects(model)) == 20


BASELINES = {
    "resnet18/0.9-dropout": ("dropout", "stages.3.0.norm1"),
    "resnet18/0.9-spatial@text": ("spatial", "stages.3.0.act1"),
    "wrn32_4/0.9-dropblock": ("dropblock", "stages.2.0.norm1"),
}


@pytest.mark.parametrize("name", BASELINES)
def test_dropout_baselines_are_plain_models_that_drop_in_training(name):
    kind, first = BASELINES[name]
    model, plain = build(name, seed=2, width_mult=0.0625), build(name.split("/")[0], seed=2, width_mult=0.0625)
    assert drops(model)[0] == Drop(first, 0.9, kind) and {drop.kind for drop in drops(model)} == {kind}
    assert model.state_dict().keys() == plain.state_dict().keys() and same(model, plain)
    assert torch.equal(model.eval()(X), plain.eval()(X))
    assert not torch.equal(model.train()(X), plain.train()(X))


@pytest.mark.parametrize("kind", ["spatial", "dropblock"])
def test_by_the_text_dropout_acts_on_block_3_alone(kind):
    sites = [drop.site for drop in drops(build(f"wrn32_4/0.9-{kind}@text", width_mult=0.0625))]
    assert sites == [f"stages.3.{block}.{act}" for block in range(5) for act in ("act1", "act2")]


def test_bernoulli_masks_are_drawn_neuron_by_neuron():
    exact, drawn = (build(f"vgg19/0.3-bottom{suffix}", width_mult=0.5) for suffix in ("", "-bernoulli"))
    shares = [[defect.live / defect.total for defect in defects(net)] for net in (exact, drawn)]
    assert all(share == pytest.approx(0.3, abs=1e-4) for share in shares[0])
    assert all(0 < abs(share - 0.3) < 0.01 for share in shares[1]) and len(set(shares[1])) == 4
    assert str(drawn.spec) == "vgg19/0.3-bottom-bernoulli"


JOINED = {
    "resnet18/0.5-bottom+0.9-dropblock-x2-therm4": (10, 8),
    "resnet18/0.5-bottom+0.9-spatial-dc-therm4": (0, 8),
    "resnet18/0.5-bottom+0.9-dropout-dc-therm4@text": (9, 4),
    "vgg19/0.5-bottom+0.3-top+0.9-dropout-sm-therm4": (12, 8),
    "vgg19/0.5-bottom+0.9-dropblock+0.8-dropout-therm4-en": (20, 80),
}


@pytest.mark.parametrize("name", JOINED)
def test_baselines_go_with_every_variant_and_leave_masks_and_weights_alone(name):
    model = build(name, seed=3, width_mult=0.0625)
    assert (len(defects(model)), len(drops(model))) == JOINED[name]
    assert str(model.spec) == name and image_shape(model) == (3, 32, 32)
    first = next(key for key, _ in model.named_parameters() if key.endswith(("conv.weight", "conv1.weight")))
    if name.endswith("-en"):
        assert all(isinstance(member.normalize, Thermometer) for member in model.members)
    else:
        assert model.normalize.levels == 4 and model.get_parameter(first).shape[1] == 12
        without = build(name.replace("-therm4", ""), seed=3, width_mult=0.0625).state_dict()
        coded = model.state_dict()
        assert all(torch.equal(coded[key], without[key]) for key in coded if not key.startswith(first.removesuffix("weight")))
    assert model.train()(X).shape == (2, 10)


def test_a_plain_model_is_that_of_its_seed_alone():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        plain = create_model("vgg19", width_mult=0.0625)
    assert same(build("vgg19", seed=5, width_mult=0.0625), plain)
    assert same(build("vgg19/0.9-dropout", seed=5, width_mult=0.0625), plain)


@pytest.mark.parametrize("seed", [-1, 1 << 63, 10**30, 1.5, "a"])
@pytest.mark.parametrize("which", ["seed", "mask_seed"])
def test_what_is_no_seed_is_refused_with_the_range(which, seed):
    with pytest.raises(InputError, match=rf"^{which} {seed} is not a whole number from 0 to 9223372036854775807$"):
        build("resnet18", **{which: seed})


@pytest.mark.parametrize("value", [2.5, "three", None, float("nan"), 0, 10**9])
@pytest.mark.parametrize("option", ["num_classes", "in_chans", "image_size"])
def test_a_size_that_is_no_number_of_its_range_is_named(option, value):
    with pytest.raises(InputError, match=f"^{option} = {value!r}: must be "):
        build("vgg19", width_mult=0.0625, **{option: value})


@pytest.mark.parametrize("name", [None, ["vgg19"], 5])
def test_what_is_no_name_is_refused(name):
    with refused("here are resnet18, resnet50"):
        build(name)
