"""The logits of any model, computed without leaving a trace on it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from defective.errors import InputError


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Put ``model`` in eval mode inside the block; every submodule gets its own mode back afterwards.

    Example:
        >>> model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout()).train()
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


def as_images(x: Tensor) -> Tensor:
    """Images as float in [0, 1]: uint8 is divided by 255, anything else passes through."""
    return x.float() / 255 if x.dtype == torch.uint8 else x


def check_images(x: Tensor) -> None:
    """Refuse what is not images ``(N, C, H, W)``, uint8 or finite floats in [0, 1]."""
    if not isinstance(x, Tensor):
        raise InputError(f"images are {type(x).__name__}, not a tensor (N, C, H, W)")
    if x.dim() != 4 or 0 in x.shape:
        raise InputError(f"images have shape {tuple(x.shape)}, not (N, C, H, W) with at least one image")
    if x.dtype == torch.uint8:
        return
    if not x.is_floating_point():
        raise InputError(f"images are {x.dtype}: pass uint8, or floats in [0, 1]")
    low, high = x.aminmax()
    if not (torch.isfinite(low) and torch.isfinite(high)):
        raise InputError("images hold nan or inf")
    # Some pipelines end a rounding error outside; a real mistake (0-255, normalised images) is far outside.
    if low < -1e-4 or high > 1 + 1e-4:
        raise InputError(
            f"images lie in [{low:.3g}, {high:.3g}], not in [0, 1]: divide by 255; normalisation belongs inside the model"
        )


def check_labels(x: Tensor, y: Tensor) -> None:
    """Refuse labels that are not whole numbers ``(N,)``, one for each image."""
    if y.shape != x.shape[:1] or y.is_floating_point() or y.dtype == torch.bool:
        raise InputError(f"labels are {y.dtype} of shape {tuple(y.shape)}: pass one whole number for each of {len(x)} images")


def device_of(model: nn.Module, *, default: torch.device | None = None) -> torch.device:
    """Where the model's first parameter or buffer lies; ``default``, or else the CPU, for a model without any."""
    tensors = chain(model.parameters(), model.buffers())
    return next((tensor.device for tensor in tensors), default or torch.device("cpu"))


def dtype_of(model: nn.Module) -> torch.dtype | None:
    """What the model's weights are, and so what it wants its images to be; None for a model without any."""
    return next((parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()), None)


def logits_of(output: object) -> object:
    """What a model returned, or its ``logits`` if it is a dict or a dataclass with such a field, as Hugging Face models return."""
    if isinstance(output, Mapping):
        return output.get("logits", output)
    return getattr(output, "logits", output) if is_dataclass(output) else output


class LogitsAdapter(nn.Module):
    """A model as a classifier: it gets a copy of the images, and the logits are taken out of what it returns.

    Args:
        model: Any module from images in [0, 1].
        select: Takes the logits ``(N, K)`` out of its output; default :func:`logits_of`.

    Example:
        >>> pair = nn.Sequential(nn.Flatten(), nn.LSTM(4, 2, batch_first=True))
        >>> LogitsAdapter(pair, lambda output: output[0])(torch.zeros(3, 1, 2, 2)).shape
        torch.Size([3, 2])
    """

    def __init__(self, model: nn.Module, select: Callable[[object], object] = logits_of) -> None:
        super().__init__()
        self.model, self.select = model, select

    def forward(self, x: Tensor) -> object:
        return self.select(self.model(x.clone()))


def adapted(model: nn.Module, x: Tensor) -> nn.Module:
    """The model itself, or a :class:`LogitsAdapter` around one that returns more than logits or writes into its images ``x``."""
    images = as_images(x.to(device_of(model))).to(dtype_of(model))
    given = images.clone()
    with evaluating(model), torch.inference_mode():
        output = _forward(model, given)
    return model if logits_of(output) is output and torch.equal(given, images) else LogitsAdapter(model)


def logits(model: nn.Module, x: Tensor, *, batch_size: int = 500) -> Tensor:
    """Logits of ``model`` in eval mode.

    Args:
        model: Classifier on images in [0, 1].
        x: Images ``(N, C, H, W)``, uint8 or floats in [0, 1], on any device.
        batch_size: Images per forward pass; only time and memory depend on it.

    Returns:
        Float32 ``(N, K)`` on the CPU.

    Raises:
        InputError: If the images are not in [0, 1], or the model returns something other than finite ``(N, K)`` logits.
    """
    check_images(x)
    device = device_of(model)
    dtype = dtype_of(model)
    rows = []
    with evaluating(model), torch.inference_mode():
        for batch in x.split(batch_size):
            images = as_images(batch.to(device)).to(dtype)
            # A copy: a model that works in place must not write into the caller's images.
            z = logits_of(_forward(model, images.clone() if images is batch else images))
            if not isinstance(z, Tensor) or z.dim() != 2 or len(z) != len(batch):
                what = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
                raise InputError(
                    f"the model returned {what} for {len(batch)} images, not logits (N, K): wrap it, as in "
                    "defective.evaluation.LogitsAdapter(model, lambda output: output[0])"
                )
            rows.append(z.float().cpu())
    result = torch.cat(rows).clone()
    if not torch.isfinite(result).all():
        raise InputError(f"the model returned nan or inf for {int((~result.isfinite()).any(1).sum())} of {len(x)} images")
    return result


def _forward(model: nn.Module, x: Tensor) -> object:
    try:
        return model(x)
    except (InputError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"the model cannot take images of shape {tuple(x.shape)}: {reason}") from error
