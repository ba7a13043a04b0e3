"""Pieces are those of one function: what tells models apart, and whether they have a gradient."""

import copy
import json
from typing import ClassVar

import pytest
import torch
from torch import nn

from defective.data import ImageSet
from defective.evaluation import EvaluatedModel
from defective.files import read_tensors
from defective.specs.versions import VERSIONS
from evaluations import Around, Lambda, pictures, small_net, stored


def flip_mask(net):
    mask = net[2].defect_mask
    # As many live neurons as before: else the mask would not be what it says.
    mask[tuple(mask.nonzero()[0])], mask[tuple((~mask).nonzero()[0])] = False, True


CHANGES = {
    "weight": lambda net: net[4].weight.data[0, 0].add_(1e-3),
    "mask": flip_mask,
    "running mean": lambda net: net[1].running_mean[0].add_(1e-3),
    "counted batches": lambda net: net[1].num_batches_tracked.add_(1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_net_has_another_fingerprint(change):
    net = small_net()
    before = EvaluatedModel.of("net", net, pictures()).fingerprint
    CHANGES[change](net)
    assert EvaluatedModel.of("net", net, pictures()).fingerprint != before


def test_a_copy_has_the_same_fingerprint_by_any_name_and_in_any_mode():
    net = small_net()
    other = copy.deepcopy(net).train().requires_grad_(False)
    assert EvaluatedModel.of("one", net, pictures()).fingerprint == EvaluatedModel.of("other", other, pictures()).fingerprint
    assert other.training and not net.training


def test_models_without_weights_are_told_apart_by_what_they_say():
    data = pictures()
    sums = [EvaluatedModel.of("net", Lambda(lambda x, k=k: k * x.flatten(1)[:, :5]), data).fingerprint for k in (1, 2, 1)]
    assert sums[0] == sums[2] != sums[1]


def test_state_that_is_no_tensor_counts_too():
    class Keeps(nn.Flatten):
        state: ClassVar = {"scale": 1}

        def get_extra_state(self):
            return self.state

        def set_extra_state(self, state):
            self.state = state

    model, data = nn.Sequential(Keeps(), nn.Linear(192, 5)), pictures()
    before = EvaluatedModel.of("net", model, data).fingerprint
    assert EvaluatedModel.of("net", model, data).fingerprint == before
    model[0].state = {"scale": 2}
    assert EvaluatedModel.of("net", model, data).fingerprint != before


def test_pieces_of_another_test_set_of_the_same_name_are_not_used(tmp_path):
    """What a user corrected in a folder counts, also behind the first images."""
    net, data = small_net(), pictures()
    before = EvaluatedModel.of("net", net, data, stored(tmp_path))
    assert before.accuracy() < 1
    corrected = ImageSet(data.name, data.split, data.x, before.model(data.x / 255).argmax(1), data.classes)
    assert EvaluatedModel.of("net", net, corrected, stored(tmp_path)).accuracy() == 1
    x = data.x.clone()
    x[-1, 0, 0, 0] += 1
    other = ImageSet(data.name, data.split, x, data.y, data.classes)
    assert EvaluatedModel.of("net", net, other).fingerprint != before.fingerprint


def test_a_chunk_says_in_plain_values_what_it_is(tmp_path, monkeypatch):
    each = EvaluatedModel.of("net", small_net(), pictures(), stored(tmp_path))
    each.predictions(torch.tensor([3, 1]))
    (file,) = tmp_path.rglob("*.safetensors")
    what = each.inputs("predict", torch.tensor([3, 1]))
    assert json.loads(json.dumps(what)) == what and what["device"] == "cpu"
    about = read_tensors(file)[1]
    assert about.pop("seconds") >= 0 and about == what
    others = [each.inputs("predict", torch.tensor([1, 3])), each.inputs("score", torch.tensor([3, 1]))]
    others += [each.inputs("predict", torch.tensor([3, 1]), seed=1)]
    monkeypatch.setitem(VERSIONS, "predict", 2)
    assert what not in [*others, each.inputs("predict", torch.tensor([3, 1]))]


def detaching(before):
    """A trainable layer behind something that has no gradient."""
    return Around(nn.Linear(192, 5), lambda x: before(x.flatten(1)))


def without_gradients(x):
    with torch.no_grad():
        return x.flatten(1)[:, :5] * 2


def in_inference_mode(x):
    with torch.inference_mode():
        return (x.flatten(1)[:, :5] * 2).clone()


GRADIENTS = {
    "no weights": (Lambda(lambda x: x.flatten(1)[:, :5]), True),
    "frozen": (nn.Sequential(nn.Flatten(), nn.Linear(192, 5)).requires_grad_(False), True),
    "bfloat16": (nn.Sequential(nn.Flatten(), nn.Linear(192, 5)).bfloat16(), True),
    "rounded: zero, but there": (Lambda(lambda x: x.flatten(1)[:, :5].round()), True),
    "detached": (Lambda(lambda x: x.flatten(1)[:, :5].detach()), False),
    "detached before the weights": (detaching(torch.detach), False),
    "numpy before the weights": (detaching(lambda x: torch.from_numpy(x.detach().numpy().round())), False),
    "no_grad": (Lambda(without_gradients), False),
    "inference_mode": (Lambda(in_inference_mode), False),
}


@pytest.mark.parametrize("case", GRADIENTS)
def test_a_gradient_is_there_or_not(case):
    model, there = GRADIENTS[case]
    model.train()
    with torch.no_grad():
        each = EvaluatedModel.of("mine", model, pictures())
    assert each.differentiable is there
    assert model.training and all(weight.grad is None for weight in model.parameters())


def test_a_gradient_mended_is_another_model():
    def rounding(passes):
        layer = nn.Linear(192, 5)
        nn.init.constant_(layer.weight, 0.25)
        nn.init.zeros_(layer.bias)
        # Equal values; the gradient of rounding is zero, or as if it had not been rounded.
        return nn.Sequential(Lambda(lambda x: (x + (x.round() - x).detach() if passes else x.round()).flatten(1)), layer)

    hidden, mended, again = (EvaluatedModel.of("mine", rounding(passes), pictures()).fingerprint for passes in (False, True, True))
    assert hidden != mended == again
