"""Run any model without side effects on it, on the tensors of the caller or on later computations."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from defective.errors import InputError, OutOfTime
from defective.machine import check_model, out_of_memory
from defective.text import shortened

# Parts of torch's messages about operations that cannot be differentiated.
_NO_GRADIENT = (
    "does not require grad",
    "on Tensor that requires grad",
    "on tensor that requires grad",
    "the derivative for",
    # The weights were made under torch.inference_mode.
    "Inference tensors cannot be saved for backward",
)
IMAGE_TYPES = (torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64)


class NoGradientError(InputError):
    """The logits of a model have no gradient with respect to its images."""

    def __init__(self, reason: str = "detach, numpy, torch.no_grad inside?") -> None:
        super().__init__(f"the model's logits have no gradient ({reason}): boundary, hopskipjump and noise do without")


class NotFiniteError(InputError):
    """The logits of a model are nan or inf for some images."""

    def __init__(self, z: Tensor) -> None:
        super().__init__(f"the model returned nan or inf for {int((~z.isfinite()).any(1).sum())} of {len(z)} images")


class NanGradientError(InputError):
    """The gradient of a model is nan for some images."""

    def __init__(self, broken: int, images: int) -> None:
        reason = f"the gradient of the model is nan for {broken} of {images} images (root, norm or log of 0 inside?)"
        super().__init__(f"{reason}: boundary, hopskipjump and noise do without")


def check_gradient(gradient: Tensor) -> None:
    """Refuse a gradient that is nan for some images: an attack would not move them, and the model would look robust."""
    if broken := int(gradient.isnan().flatten(1).any(1).sum()):
        raise NanGradientError(broken, len(gradient))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Put ``model`` in eval mode inside the block; every submodule gets its own mode back afterwards.

    Modules without a mode of their own, exported or frozen ones, are used as they are.

    Example:
        >>> model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout()).train()
        >>> _ = model[0].eval()
        >>> with evaluating(model):
        ...     model.training, model[1].training
        (False, False)
        >>> model.training, model[0].training, model[1].training
        (True, False, True)
    """
    check_model(model)
    modes = [(module, module.training) for module in model.modules() if hasattr(module, "training")]
    try:
        try:
            model.eval()
        except (NotImplementedError, AttributeError):
            # An exported or frozen model, or one that holds such a module: its other modules still have a mode.
            for module, _ in modes:
                module.training = False
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
        raise InputError(f"images are {type(x).__name__}, not a tensor (N, C, H, W): pass torch.as_tensor(images)")
    if x.dim() != 4 or 0 in x.shape:
        one = ": pass images[None]" if x.dim() == 3 else ""
        raise InputError(f"images have shape {tuple(x.shape)}, not (N, C, H, W) with at least one image{one}")
    if x.dtype not in IMAGE_TYPES or x.is_meta or x.layout != torch.strided:
        where = " on the meta device" if x.is_meta else "" if x.layout == torch.strided else f" in {x.layout}"
        raise InputError(f"images are {x.dtype}{where}: pass dense uint8, or floats of 16 bits or more in [0, 1]")
    if x.dtype == torch.uint8:
        return
    low, high = x.aminmax()
    if not (torch.isfinite(low) and torch.isfinite(high)):
        raise InputError("images hold nan or inf")
    # Some pipelines exceed the range by a rounding error; a real mistake (0-255, normalised images) exceeds it by far.
    if low < -1e-4 or high > 1 + 1e-4:
        raise InputError(
            f"images lie in [{low:.3g}, {high:.3g}], not in [0, 1]: divide by 255; normalisation belongs inside the model"
        )


def check_labels(x: Tensor, y: Tensor) -> None:
    """Refuse labels that are not whole numbers ``(N,)``, one for each image."""
    if not isinstance(y, Tensor):
        raise InputError(f"labels are {type(y).__name__}, not a tensor: pass torch.tensor(labels)")
    if y.shape != x.shape[:1] or y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
        raise InputError(f"labels are {y.dtype} of shape {tuple(y.shape)}: pass one whole number for each of {len(x)} images")


def check_label_values(y: Tensor, classes: int) -> None:
    """Refuse labels that are none of the model's classes."""
    # Unsigned types have no minimum.
    y = y.long()
    if len(y) and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise InputError(f"labels lie in [{int(y.min())}, {int(y.max())}] but the model knows {classes} classes, from 0 on")


def device_of(model: nn.Module, *, default: torch.device | None = None) -> torch.device:
    """Device of the first parameter or buffer of a model; ``default``, or else the CPU, for a model without any."""
    check_model(model)
    tensors = chain(model.parameters(), model.buffers())
    return next((tensor.device for tensor in tensors), default or torch.device("cpu"))


