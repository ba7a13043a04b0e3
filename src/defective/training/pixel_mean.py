"""Normalisation as the paper's text has it: subtract the mean training image."""

import torch
from torch import nn

from defective.data import Data
from defective.inference import as_images
from defective.models.normalize import Normalize
from defective.sites import architecture_of


def subtract_pixel_mean_(model: nn.Module, data: Data) -> None:
    """Let a built-in model subtract the mean image of a set, in place of its normalisation by channel.

    Source: paper Appendix D; the released code normalises by channel.
    """
    total = torch.zeros(data.image_shape, dtype=torch.float64)
    for x, _ in data.batches(torch.arange(len(data)), 500):
        total += as_images(x.cpu()).double().sum(0)
    model.normalize = Normalize.centred((total / len(data)).float())
    architecture = architecture_of(model)
    assert architecture is not None
    model.architecture = architecture.model_copy(update={"pixel_mean": True})  # type: ignore[assignment]
