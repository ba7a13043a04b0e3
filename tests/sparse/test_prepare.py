"""Weights that are computed at each call, and layers of other libraries, in torch's own."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from defective import defect_
from defective.sparse import sparsify, train_live
from defective.sparse.prepare import copied
from hand_nets import assert_same, conv, images, trained

X = images()


def pruned(layer):
    prune.l1_unstructured(layer, "weight", 0.4)
    prune.random_unstructured(layer, "weight", 0.2)
    return prune.l1_unstructured(layer, "bias", 0.2)


COMPUTED = {
    "pruned": pruned,
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "two of them": lambda layer: parametrizations.spectral_norm(parametrizations.weight_norm(layer)),
    "weight norm by a hook": weight_norm,
    "spectral norm by a hook": spectral_norm,
}


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
@pytest.mark.parametrize("name", COMPUTED)
def test_computed_weights_are_those_of_the_model_and_are_trained(name):
    """With results of a pass in training on the layers."""
    computed = COMPUTED[name]
    layers = [computed(conv()), nn.BatchNorm2d(8), nn.ReLU(), computed(conv(8, 8)), nn.Flatten(), computed(nn.Linear(512, 4))]
    model = trained(nn.Sequential(*layers))
    defect_(model, 0.1, sites=["1", "3"], example_inputs=X)
    model.train()(X).sum().backward()
    model.eval()
    keys, wanted = list(model.state_dict()), model(X)
    fast = sparsify(model, X)
    assert [choice.live for choice in fast.choices] == ([] if "hook" in name else [True, True])
    # The model still computes its weights itself.
    assert list(model.state_dict()) == keys and torch.equal(model(X), wanted)
    assert_same(fast, model, X)
    model.zero_grad()
    fast = train_live(model, X)
    assert torch.equal(fast(X), model(X))
    fast.train()(X).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_cache_with_a_derivative_is_copied():
    model = conv()
    model.cache = {"weight": model.weight * 2}
    model.kept = [model.bias + 1]
    made = copied(model, {})
    assert torch.equal(made.cache["weight"], model.cache["weight"]) and made.cache["weight"].grad_fn is None
    assert torch.equal(made.kept[0], model.kept[0])
