"""A custom model to train: built by user code, converted, and checked before training."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import nn

from defective.data import Data
from defective.data.sets import digest_of
from defective.errors import InputError
from defective.inference import checked_logits, evaluating, reported
from defective.sites import image_shape, matching_sites
from defective.specs import Spec
from defective.surgery import defect_
from defective.training.checkpoint import whole_state


class Conversion(Spec):
    """How a model is made defective before training: the share of neurons kept, and names of sites, which may be patterns.

    ``sites`` are as in :func:`defective.sites.matching_sites`.
    """

    keep_prob: Annotated[float, Field(ge=0, le=1)]
    sites: Annotated[tuple[str, ...], Field(min_length=1)]

    def apply_(self, model: nn.Module, image_shape: tuple[int, int, int], *, seed: int = 0) -> None:
        """Make the model defective in place, as :func:`defective.defect_`."""
        images = torch.zeros(1, *image_shape)
        if any(isinstance(parameter, nn.UninitializedParameter) for parameter in model.parameters()):
            # A lazy layer has no class of its own before it has run.
            with evaluating(model), torch.no_grad(), reported(f"the model cannot take images of shape {tuple(images.shape)}"):
                model(images)
        defect_(model, self.keep_prob, sites=matching_sites(model, self.sites), example_inputs=images, seed=seed)


@dataclass(frozen=True)
class OwnModel:
    """A model to train.

    ``name`` is its name in results, such as ``"my_models:cnn"``. ``make`` is called with ``num_classes``, ``in_chans`` and
    ``image_size``, and returns a module from images in [0, 1] to logits. ``conversion`` says what is made defective before training.
    """

    name: str
    make: Callable[..., nn.Module]
    conversion: Conversion | None = None

    def __str__(self) -> str:
        return self.name

    def built(self, data: Data, *, seed: int, mask_seed: int) -> nn.Module:
        """The model as it is before its first step, on the CPU; torch's global generator is left as it was."""
        channels, image_size, _ = data.image_shape
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = self.make(num_classes=len(data.classes), in_chans=channels, image_size=image_size)
            try:
                if self.conversion is not None:
                    self.conversion.apply_(model, data.image_shape, seed=mask_seed)
                self._check_logits(model, data)
                whole_state(model)
            except InputError as error:
                raise InputError(f"{self.name}: {error}") from error
        return model

    def identity(self, model: nn.Module) -> dict[str, Any]:
        """What identifies this training run: conversion, and digest of the weights and masks before the first step."""
        state = model.state_dict().items()
        digest = digest_of(chain.from_iterable((name, tensor.dtype, tensor.shape, tensor) for name, tensor in state))
        conversion = None if self.conversion is None else self.conversion.model_dump(mode="json")
        return {"conversion": conversion, "initial_weights": digest}

    def _check_logits(self, model: nn.Module, data: Data) -> None:
        expected = image_shape(model)
        if expected is not None and expected != data.image_shape:
            raise InputError(f"the model takes images of shape {expected}, {data.name} has {data.image_shape}")
        images = torch.zeros(2, *data.image_shape)
        with evaluating(model), torch.enable_grad(), reported(f"the model cannot take images of shape {tuple(images.shape)}"):
            z = model(images)
        with torch.no_grad():
            classes = checked_logits(z, len(images)).shape[1]
        if not z.requires_grad:
            raise InputError("the logits have no gradient with respect to any weight (frozen, detach, torch.no_grad inside?)")
        if classes != len(data.classes):
            raise InputError(
                f"the model knows {classes} classes, {data.name} has {len(data.classes)}: let the function that builds it take "
                f"num_classes, or write {self.name.partition(',')[0]},num_classes={len(data.classes)}"
            )
