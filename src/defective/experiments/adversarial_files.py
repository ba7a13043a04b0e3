"""Adversarial sets as files."""

from pathlib import Path
from typing import Any

import torch

from defective.data import Data
from defective.errors import InputError
from defective.evaluation import AdversarialSet
from defective.files import read_tensors, write_tensors

_TENSORS = ("x_adv", "y", "predicted", "index")
_ABOUT = ("source", "attack", "settings", "fingerprint")


def write_adversarial(adversarial: AdversarialSet, data: Data, path: Path) -> None:
    """Write an adversarial set to one safetensors file: ``x_adv``, ``y``, ``predicted``, ``index``."""
    tensors = {name: getattr(adversarial, name) for name in _TENSORS}
    write_tensors(path, tensors, {name: getattr(adversarial, name) for name in _ABOUT} | {"data": data.name})


def read_adversarial(path: Path, data: Data) -> AdversarialSet:
    """Read an adversarial set, with its clean images from the test set.

    Raises:
        InputError: If the file is corrupt, of another kind, or was generated from another data set.
    """
    tensors, about = read_tensors(path)
    if about.get("data") != data.name or not set(_TENSORS) <= tensors.keys():
        raise InputError(f"{path} holds no adversarial images of {data.name} (it holds those of {about.get('data')!r})")
    index = tensors["index"]
    if len(index) and int(index.max()) >= len(data):
        raise InputError(f"{path} names test image {int(index.max())}, {data.name} has {len(data)}")
    x, y = data.take(index)
    if not torch.equal(y.cpu(), tensors["y"]):
        raise InputError(f"{path} was generated from other labels than those of {data.name} here")
    if x.shape != tensors["x_adv"].shape:
        here, there = tuple(x.shape[1:]), tuple(tensors["x_adv"].shape[1:])
        raise InputError(f"{path} holds images of shape {there}, those of {data.name} here are {here}")
    made: dict[str, Any] = {name: tensors[name] for name in ("x_adv", "predicted")}
    made |= {name: about[name] for name in _ABOUT if name in about}
    return AdversarialSet(x=x, y=y.cpu(), index=index, **made)
