"""What the page shows, on models whose predictions, gradients and feature maps are known."""

import numpy as np
import pytest
import torch
from torch import nn

from defective import InputError, build, defect_, defects
from defective.data import ImageSet
from defective.evaluation.evaluated_model import EvaluatedModel
from defective.play import panels
from image_files import as_tensor, decoded, pixels, png

CLASSES = ("dark", "light", "gray")
SHAPE = (3, 2, 2)


class NegateInPlace(nn.Module):
    def forward(self, z):
        return z.neg_()


class Brightness(nn.Module):
    """Logits are minus, plus and zero times what the mean brightness has above one half; its layer outputs the image times -1."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1, bias=False)
        self.layer.weight.data = -torch.eye(3).view(3, 3, 1, 1)
        # As an activation in place, it writes into the output of the layer.
        self.after = NegateInPlace()

    def forward(self, x):
        z = 100 * (self.after(self.layer(x)).mean((1, 2, 3)) - 0.5)
        return torch.stack([-z, z, torch.zeros_like(z)], 1)


def evaluated(name, model, shape=SHAPE, classes=CLASSES):
    few = ImageSet("grays", "test", torch.zeros(2, *shape, dtype=torch.uint8), torch.zeros(2, dtype=torch.long), classes)
    return EvaluatedModel.of(name, model, few)


def gray(value):
    return torch.full(SHAPE, value, dtype=torch.uint8)


@pytest.fixture
def plain():
    return evaluated("plain", Brightness())


@pytest.fixture
def masked():
    model = Brightness()
    defect_(model, 0.5, sites=["layer"], example_inputs=torch.zeros(1, *SHAPE))
    return evaluated("masked", model)


def test_the_attack_takes_the_steepest_way_and_ends_at_its_radius(plain):
    made = panels.attack_image(plain, gray(130), panels.attack_spec("fgsm", 16), label=1)
    shown = panels.image_example(made, CLASSES)
    assert (made.x_adv == 114).all() and made.x_adv.dtype == torch.uint8
    assert (shown.label, shown.predictions) == ("light", (("plain", "dark", False),)) and panels.largest_change(made) == 16
    assert (decoded(shown.original) == 130).all() and (decoded(shown.adversarial) == 114).all()
    assert (decoded(shown.perturbation) == 1).all()


def test_without_a_label_it_leads_away_from_what_the_source_predicts(plain):
    made = panels.attack_image(plain, gray(120), panels.attack_spec("pgd", 8))
    assert made.y.tolist() == [0] and (made.x_adv == 128).all() and made.predicted.tolist() == [1]


def test_a_radius_of_zero_changes_nothing_and_is_shown_as_gray(plain):
    made = panels.attack_image(plain, gray(130), panels.attack_spec("pgd", 0), label=1)
    shown = panels.image_example(made, CLASSES)
    assert torch.equal(made.x_adv, made.x) and (decoded(shown.perturbation) == 128).all() and panels.largest_change(made) == 1


def test_predictions_are_softmax_of_the_logits_most_confident_first(plain, masked):
    made = panels.attack_image(plain, gray(130), panels.attack_spec("fgsm", 4), label=1)
    shown = panels.model_panel(plain, plain, made, "layer")
    z = 100 * (torch.tensor([130.0, 126.0]) / 255 - 0.5)
    expected = torch.stack([-z, z, 0 * z], 1).softmax(1)
    assert [each.name for each in shown.clean] == ["light", "gray", "dark"]
    assert [each.name for each in shown.adversarial] == ["dark", "gray", "light"]
    assert [each.share for each in shown.clean] == pytest.approx(expected[0, [1, 2, 0]].tolist(), rel=1e-4)
    assert [each.share for each in shown.adversarial] == pytest.approx(expected[1, [0, 2, 1]].tolist(), rel=1e-4)
    assert shown.threat_model == "white-box"
    assert panels.model_panel(masked, plain, made, "layer").threat_model == "white-box (shared weights)"


def test_feature_maps_are_those_behind_the_mask_before_the_next_layer_writes_into_them(plain, masked):
    made = panels.attack_image(plain, gray(200), panels.attack_spec("fgsm", 20), label=1)
    shown, with_mask = (panels.model_panel(each, plain, made, "layer").layer for each in (plain, masked))
    assert [shown.change, with_mask.change] == pytest.approx([0.1, 0.1])
    assert (shown.mask, shown.live, shown.total, shown.channels) == ("", 12, 12, 3)
    (defect,) = defects(masked.model)
    assert (with_mask.live, with_mask.total) == (defect.live, defect.total) == (6, 12)
    # Three channels of 2 x 2 side by side, each in a frame.
    inside = np.array([[1 + 4 * (column // 2) + column % 2 for column in range(6)]])
    clean, difference, mask = (
        decoded(each)[[[1], [2]], inside] for each in (with_mask.clean, with_mask.difference, with_mask.mask)
    )
    live = masked.model.layer.after[0].defect_mask[0].permute(1, 0, 2).reshape(2, 6).numpy()
    assert np.array_equal(mask, np.where(live, 240, 15))
    assert np.array_equal(clean, np.where(live, 1, 128))
    assert np.array_equal(difference, np.where(live, round(128 + 127 * 20 / 200), 128))
    assert (decoded(shown.clean)[[[1], [2]], inside] == 1).all()


def test_looking_at_feature_maps_leaves_the_model_as_it_was(masked):
    model = masked.model.train()
    made = panels.attack_image(masked, gray(130), panels.attack_spec("pgd", 4), label=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modules = dict(model.named_modules())
    panels.model_panel(masked, masked, made, "layer")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training and dict(model.named_modules()) == modules
    plain = Brightness()
    modules = dict(plain.named_modules())
    panels.model_panel(evaluated("plain", plain), masked, made, "layer")
    assert dict(plain.named_modules()) == modules and not any(module._forward_hooks for module in modules.values())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_a_layer_that_a_model_lacks_is_shown_as_such(plain):
    made = panels.attack_image(plain, gray(130), panels.attack_spec("fgsm", 4), label=1)
    assert panels.model_panel(plain, plain, made, "another").layer is None
    assert panels.model_panel(plain, plain, made, None).layer is None


def test_layers_of_two_models_are_named_once_and_marked_where_one_is_masked():
    models = [build(name, width_mult=0.0625) for name in ("vgg19", "vgg19/0.5-bottom")]
    found = panels.layers(models)
    assert [name for name, masked in found.items() if masked] == [each.site for each in defects(models[1])]
    assert list(found) == [name for name, module in models[0].named_modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    assert panels.layers([nn.Flatten()]) == {}


@pytest.mark.parametrize("name", panels.ATTACKS)
def test_every_attack_stays_within_its_radius(plain, name):
    made = panels.attack_image(plain, gray(130), panels.attack_spec(name, 24), label=1)
    moved = (made.x_adv.int() - made.x.int()).abs().max()
    assert moved > 0 and (name == "noise" or moved <= 24)


def test_a_model_without_a_gradient_is_told_what_can_attack_it():
    class Detached(Brightness):
        def forward(self, x):
            return super().forward(x).detach()

    source = evaluated("detached", Detached())
    with pytest.raises(InputError, match="detached: the model's logits have no gradient"):
        panels.attack_image(source, gray(130), panels.attack_spec("pgd", 8), label=1)
    assert panels.attack_image(source, gray(130), panels.attack_spec("noise", 8), label=1).x_adv.shape == (1, *SHAPE)


@pytest.mark.parametrize("size", [(8, 8), (30, 20), (2, 5)])
def test_an_upload_of_any_size_becomes_an_image_of_the_models(size):
    x = panels.read_upload("a.png", png(np.full((*size, 3), (10, 20, 30), np.uint8)), (3, 8, 8))
    assert x.shape == (3, 8, 8) and x.dtype == torch.uint8
    assert x.flatten(1).unique(dim=1).flatten().tolist() == [10, 20, 30]
    assert panels.read_upload("a.PNG", png(np.full((*size, 3), 7, np.uint8)), (1, 8, 8)).unique().tolist() == [7]


def test_an_upload_of_the_models_size_keeps_every_pixel():
    assert torch.equal(panels.read_upload("a.png", png(pixels(0)), (3, 8, 8)), as_tensor([pixels(0)])[0])


def test_what_is_no_image_is_refused_by_name():
    refused = {
        "a.svg is not a complete image: it is none of JPEG": ("a.svg", b"<svg/>"),
        "notes.png is not a complete image": ("notes.png", b"not an image"),
        "cut.png is not a complete image": ("cut.png", png(pixels(0))[:50]),
        "eps.png is not a complete image": ("eps.png", b"%!PS-Adobe-3.0 EPSF-3.0"),
    }
    for said, (name, content) in refused.items():
        with pytest.raises(InputError, match=said):
            panels.read_upload(name, content, (3, 8, 8))


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(panels, "MAX_PIXELS", 99)
    # Its header alone: the pixels are cut away.
    with pytest.raises(InputError, match=r"a\.png has 10x10 pixels: scale it to at most 99"):
        panels.read_upload("a.png", png(pixels(0, 10))[:60], (3, 8, 8))
