"""A substitute for a model that can only be queried: trained on that model's predictions."""

from dataclasses import replace

import torch
from torch import nn

from defective.data import Data, ImageSet
from defective.data.sets import pick
from defective.errors import InputError
from defective.inference import logits


def answered(model: nn.Module, data: Data, share: float, *, name: str, seed: int = 0) -> ImageSet:
    """A random share of some images with a model's predictions as labels, each as often as it takes to make a set of the old size.

    The attacker queries each image once; training on them is as long as on the whole set.

    Args:
        model: The model that is queried, on its device.
        data: Images that the attacker has; their labels are not used.
        share: Share of the images that is queried, in (0, 1].
        name: Name of the model, for that of the set that comes back.
        seed: Seed of the choice.

    Raises:
        InputError: If ``share`` is out of range or comes to fewer than 2 images, or the images do not fit into memory.

    Source: Papernot et al. 2017, without the Jacobian-based augmentation.

    Example:
        >>> from defective.data import shapes
        >>> queried = answered(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), shapes("test"), 0.01, name="linear")
        >>> queried.name, len(queried), len(queried.x.unique(dim=0))
        ('0.01 of shapes as linear classifies it', 2000, 20)
    """
    if not isinstance(data, ImageSet):
        raise InputError(f"{data.name}: a substitute is trained on images that fit into memory, not on a stream of files")
    if not 0 < share <= 1:
        raise InputError(f"share {share:g} of the training images lies outside (0, 1]")
    index = pick(len(data), round(share * len(data)), seed=seed)
    if len(index) < 2:
        raise InputError(f"share {share:g} of {len(data):,} training images is {len(index)}: a substitute needs at least 2")
    x = data.x[index]
    answers = logits(model, x).argmax(1)
    again = torch.arange(len(data)) % len(index)
    return replace(data, name=f"{share:g} of {data.name} as {name} classifies it", x=x[again], y=answers[again], y_texture=None)