def dtype_of(model: nn.Module) -> torch.dtype | None:
    """Dtype of the weights of a model, and so of its images; None for a model without weights."""
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


@torch.inference_mode(False)
def adapted(model: nn.Module, x: Tensor) -> nn.Module:
    """The model itself, or a :class:`LogitsAdapter` around one that returns more than logits or writes into its images ``x``."""
    given = as_images(x.to(device_of(model))).to(dtype_of(model)).clone()
    before, version = given.clone(), given._version
    with evaluating(model), torch.no_grad(), reported(_failed_on(x)):
        output = model(given)
        written = given._version != version or not torch.equal(given, before)
    return LogitsAdapter(model) if written or logits_of(output) is not output else model


def forward(model: nn.Module, x: Tensor) -> Tensor:
    """Logits ``(N, K)`` of a model for images in its own precision; it gets a copy of them, into which it may write."""
    with reported(_failed_on(x)):
        z = logits_of(model(x.clone().to(dtype_of(model))))
    return checked_logits(z, len(x))


def checked_logits(z: object, images: int) -> Tensor:
    """What a model returned for so many images, if it is logits ``(N, K)``, and where gradients are on of a type that has one."""
    if not isinstance(z, Tensor) or z.dim() != 2 or len(z) != images:
        what = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
        raise InputError(f"the model returned {what} for {images} images, not logits (N, K): {_way_to_logits(z)}")
    if z.is_complex() or z.layout != torch.strided or z.is_meta:
        where = " on the meta device" if z.is_meta else ""
        raise InputError(f"the model returned logits that are {z.dtype} and {z.layout}{where}: they must be dense real numbers")
    if z.dtype in IMAGE_TYPES[1:]:
        return z
    if torch.is_grad_enabled():
        raise NoGradientError(f"they are {z.dtype}")
    return z.float()


def _way_to_logits(output: object) -> str:
    """What to do with a model that returns something else."""
    if not isinstance(output, Mapping | tuple | list) or not output:
        return "return them from its forward"
    key, keys = (next(iter(output)), f" (keys: {shortened([*map(str, output)])})") if isinstance(output, Mapping) else (0, "")
    return f"wrap it, as in defective.evaluation.LogitsAdapter(model, lambda output: output[{key!r}]){keys}"


def image_gradient(loss: Tensor, x: Tensor, *, retain_graph: bool = False) -> Tensor:
    """Gradient of a loss with respect to the images ``x``."""
    found = None
    if loss.requires_grad:
        with reported("the gradient of the model cannot be computed"):
            # A trainable weight behind a detached image requires a gradient too, but not the image's.
            (found,) = torch.autograd.grad(loss, x, allow_unused=True, retain_graph=retain_graph)
    if found is None:
        raise NoGradientError
    return found


@contextmanager
def reported(what: str, *, model: bool = True) -> Iterator[None]:
    """Make of an error of foreign code an :class:`InputError` that quotes it after ``what`` failed.

    Out of memory is raised as it is. Code of a ``model`` may lack a gradient, which is an error of its own.
    """
    try:
        yield
    except (InputError, OutOfTime):
        raise
    except (Exception, SystemExit) as error:
        if out_of_memory(error):
            raise
        reason = quoted(error)
        if (
            model
            and torch.is_grad_enabled()
            and isinstance(error, RuntimeError)
            and any(words in str(error) for words in _NO_GRADIENT)
        ):
            raise NoGradientError(reason) from error
        raise InputError(f"{what}: {reason}") from error


def quoted(error: BaseException) -> str:
    """Class and message of an error, on one line of at most 200 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _failed_on(x: Tensor) -> str:
    return f"the model failed on images of shape {tuple(x.shape)}"


def logits(model: nn.Module, x: Tensor, *, batch_size: int = 500) -> Tensor:
    """Finite float32 logits ``(N, K)`` on the CPU, of a model in eval mode, for images of any device, uint8 or floats in [0, 1]."""
    check_images(x)
    device = device_of(model)
    rows = []
    # Not inference_mode: tensors that a model builds at its first call could never have a gradient.
    with evaluating(model), torch.no_grad():
        for batch in x.split(int(batch_size)):
            z = forward(model, as_images(batch.to(device)))
            # A copy: a model may reuse the tensor it returns.
            rows.append(z.to("cpu", torch.float32, copy=True))
    result = torch.cat(rows)
    if not torch.isfinite(result).all():
        raise NotFiniteError(result)
    return result
