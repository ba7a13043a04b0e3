"""The 16 categories among which humans and models choose in Geirhos et al. 2021, and what each is made of."""

import csv
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import torch
from torch import Tensor

from defective.errors import InputError

# Classes by other names than those of the categories.
ALIASES = (("boat", "ship"), ("car", "automobile"), ("airplane", "aeroplane", "plane"))


@cache
def wordnet_ids() -> dict[str, frozenset[str]]:
    """Category to the WordNet ids of the ImageNet classes it is made of, in alphabetical order.

    Source: ``human_categories.py`` of bethgelab/model-vs-human (Geirhos et al. 2021); ids that are no class of ILSVRC 2012 left out.

    Example:
        >>> found = wordnet_ids()
        >>> len(found), list(found)[:3], sum(map(len, found.values())), sorted(found["oven"])
        (16, ['airplane', 'bear', 'bicycle'], 207, ['n04111531'])
    """
    found: dict[str, set[str]] = {}
    text = files("defective.data").joinpath("human_categories.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        found.setdefault(row["category"], set()).add(row["wordnet_id"])
    return {name: frozenset(ids) for name, ids in sorted(found.items())}


def category_weights(classes: Sequence[str]) -> dict[str, Tensor]:
    """Category to weights ``(K,)``: class probabilities times weights is the mean probability of the classes it is made of.

    Args:
        classes: Class names of a data set: WordNet ids as the folders of ImageNet, or names of categories, boat being ship, car
            automobile, and airplane aeroplane and plane.

    Returns:
        The categories of which the data set has a class, in alphabetical order.

    Example:
        >>> category_weights(("automobile", "frog", "ship"))
        {'boat': tensor([0., 0., 1.]), 'car': tensor([1., 0., 0.])}
    """
    names = {name: next((set(group) for group in ALIASES if name in group), {name}) for name in wordnet_ids()}
    members = {
        category: torch.tensor([float(name in ids or name.lower() in names[category]) for name in classes])
        for category, ids in wordnet_ids().items()
    }
    found = {category: weights / weights.sum() for category, weights in members.items() if weights.any()}
    if len(found) < 2:
        raise InputError(
            f"{len(found)} of the 16 categories ({', '.join(wordnet_ids())}) have a class in this data set: classes have to be named so, "
            "or by WordNet ids as in imagenet:PATH"
        )
    return found
