"""The built-in models against the released code: parameter counts, mask sites, shapes and totals."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from defective import InputError, build, create_model, defects
from defective.models import Normalize
from defective.models.densenet import DenseLayer
from defective.models.senet import SEBlock

PARAMETERS = {
    "resnet18": (11_173_962, 11_172_810),
    "resnet50": (23_520_842, 23_519_690),
    "densenet121": (6_956_298, 6_955_146),
    "senet18": (11_260_354, 11_259_202),
    "vgg19": (20_040_522, 20_039_370),
    "wrn32_4": (7_400_026, None),
}

C64, C128 = (64, 32, 32), (128, 16, 16)
DENSE = [(c, 32, 32) for c in range(64, 225, 32)] + [(c, 16, 16) for c in range(128, 481, 32)] + [(256, 32, 32), (512, 16, 16)]
BOTTOM = {
    "resnet18": ([C64] * 5 + [C128] * 5, 491_520),
    "resnet50": ([C64] * 4 + [C128] * 4, 393_216),
    "densenet121": (DENSE, 2_211_840),
    "senet18": ([C64] * 5 + [C128] * 3, 425_984),
    "vgg19": ([C64] * 2 + [C128] * 2, 196_608),
    "wrn32_4": ([(16, 32, 32)] + [C64] * 10, 671_744),
}


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts(name):
    cifar, mnist = PARAMETERS[name]
    with torch.device("meta"):
        assert count(create_model(name)) == cifar
        assert mnist is None or count(create_model(name, in_chans=1, image_size=28)) == mnist


VARIANTS = {
    "resnet18/0.5-bottom-dc": 10_505_578,
    "resnet18/0.1-bottom-dc": 10_211_859,
    "resnet18/0.5-bottom-x2": 13_537_162,
    "resnet18/0.1-bottom-sm": 11_173_962,
    "resnet18/0.5-bottom-dc@text": 11_173_962,
}


@pytest.mark.parametrize(("name", "parameters"), VARIANTS.items())
def test_parameter_counts_of_variants(name, parameters):
    assert count(build(name)) == parameters


def test_the_imagenet_form():
    model = build("resnet18/0.1-bottom", num_classes=1000, image_size=224)
    assert count(model) == 11_681_832
    shapes = [defect.shape for defect in defects(model)]
    assert shapes[0] == (64, 112, 112)
    assert sorted(shapes[1:]) == sorted([(64, 56, 56)] * 4 + [(128, 28, 28)] * 5)


@pytest.mark.parametrize("name", BOTTOM)
def test_bottom_masks_of_the_released_code(name):
    shapes, total = BOTTOM[name]
    model = build(f"{name}/0.5-bottom")
    found = defects(model)
    assert count(model) == PARAMETERS[name][0]
    assert sorted(defect.shape for defect in found) == sorted(shapes)
    assert sum(defect.total for defect in found) == total


def test_top_both_and_twice_the_channels_on_resnet18():
    top = defects(build("resnet18/0.3-top"))
    assert sorted(defect.shape for defect in top) == sorted([(256, 8, 8)] * 5 + [(512, 4, 4)] * 5)
    doubled = defects(build("resnet18/0.5-bottom-x2"))
    assert sorted(defect.shape for defect in doubled) == sorted([(128, 32, 32)] * 5 + [(256, 16, 16)] * 5)
    both = defects(build("resnet18/0.7-bottom+0.3-top"))
    assert (len(both), sum(defect.total for defect in both)) == (20, 614_400)
    assert {defect.keep_prob for defect in both} == {0.7, 0.3}


@pytest.mark.parametrize(("keep_prob", "widths"), [(0.5, (32, 64)), (0.3, (20, 39)), (0.1, (7, 13))])
def test_dc_narrows_the_bottom_and_masks_nothing(keep_prob, widths):
    model = build(f"resnet18/{keep_prob}-bottom-dc")
    assert defects(model) == []
    assert [model.get_submodule(f"stages.{n}.0.conv1").out_channels for n in (1, 2, 3, 4)] == [*widths, 256, 512]


def test_dc_of_the_text_masks_whole_channels():
    model = build("resnet18/0.1-bottom-dc@text")
    for defect in defects(model):
        channels = model.get_submodule(defect.site).defect_mask[0].flatten(1)
        assert set(channels.float().mean(1).tolist()) == {0.0, 1.0}
        assert int(channels[:, 0].sum()) == {64: 7, 128: 13}[defect.shape[0]]


TEXT = {"resnet18": 9, "resnet50": 8, "densenet121": 19, "senet18": 6, "vgg19": 4, "wrn32_4": 11}
TEXT_SITES = {
    "resnet50": {"stages.1.0.act2", "stages.2.3.act2", "stem.act"},
    "densenet121": {"stem.conv", "blocks.1.0.conv2", "blocks.2.11.conv2"},
    "senet18": {"stages.1.0", "stages.1.0.act2", "stages.1.1", "stages.1.1.act2", "stages.2.0", "stages.2.0.act2"},
}


@pytest.mark.parametrize("name", TEXT)
def test_placement_of_the_text_zeroes_what_the_next_layer_reads(name):
    model = build(f"{name}/0.5-bottom@text", width_mult=0.125)
    sites = {defect.site for defect in defects(model)}
    assert len(sites) == TEXT[name] and sites >= TEXT_SITES.get(name, set())
    if name.startswith(("resnet18", "wrn")):
        seen = {}
        block = model.get_submodule("stages.1.0")
        block.register_forward_hook(lambda module, args, out: seen.update(out=out))
        model.eval()(torch.rand(1, 3, 32, 32))
        mask = block.get_submodule("act2").defect_mask
        assert (seen["out"][~mask] == 0).all()


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize(("chans", "size"), [(1, 28), (3, 64), (3, 224)])
def test_every_image_size_and_width(name, chans, size):
    model = build(f"{name}/0.3-bottom+0.7-top", num_classes=7, in_chans=chans, image_size=size, width_mult=0.0625)
    assert model.eval()(torch.rand(2, chans, size, size)).shape == (2, 7)


def test_first_batch_logits_are_pinned():
    x = torch.linspace(0, 1, 2 * 3 * 32 * 32).view(2, 3, 32, 32)
    model = build("resnet18/0.3-bottom", seed=0, width_mult=0.125).eval()
    torch.testing.assert_close(model(x)[0, :3].detach(), torch.tensor(GOLDEN), rtol=1e-4, atol=1e-5)


GOLDEN = [-0.08567, 0.013389, 0.050669]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "alexnet"}, "alexnet"),
        ({"name": None}, "no architecture None; there are resnet18"),
        ({"width_mult": "1"}, "width_mult '1' is not a number"),
        ({"num_classes": 1}, "num_classes = 1"),
        ({"in_chans": 0}, "in_chans = 0"),
        ({"image_size": 8}, "image_size = 8"),
        ({"width_mult": 0}, "width_mult 0"),
        ({"width_mult": float("nan")}, "width_mult nan"),
    ],
)
def test_bad_arguments(options, said):
    with pytest.raises(InputError, match=said):
        create_model(**{"name": "resnet18", **options})


def test_new_features_of_a_dense_layer_go_in_front(generator):
    layer = DenseLayer(6, 2).eval()
    x = torch.rand(2, 6, 4, 4, generator=generator)
    z = layer(x)
    assert torch.equal(z[:, 2:], x)
    assert not torch.equal(z[:, :2], x[:, :2])


def test_a_projection_of_an_se_block_takes_the_activated_input_an_identity_the_raw_one(generator):
    x = torch.rand(2, 4, 8, 8, generator=generator) - 0.5
    for stride in (1, 2):
        block = SEBlock(4, 4, stride).eval()
        nn.init.zeros_(block.conv2.weight)
        activated = block.norm1(x).relu()
        expected = x if stride == 1 else nn.functional.conv2d(activated, block.shortcut.weight, stride=2)
        torch.testing.assert_close(block(x), expected)


def test_convolutions_of_the_wide_model_are_drawn_by_fan_out():
    torch.manual_seed(0)
    model = create_model("wrn32_4")
    for conv in (model.stages["3"][1].conv1, model.stages["2"][0].shortcut.conv, model.stages["3"][4].conv2):
        expected = math.sqrt(2 / (conv.kernel_size[0] ** 2 * conv.out_channels))
        assert abs(float(conv.weight.detach().std()) / expected - 1) < 0.05


@pytest.mark.parametrize(
    ("mean", "std", "said"),
    [
        ((0.5, 0.5), (0.5, 0.0), r"^std \(0.5, 0.0\) must be positive"),
        ((0.5,), (math.nan,), "must be positive"),
        ((0.5, 0.5, 0.5), (0.5, 0.5), "differ in their numbers of channels"),
    ],
)
def test_constants_that_no_image_has_are_refused(mean, std, said):
    with pytest.raises(InputError, match=said):
        Normalize(mean, std)


def test_constants_of_numpy_are_used_in_the_precision_of_images():
    normalize = Normalize(np.full(3, 0.5), np.full(3, 0.25))
    assert normalize(torch.ones(1, 3, 2, 2)).dtype == torch.float32 and normalize(torch.ones(1, 3, 2, 2)).eq(2).all()


@pytest.mark.filterwarnings("error")
def test_constants_may_be_tensors_which_stay_apart():
    x, mean, std = torch.rand(2, 2, 4, 4), torch.tensor([0.1, 0.2]), torch.tensor([0.5, 0.25])
    normalize = Normalize(mean, std)
    mean.zero_()
    assert torch.equal(normalize(x), Normalize((0.1, 0.2), (0.5, 0.25))(x))
