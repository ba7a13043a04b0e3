"""What a model must be, what it answers, and which images are its sample."""

import pytest
import torch
from torch import nn

from defective import InputError, build
from defective.evaluation import EvaluatedModel, evaluated_model
from defective.evaluation.evaluated_model import common_sample
from evaluations import MIXED, RIGHT, SURE, Lambda, Says, pictures, saying


def reshaped(**options):
    return build("vgg19", width_mult=0.0625, **options).eval()


UNFIT = {
    "classes": (Lambda(lambda x: x.flatten(1)[:, :3]), "mine knows 3 classes, pictures has 5"),
    "image size": (reshaped(num_classes=5, image_size=64), r"mine takes images of shape \(3, 64, 64\), pictures has \(3, 8, 8\)"),
    "channels": (reshaped(num_classes=5, in_chans=1), r"mine takes images of shape \(1, 32, 32\), pictures has \(3, 8, 8\)"),
    "crash": (nn.Conv2d(1, 3, 1), r"mine: the model failed on images of shape \(8, 3, 8, 8\): RuntimeError"),
    "no logits": (nn.Identity(), r"mine: the model returned \(8, 3, 8, 8\) for 8 images"),
    "no tensor": (Lambda(lambda x: (x, x)), "mine: the model returned tuple for 8 images, not logits .*: wrap it"),
    "nan": (Lambda(lambda x: torch.full((len(x), 5), torch.nan)), "mine: the model returned nan or inf for 8 of 8 images"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_model_that_does_not_fit_is_refused_by_name(case):
    model, said = UNFIT[case]
    with pytest.raises(InputError, match=f"^{said}"):
        EvaluatedModel.of("mine", model, pictures())


def test_a_model_that_breaks_down_later_is_named_too():
    model = Lambda(lambda x: x.flatten(1)[:, :5] / (x[:, :1, 0, 0] != 1))
    data = pictures()
    data.x[:, :, 0, 0] = 0
    data.x[15, 0, 0, 0] = 255
    with pytest.raises(InputError, match=r"^mine: the model returned nan or inf for 1 of 20 images"):
        EvaluatedModel.of("mine", model, data).accuracy()


def test_answers_and_accuracy_count(monkeypatch):
    for chunk in (2000, 3):
        monkeypatch.setattr(evaluated_model, "CHUNK", chunk)
        each = EvaluatedModel.of("says", Says(), MIXED)
        right, confidence = each.all_predictions()
        assert right.nonzero().flatten().tolist() == RIGHT
        assert (confidence > 0.99).nonzero().flatten().tolist() == [1, 4, 6, 7]
        rate = each.accuracy()
        assert (rate.num_correct, rate.num_evaluated) == (5, 8)
    assert each.predictions(torch.tensor([7, 2]))[0].tolist() == [True, False]


def test_a_sample_is_right_seeded_nested_and_asks_no_more_images_than_it_needs(monkeypatch):
    pixels = [0, 0, 2] * 20
    labels = [0, 1, 1] * 20
    data = saying(*pixels, labels=labels)
    model = Says()
    whole = EvaluatedModel.of("says", model, data).sample(100, seed=3)
    assert sorted(whole.tolist()) == [number for number in range(60) if number % 3 != 1]
    monkeypatch.setattr(evaluated_model, "CHUNK", 10)
    each = EvaluatedModel.of("says", model, data)
    for count in (1, 5, 25, 39, 41):
        assert torch.equal(each.sample(count, seed=3), whole[:count])
    assert not torch.equal(each.sample(100, seed=4), whole)
    each = EvaluatedModel.of("says", model, data)
    model.asked = 0
    each.sample(1, seed=3)
    assert model.asked == 10
    # What was predicted is kept.
    each.sample(2, seed=3)
    assert model.asked == 10


def test_a_model_that_is_never_right_has_no_sample():
    each = EvaluatedModel.of("says", Says(), saying(0, 1, labels=(1, 1)))
    assert each.accuracy() == 0
    with pytest.raises(InputError, match=r"^says classifies no image of pixels correctly: train it"):
        each.sample(3)
    with pytest.raises(InputError, match="samples 0 must"):
        each.sample(0)


def test_a_common_sample_is_right_and_sure_for_every_model():
    says, other = EvaluatedModel.of("says", Says(), MIXED), EvaluatedModel.of("other", Lambda(lambda x: Says()(x).flip(1)), MIXED)
    assert sorted(common_sample([says], 10).tolist()) == RIGHT
    assert sorted(common_sample([says], 10, confidence=0.99).tolist()) == SURE
    order = common_sample([says], 10, seed=5)
    assert torch.equal(common_sample([says], 2, seed=5), order[:2])
    # The other one says class 2 - k: both are right where the label is 1.
    assert sorted(common_sample([says, other], 10).tolist()) == [3, 4]
    assert sorted(common_sample([other, says], 10, confidence=0.99).tolist()) == [4]
    never = EvaluatedModel.of("never", Lambda(lambda x: Says()(x).roll(1, 1)), MIXED)
    assert len(common_sample([says, never], 10)) == 0
