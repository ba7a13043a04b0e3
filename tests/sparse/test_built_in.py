"""Every built-in model, sparse, is the model it was made from."""

import pytest
import torch

from defective import build, defect_
from defective.sparse import sparsify
from defective.sparse.layers import Place
from hand_nets import images, sparsified, trained

NETS = [
    "resnet18",
    "resnet18/0-bottom",
    "resnet18/0.1-bottom",
    "resnet18/0.1-bottom+0.1-top",
    "resnet18/0.1-blocks1234@text",
    "resnet18/0.1-bottom-sm",
    "resnet18/0.1-bottom-dc@text",
    "resnet18/0.1-bottom-en",
    "resnet18/0.1-bottom-therm16",
    "resnet18/0.9-dropout+0.9-spatial",
    "resnet50/0.1-bottom@text",
    "densenet121/0.1-bottom",
    "senet18/0.1-bottom",
    "senet18/0.5-top-sm@text",
    "vgg19/0-bottom@text",
    "vgg19/0.1-top-dc@text",
    "wrn32_4/0.1-top@text",
]
SMALL = {"width_mult": 0.0625, "image_size": 16}
X = images(2, (3, 16, 16))


def small(name):
    return trained(build(name, **SMALL))


@pytest.mark.parametrize("name", NETS)
def test_logits_and_gradients_are_the_dense_models(name):
    model = small(name)
    sparsified(model, X)


@pytest.mark.parametrize("sampling", ["exact", "bernoulli"])
def test_the_stem_and_stages_1_and_2_of_a_bottom_model_are_live(sampling):
    model = build("resnet18", width_mult=0.25)
    defect_(model, 0.1, sampling=sampling)
    live = [choice.layer for choice in sparsify(model, torch.rand(1, 3, 32, 32)).choices if choice.live]
    stages = [f"stages.{stage}.{block}.conv{conv}" for stage in (1, 2) for block in (0, 1) for conv in (1, 2)]
    assert sorted(live) == sorted(["stem.conv", "stages.2.0.shortcut.conv", *stages])


def test_no_layer_of_a_plain_model_is_live():
    fast = sparsify(build("resnet18", **SMALL), X)
    assert len(fast.choices) == 20 and not any(choice.live for choice in fast.choices)
    # So nothing falls into parts.
    assert fast.images_at_once == 1 << 22


def test_the_largest_live_map_says_how_many_images_fit():
    fast = sparsify(small("resnet18/0.1-bottom"), X)
    rows = max(module.size for module in fast.modules() if isinstance(module, Place))
    assert fast.images_at_once == (1 << 22) // rows


def test_bfloat16_is_near():
    model = small("resnet18/0.1-bottom").float()
    x = X.float()
    fast = sparsify(model, x, precision="bf16")
    found, wanted = fast(x), model(x).detach()
    assert found.dtype == torch.float32
    assert float((found - wanted).norm() / wanted.norm()) < 2e-2
    assert not torch.equal(found, wanted)


def test_8_bit_images_are_divided_by_255():
    model = small("resnet18/0.1-bottom").float()
    x = torch.randint(256, (2, 3, 16, 16), dtype=torch.uint8)
    fast = sparsify(model, x)
    torch.testing.assert_close(fast(x), model(x / 255), rtol=0, atol=1e-4)
