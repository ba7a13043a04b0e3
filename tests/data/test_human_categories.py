"""The 16 categories of Geirhos et al. 2021 among ImageNet's classes and among those of other data sets."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from defective import InputError
from defective.data.human_categories import category_weights, wordnet_ids

# Class numbers as model-vs-human prints them; a range is inclusive.
IMAGENET = {
    "airplane": "404",
    "bear": "294-297",
    "bicycle": "444 671",
    "bird": "8 10-16 18-20 22-24 80-83 87-96 98-100 127-133 135-145",
    "boat": "472 554 625 814 914",
    "bottle": "440 720 737 898 899 901 907",
    "car": "436 511 817",
    "cat": "281-286",
    "chair": "423 559 765 857",
    "clock": "409 530 892",
    "dog": "152-191 193-203 205-226 228-241 243-250 252-257 259 261-263 265-268",
    "elephant": "385 386",
    "keyboard": "508 878",
    "knife": "499",
    "oven": "766",
    "truck": "555 569 656 675 717 734 864 867",
}


def numbers(text):
    parts = [part.partition("-") for part in text.split()]
    return [number for low, _, high in parts for number in range(int(low), int(high or low) + 1)]


def test_every_class_is_of_one_category():
    ids = [each for members in wordnet_ids().values() for each in members]
    assert len(ids) == len(set(ids)) == 207
    assert {name: len(members) for name, members in wordnet_ids().items()} == {
        name: len(numbers(text)) for name, text in IMAGENET.items()
    }
    assert all(len(each) == 9 and each[0] == "n" and each[1:].isdigit() for each in ids)


def test_in_the_order_of_imagenet_they_are_the_classes_of_model_vs_human():
    spec = find_spec("timm")
    if spec is None:
        pytest.skip("timm is not installed: no list of ImageNet's classes here")
    classes = Path(spec.submodule_search_locations[0], "data/_info/imagenet_synsets.txt").read_text("utf-8").split()
    assert len(classes) == 1000
    found = category_weights(classes)
    assert {name: weights.nonzero().flatten().tolist() for name, weights in found.items()} == {
        name: numbers(text) for name, text in IMAGENET.items()
    }
    for weights in found.values():
        assert weights.sum() == pytest.approx(1) and len(weights[weights > 0].unique()) == 1


def test_other_data_sets_have_the_categories_that_they_name():
    cifar10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    found = category_weights(cifar10)
    assert {name: weights.argmax().item() for name, weights in found.items()} == {
        "airplane": 0, "bird": 2, "boat": 8, "car": 1, "cat": 3, "dog": 5, "truck": 9,
    }  # fmt: skip
    mixed = category_weights(("Oven", "n02123045", "n02123159", "n01440764"))
    assert list(mixed) == ["cat", "oven"]
    assert torch.equal(mixed["cat"], torch.tensor([0, 0.5, 0.5, 0])) and torch.equal(mixed["oven"], torch.tensor([1.0, 0, 0, 0]))


@pytest.mark.parametrize("classes", [("disc", "ring"), ("cat", "ring")])
def test_a_choice_needs_two_categories(classes):
    with pytest.raises(InputError, match=r"of the 16 categories .* have a class in this data set"):
        category_weights(classes)
