"""Evaluate a module without leaving a trace on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Put ``model`` in eval mode inside the block; every submodule gets its own mode back afterwards.

    Example:
        >>> model = nn.Sequential(nn.BatchNorm2d(1).eval(), nn.Dropout()).train()
        >>> _ = model[0].eval()
        >>> with evaluating(model):
        ...     model.training, model[1].training
        (False, False)
        >>> model.training, model[0].training, model[1].training
        (True, False, True)
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for module, training in modes:
            module.training = training
