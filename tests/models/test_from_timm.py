"""Models of timm as references: normalisation from timm's config, arguments, weights."""

import pytest
import torch

from defective import InputError
from defective.cli.factories import Factory
from defective.cli.references import open_model
from defective.cli.weights import Builders
from defective.models import from_timm
from defective.models.from_timm import timm_image_shape, timm_model

try:
    import torchvision_operators  # noqa: F401

    timm = pytest.importorskip("timm")
except ImportError:
    pytest.skip("timm cannot be imported here", allow_module_level=True)

MEAN, STD = ([[[value]] for value in values] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def test_the_normalisation_is_that_of_the_config():
    torch.manual_seed(0)
    model = timm_model("resnet18", num_classes=10).eval()
    torch.manual_seed(0)
    same = timm.create_model("resnet18", num_classes=10).eval()
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(model(x), same((x - torch.tensor(MEAN)) / torch.tensor(STD)))
    assert timm_image_shape(model) == (3, 224, 224)
    # tf_ models of timm were trained with 0.5.
    assert timm_model("tf_efficientnet_lite0").normalize.mean.flatten().tolist() == [0.5] * 3


def test_images_of_one_channel_are_normalised_with_the_average():
    model = timm_model("resnet18", in_chans=1, num_classes=2)
    assert model.normalize.mean.flatten().tolist() == pytest.approx([(0.485 + 0.456 + 0.406) / 3])
    assert model.eval()(torch.rand(1, 1, 32, 32)).shape == (1, 2) and timm_image_shape(model) == (1, 224, 224)


def test_arguments_reach_timm_and_sizes_are_those_of_the_data():
    model = Factory.find("timm:resnet18,drop_rate=0.25,channels=(8,8,8,8)")(num_classes=3, in_chans=1, image_size=16)
    assert model.model.drop_rate == 0.25 and model(torch.rand(2, 1, 32, 32)).shape == (2, 3)
    assert Factory.find("timm:resnet18,num_classes=7").arguments == {"num_classes": 7}


def test_pretrained_weights_are_asked_for(monkeypatch):
    asked = {}
    original = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **given: asked.update(given) or original(name))
    Factory.find("timm:resnet18,pretrained=true")()
    assert asked == {"pretrained": True}


def test_weights_that_timm_saved_are_put_behind_the_normalisation(tmp_path):
    same = timm.create_model("resnet18", num_classes=4, channels=(8, 8, 8, 8)).eval()
    torch.save({"state_dict": same.state_dict()}, tmp_path / "w.pth")
    model = open_model(str(tmp_path / "w.pth"), Builders(["timm:resnet18,channels=(8,8,8,8)"], ()), lambda: {"num_classes": 4})
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(model(x), same((x - torch.tensor(MEAN)) / torch.tensor(STD)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timm:resnt18", "has no model 'resnt18'; did you mean resnet18?"),
        ("timm:resnet18,channles=3", "timm cannot build resnet18: TypeError"),
        ("timm:resnet18,checkpoint_path=nowhere.pth", "timm cannot build resnet18: FileNotFoundError"),
    ],
)
def test_a_mistake_is_one_line(text, said):
    with pytest.raises(InputError, match="timm") as caught:
        Factory.find(text)()
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_where_timm_is_missing_it_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(InputError, match="pip install timm, or build the model by a function of yours"):
        from_timm.timm_model("resnet18")
