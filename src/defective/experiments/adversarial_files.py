"""Adversarial sets as files."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from defective.data import Data
from defective.errors import InputError
from defective.evaluation import AdversarialSet
from defective.experiments.schema import format_error
from defective.files import read_about, read_tensors, write_tensors
from defective.inference import check_images, check_label_values, check_labels

_TENSORS = ("x_adv", "y", "predicted", "index")
_Name = Annotated[str, Field(max_length=10_000)]


class AdversarialMetadata(BaseModel):
    """What the file of an adversarial set holds beside its tensors: fields of :class:`AdversarialSet`, name and digest of its data."""

    model_config = ConfigDict(strict=True, extra="forbid")

    data: _Name
    test_set: _Name
    source: _Name
    attack: _Name
    settings: dict[Literal["seed", "samples", "rounded"], Annotated[int, Field(ge=0, lt=2**64)] | bool]
    fingerprint: _Name


def write_adversarial(adversarial: AdversarialSet, data: Data, path: Path) -> None:
    """Write an adversarial set to one safetensors file: ``x_adv``, ``y``, ``predicted``, ``index``."""
    tensors = {name: getattr(adversarial, name) for name in _TENSORS}
    about = {name: getattr(adversarial, name) for name in ("source", "attack", "settings", "fingerprint")}
    write_tensors(path, tensors, about | {"data": data.name, "test_set": data.digest})


def read_metadata(path: Path) -> AdversarialMetadata:
    """Read what the file of an adversarial set says of it.

    Raises:
        InputError: If the file is corrupt or of another kind.
    """
    try:
        return AdversarialMetadata.model_validate(read_about(path))
    except ValidationError as error:
        wrong = format_error(error)[:120]
        raise InputError(
            f"{path} was not written by defective attack, or is corrupt ({wrong}): write it again with defective attack"
        ) from None


def read_adversarial(path: Path, data: Data) -> AdversarialSet:
    """Read an adversarial set, with its clean images from the test set.

    Raises:
        InputError: If the file is corrupt, of another kind, or was generated from another data set.
    """
    metadata = read_metadata(path)
    tensors, _ = read_tensors(path, _TENSORS)
    if metadata.data != data.name or len(tensors) != len(_TENSORS):
        raise InputError(f"{path} holds no adversarial images of {data.name} (it holds those of {metadata.data!r})")
    if metadata.test_set != data.digest:
        raise InputError(
            f"{path} was generated from other images than those of {data.name} here: pass the data set it was generated from"
        )
    x_adv, y, predicted, index = (tensors[name] for name in _TENSORS)
    try:
        check_images(x_adv)
        for labels in (y, predicted):
            check_labels(x_adv, labels)
            check_label_values(labels, len(data.classes))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    _check_index(path, index, x_adv, data)
    x, true = data.take(index)
    if not torch.equal(true.cpu(), y.long()):
        raise InputError(f"{path} was generated from other labels than those of {data.name} here")
    if x.shape != x_adv.shape:
        here, there = tuple(x.shape[1:]), tuple(x_adv.shape[1:])
        raise InputError(f"{path} holds images of shape {there}, those of {data.name} here are {here}")
    about = metadata.model_dump(exclude={"data", "test_set"})
    return AdversarialSet(x=x, y=true.cpu(), x_adv=x_adv, predicted=predicted.long(), index=index, **about)


def _check_index(path: Path, index: Tensor, x_adv: Tensor, data: Data) -> None:
    if index.dtype != torch.int64 or index.shape != x_adv.shape[:1]:
        raise InputError(f"{path} holds indices of {index.dtype} and shape {tuple(index.shape)} for {len(x_adv)} images")
    outside = index[(index < 0) | (index >= len(data))]
    if len(outside):
        raise InputError(f"{path} names test image {int(outside[0])}, {data.name} has {len(data)}")
