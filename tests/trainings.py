"""What the tests of training share: a small data set, and what of two runs is compared."""

import torch

from defective.data import ImageSet, shapes


def some_shapes(count: int) -> ImageSet:
    test = shapes("test")
    return ImageSet("some-shapes", "train", test.x[:count], test.y[:count], test.classes)


def timeless(history):
    """The rows of a history without what depends on the machine."""
    return [{key: value for key, value in row.items() if "second" not in key} for row in history]


def copied(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(one, other):
    """Whether two state dicts hold the same."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
