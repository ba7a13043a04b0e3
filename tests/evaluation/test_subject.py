import copy
import json
import os
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from defective import InputError, build, defect_
from defective.data import ImageSet, ImageStream
from defective.data.folder import Listing
from defective.evaluation import Subject, Work, subject
from defective.evaluation.subject import common_sample
from defective.files import read_tensors
from image_files import write_image
from problems import level_set, plane


def small_net():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 5))
    defect_(net, 0.5, sites=["2"], example_inputs=torch.zeros(1, 3, 8, 8))
    return net.eval()


def pictures(count=20, seed=0):
    x = torch.randint(256, (count, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return ImageSet("pictures", "test", x, torch.arange(count) % 5, tuple("abcde"))


class Lambda(nn.Module):
    """A model without parameters."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Says(nn.Module):
    """Class ``k`` with a margin for the first pixel ``2 k`` or ``2 k + 1``: odd ones are sure of themselves."""

    asked = 0

    def forward(self, x):
        self.asked += len(x)
        pixel = (x[:, 0, 0, 0] * 255).round().long()
        return nn.functional.one_hot(pixel // 2, 3) * (1.0 + 99 * (pixel % 2))[:, None]


def saying(*pixels, labels):
    x = torch.zeros(len(pixels), 1, 2, 2, dtype=torch.uint8)
    x[:, 0, 0, 0] = torch.tensor(pixels, dtype=torch.uint8)
    return ImageSet("pixels", "test", x, torch.tensor(labels), tuple("abc"))


# A class 0 at 0, 1, a class 1 at 2, 3: right, right and sure, wrong, right, right and sure, wrong, wrong, right and sure.
MIXED = saying(0, 1, 2, 2, 3, 4, 1, 5, labels=(0, 0, 0, 1, 1, 1, 1, 2))
RIGHT, SURE = [0, 1, 3, 4, 7], [1, 4, 7]

# --- fingerprint ---


def bump_weight(net):
    with torch.no_grad():
        net[4].weight[0, 0] += 1e-3


def flip_mask(net):
    net[2].defect_mask[0, 0, 0, 0] ^= True


def move_mean(net):
    net[1].running_mean[0] += 1e-3


def count_batch(net):
    net[1].num_batches_tracked += 1


CHANGES = [bump_weight, flip_mask, move_mean, count_batch]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_changed_net_has_another_fingerprint(change):
    net = small_net()
    before = Subject.of("net", net, pictures()).fingerprint
    change(net)
    assert Subject.of("net", net, pictures()).fingerprint != before


def test_a_copy_has_the_same_fingerprint_by_any_name_and_in_any_mode():
    net = small_net()
    other = copy.deepcopy(net).train().requires_grad_(False)
    assert Subject.of("one", net, pictures()).fingerprint == Subject.of("other", other, pictures()).fingerprint
    assert other.training and not net.training


def test_models_without_weights_are_told_apart_by_what_they_say():
    data = pictures()
    sums = [Subject.of("net", Lambda(lambda x, k=k: k * x.flatten(1)[:, :5]), data).fingerprint for k in (1, 2, 1)]
    assert sums[0] == sums[2] != sums[1]


def test_state_that_is_no_tensor_counts_too():
    class Keeps(nn.Flatten):
        state: ClassVar = {"scale": 1}

        def get_extra_state(self):
            return self.state

        def set_extra_state(self, state):
            self.state = state

    model, data = nn.Sequential(Keeps(), nn.Linear(192, 5)), pictures()
    before = Subject.of("net", model, data).fingerprint
    assert Subject.of("net", model, data).fingerprint == before
    model[0].state = {"scale": 2}
    assert Subject.of("net", model, data).fingerprint != before


def test_pieces_of_another_test_set_of_the_same_name_are_not_used(tmp_path):
    """What a user corrected in a folder counts, also behind the first images."""
    net, data = small_net(), pictures()
    before = Subject.of("net", net, data, Work(tmp_path))
    assert before.accuracy() < 1
    corrected = ImageSet(data.name, data.split, data.x, before.model(data.x / 255).argmax(1), data.classes)
    assert Subject.of("net", net, corrected, Work(tmp_path)).accuracy() == 1
    x = data.x.clone()
    x[-1, 0, 0, 0] += 1
    other = ImageSet(data.name, data.split, x, data.y, data.classes)
    assert Subject.of("net", net, other).fingerprint != before.fingerprint


def test_streamed_images_go_by_their_files(tmp_path):
    files = []
    for number in range(3):
        files.append(tmp_path / f"{number}.png")
        write_image(files[-1], np.full((8, 8, 3), 50 * number, np.uint8))
    data = ImageStream("stream", "test", Listing(tuple(files), torch.arange(3), tuple("abcde")), 8, workers=0)
    sums = [Subject.of("net", small_net(), data).fingerprint for _ in range(2)]
    stat = files[2].stat()
    os.utime(files[2], ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))
    sums.append(Subject.of("net", small_net(), data).fingerprint)
    assert sums[0] == sums[1] != sums[2]


def test_a_piece_says_in_plain_values_what_it_is(tmp_path):
    each = Subject.of("net", small_net(), pictures(), Work(tmp_path, device="cpu"))
    each.answers(torch.tensor([3, 1]))
    (file,) = tmp_path.rglob("*.safetensors")
    what = each.identity("answers", torch.tensor([3, 1]))
    assert json.loads(json.dumps(what)) == what
    about = read_tensors(file)[1]
    assert about.pop("seconds") >= 0 and about == what | each.work.context and each.work.context["device"] == "cpu"
    others = [each.identity("answers", torch.tensor([1, 3])), each.identity("score", torch.tensor([3, 1]))]
    assert what not in others and each.identity("answers", torch.tensor([3, 1]), seed=1) != what


# --- what a model must be ---


def reshaped(**options):
    return build("vgg19", width_mult=0.0625, **options).eval()


UNFIT = {
    "classes": (Lambda(lambda x: x.flatten(1)[:, :3]), "mine knows 3 classes, pictures has 5"),
    "image size": (reshaped(num_classes=5, image_size=64), r"mine takes images of shape \(3, 64, 64\), pictures has \(3, 8, 8\)"),
    "channels": (reshaped(num_classes=5, in_chans=1), r"mine takes images of shape \(1, 32, 32\), pictures has \(3, 8, 8\)"),
    "crash": (nn.Conv2d(1, 3, 1), r"mine: the model cannot take images of shape \(8, 3, 8, 8\): RuntimeError"),
    "no logits": (nn.Identity(), r"mine: the model returned \(8, 3, 8, 8\) for 8 images"),
    "no tensor": (Lambda(lambda x: (x, x)), "mine: the model returned tuple for 8 images"),
    "nan": (Lambda(lambda x: torch.full((len(x), 5), torch.nan)), "mine: the model returned nan or inf for 8 of 8 images"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_model_that_does_not_fit_is_refused_by_name(case):
    model, said = UNFIT[case]
    with pytest.raises(InputError, match=f"^{said}"):
        Subject.of("mine", model, pictures())


def test_a_model_that_breaks_down_later_is_named_too():
    model = Lambda(lambda x: x.flatten(1)[:, :5] / (x[:, :1, 0, 0] != 1))
    data = pictures()
    data.x[:, :, 0, 0] = 0
    data.x[15, 0, 0, 0] = 255
    with pytest.raises(InputError, match=r"^mine: the model returned nan or inf for 1 of 20 images"):
        Subject.of("mine", model, data).accuracy()


# --- gradient ---


class Detaching(nn.Module):
    """A trainable layer behind something that has no gradient."""

    def __init__(self, before):
        super().__init__()
        self.before, self.layer = before, nn.Linear(192, 5)

    def forward(self, x):
        return self.layer(self.before(x.flatten(1)))


def without_gradients(x):
    with torch.no_grad():
        return x.flatten(1)[:, :5] * 2


def in_inference_mode(x):
    with torch.inference_mode():
        return (x.flatten(1)[:, :5] * 2).clone()


def refuses_gradients(x):
    if x.requires_grad:
        raise TypeError("no gradients here")
    return x.flatten(1)[:, :5]


GRADIENTS = {
    "linear": (nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), True),
    "no weights": (Lambda(lambda x: x.flatten(1)[:, :5]), True),
    "frozen": (nn.Sequential(nn.Flatten(), nn.Linear(192, 5)).requires_grad_(False), True),
    "double": (nn.Sequential(nn.Flatten(), nn.Linear(192, 5)).double(), True),
    "bfloat16": (nn.Sequential(nn.Flatten(), nn.Linear(192, 5)).bfloat16(), True),
    "rounded: zero, but there": (Lambda(lambda x: x.flatten(1)[:, :5].round()), True),
    "detached": (Lambda(lambda x: x.flatten(1)[:, :5].detach()), False),
    "detached before the weights": (Detaching(lambda x: x.detach()), False),
    "numpy": (Lambda(lambda x: torch.from_numpy(x.numpy().reshape(len(x), -1)[:, :5].copy())), False),
    "numpy before the weights": (Detaching(lambda x: torch.from_numpy(x.detach().numpy().round())), False),
    "no_grad": (Lambda(without_gradients), False),
    "inference_mode": (Lambda(in_inference_mode), False),
    "refused": (Lambda(refuses_gradients), False),
}


@pytest.mark.parametrize("case", GRADIENTS)
def test_a_gradient_is_there_or_not(case):
    model, there = GRADIENTS[case]
    model.train()
    with torch.no_grad():
        each = Subject.of("mine", model, pictures())
    assert each.differentiable is there
    assert model.training and all(weight.grad is None for weight in model.parameters())


class Rounding(torch.autograd.Function):
    """Rounds; passes no gradient on, or one as if it had not rounded."""

    @staticmethod
    def forward(ctx, x, passes):
        ctx.passes = passes
        return x.round()

    @staticmethod
    def backward(ctx, grad):
        return (grad if ctx.passes else torch.zeros_like(grad)), None


def test_a_gradient_mended_is_another_model():
    def rounding(passes):
        layer = nn.Linear(192, 5)
        nn.init.constant_(layer.weight, 0.25)
        nn.init.zeros_(layer.bias)
        return nn.Sequential(Lambda(lambda x: Rounding.apply(x, passes).flatten(1)), layer)

    hidden, mended, again = (Subject.of("mine", rounding(passes), pictures()).fingerprint for passes in (False, True, True))
    assert hidden != mended == again


# --- answers and samples ---


def test_answers_and_accuracy_count(monkeypatch):
    for chunk in (2000, 3):
        monkeypatch.setattr(subject, "CHUNK", chunk)
        each = Subject.of("says", Says(), MIXED)
        right, confidence = each.all_answers()
        assert right.nonzero().flatten().tolist() == RIGHT
        assert (confidence > 0.99).nonzero().flatten().tolist() == [1, 4, 6, 7]
        rate = each.accuracy()
        assert (rate.hits, rate.total) == (5, 8)
    assert each.answers(torch.tensor([7, 2]))[0].tolist() == [True, False]


@pytest.mark.parametrize("chunk", [2000, 3, 1])
def test_a_sample_is_right_seeded_and_nested(monkeypatch, chunk):
    net = plane()
    data = level_set(net, 40)
    data.y[::3] = 1 - data.y[::3]
    whole = Subject.of("net", net, data).sample(100, seed=3)
    assert sorted(whole.tolist()) == [number for number in range(40) if number % 3]
    monkeypatch.setattr(subject, "CHUNK", chunk)
    each = Subject.of("net", net, data)
    for count in (1, 5, 25, 26, 27):
        assert torch.equal(each.sample(count, seed=3), whole[:count])
    assert not torch.equal(each.sample(100, seed=4), whole)


def test_a_sample_asks_no_more_images_than_it_needs(monkeypatch):
    monkeypatch.setattr(subject, "CHUNK", 10)
    model = Says()
    each = Subject.of("says", model, saying(*[0] * 100, labels=[0] * 100))
    model.asked = 0
    each.sample(11)
    assert model.asked == 20
    model.asked = 0
    assert each.knows_any() and model.asked == 10


def test_a_model_that_is_never_right_has_no_sample():
    each = Subject.of("says", Says(), saying(0, 1, labels=(1, 1)))
    assert not each.knows_any() and each.accuracy() == 0
    with pytest.raises(InputError, match=r"^says classifies no image of pixels right: train it"):
        each.sample(3)


@pytest.mark.parametrize("count", [0, -1])
def test_an_empty_sample_is_refused(count):
    with pytest.raises(InputError, match=f"samples {count} must"):
        Subject.of("says", Says(), MIXED).sample(count)


def test_a_common_sample_is_right_and_sure_for_every_model():
    says, other = Subject.of("says", Says(), MIXED), Subject.of("other", Lambda(lambda x: Says()(x).flip(1)), MIXED)
    assert sorted(common_sample([says], 10).tolist()) == RIGHT
    assert sorted(common_sample([says], 10, confidence=0.99).tolist()) == SURE
    order = common_sample([says], 10, seed=5)
    assert torch.equal(common_sample([says], 2, seed=5), order[:2])
    # The other one says class 2 - k: both are right where the label is 1.
    assert sorted(common_sample([says, other], 10).tolist()) == [3, 4]
    assert sorted(common_sample([other, says], 10, confidence=0.99).tolist()) == [4]
    never = Subject.of("never", Lambda(lambda x: Says()(x).roll(1, 1)), MIXED)
    assert len(common_sample([says, never], 10)) == 0
