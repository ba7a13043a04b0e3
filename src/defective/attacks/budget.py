"""The constraints of adversarial images: the ball, the range [0, 1], and 8 bits where they are stored as image files."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from numbers import Real
from operator import index
from typing import SupportsIndex

import torch
from torch import Tensor, nn

from defective.errors import InputError
from defective.inference import as_images, check_images, check_label_values, check_labels, logits
from defective.text import one_line, short

LARGEST_COUNT = 10**9


def project(x_adv: Tensor, x: Tensor, eps: float | Tensor) -> Tensor:
    """Clip ``x_adv`` into the L-infinity ball of radius ``eps`` around ``x`` and into [0, 1].

    Example:
        >>> project(torch.tensor([0.9]), torch.tensor([0.5]), 0.25)
        tensor([0.7500])
    """
    return torch.maximum(torch.minimum(x_adv, x + eps), x - eps).clamp(0, 1)


def upcast(x: Tensor) -> Tensor:
    """A copy in float32 or higher precision: a step of 1/255 is close to the rounding of half precision."""
    return x.detach().to(torch.promote_types(x.dtype, torch.float32), copy=True)


def quantize(x_adv: Tensor, x: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Round to 8 bits; a level outside the ball is moved to the last level inside it.

    Args:
        x_adv: Images in [0, 1], or uint8.
        x, eps: The clean images and the radius, where there is a ball to stay in. A ball around a pixel that is itself no level may
            hold none; such a pixel becomes the level nearest to the clean one, as if the clean image had been saved.

    Returns:
        Images whose values are whole multiples of 1/255; float32 at least, because half precision cannot hold those.

    Source: the released code stores adversarial images as 8-bit PNG and scores those.

    Example:
        >>> (quantize(torch.tensor([0.5]), torch.tensor([0.4]), 0.1) * 255).round()
        tensor([127.])
        >>> (quantize(torch.tensor([0.502]), torch.tensor([0.5015]), 0.0005) * 255).round()
        tensor([128.])
    """
    levels = (upcast(as_images(x_adv)) * 255).round()
    if x is not None and eps is not None:
        x = upcast(as_images(x))
        # The nudge keeps a level that lies on the sphere up to rounding error, as for eps 16/255 around 8-bit images.
        lowest, highest = ((x - eps) * 255 - 1e-3).ceil(), ((x + eps) * 255 + 1e-3).floor()
        inside = torch.maximum(torch.minimum(levels, highest), lowest)
        levels = torch.where(lowest <= highest, inside, (x * 255).round())
    return levels.clamp(0, 255) / 255


def cast_into_ball(x_adv: Tensor, x: Tensor, eps: float) -> Tensor:
    """``x_adv`` in the dtype of ``x``, rounded towards ``x`` where rounding to nearest would leave the ball."""
    rounded = x_adv.to(x.dtype)
    if rounded.dtype == x_adv.dtype:
        return x_adv
    outside = (rounded.to(x_adv.dtype) - x.to(x_adv.dtype)).abs() > eps
    # Numbers in [0, 1] are ordered as their bits are; nextafter does not know half precision on every device.
    nearer = rounded.view(torch.int16) + (x.clamp(0, 1) - rounded).sign().to(torch.int16)
    return torch.where(outside, nearer.view(x.dtype), rounded)


def draw_per_image(sampler: Callable[..., Tensor], x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Random numbers shaped like ``x``, drawn image by image on the CPU, so that they do not depend on the batch size."""
    _check_generator(generator)
    return drawn(sampler, x.shape[1:], [generator] * len(x)).to(x)


def drawn(
    sampler: Callable[..., Tensor],
    shape: Sequence[int],
    generators: Sequence[torch.Generator | None],
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Random numbers ``(N, *shape)``, a generator for each row, whatever torch's default dtype and device are."""
    return torch.stack([sampler(shape, generator=generator, dtype=dtype, device="cpu") for generator in generators])


def image_generators(x: Tensor, generator: torch.Generator | None) -> list[torch.Generator]:
    """A generator for each image, seeded by ``generator`` in turn, for attacks that draw repeatedly."""
    _check_generator(generator)
    return [
        torch.Generator().manual_seed(int(torch.randint(2**63 - 1, (), generator=generator, device="cpu"))) for _ in range(len(x))
    ]


def _check_generator(generator: torch.Generator | None) -> None:
    if generator is None:
        return
    if not isinstance(generator, torch.Generator):
        raise InputError(
            f"the generator is {type(generator).__name__}, not a torch.Generator: pass torch.Generator().manual_seed(3)"
        )
    if generator.device.type != "cpu":
        raise InputError(f"the generator is on {generator.device}: use one on the CPU, so that every device draws the same numbers")


def check_inputs(x: Tensor, y: Tensor | None = None, **lengths: float) -> None:
    """Refuse images outside [0, 1], labels that do not fit them, and lengths outside [0, 1]."""
    check_images(x)
    if x.dtype == torch.uint8:
        raise InputError("attacks take float images in [0, 1]: divide by 255 first")
    if y is not None:
        check_labels(x, y)
    for name, value in lengths.items():
        if not _within(0, 1, name, value):
            raise InputError(f"{name} {short(value)} lies outside [0, 1]: images are in [0, 1], write 16/255 for 16 levels")


def check_range(low: float, high: float = LARGEST_COUNT, *, exclusive: bool = False, **numbers: float) -> None:
    """Refuse numbers outside ``[low, high]``, or ``(low, high]`` where ``low`` itself is ``exclusive``."""
    for name, value in numbers.items():
        if not _within(low, high, name, value) or (exclusive and value == low):
            raise InputError(f"{name} {short(value)} lies outside {'(' if exclusive else '['}{low:g}, {high:g}]")


def _within(low: float, high: float, name: str, value: float) -> bool:
    # Tensors, arrays and fractions would each need care in what is computed with them.
    if not isinstance(value, Real) or isinstance(value, bool | Fraction):
        raise InputError(f"{name} {one_line(repr(value)):.60} is not a number such as 0.5: pass an int or a float")
    return bool(low <= value <= high)


def check_counts(**counts: SupportsIndex) -> None:
    """Refuse counts, as of steps, that are not whole numbers from 1 to ``LARGEST_COUNT``."""
    for name, count in counts.items():
        with suppress(TypeError):
            if not isinstance(count, bool) and 1 <= index(count) <= LARGEST_COUNT:
                continue
        raise InputError(f"{name} {short(count)} must be a whole number, at least 1 and at most {LARGEST_COUNT:g}")


def check_classes(model: nn.Module, x: Tensor, y: Tensor) -> int:
    """Refuse a model that returns no logits, and labels that are none of its classes; return how many classes it has."""
    classes = logits(model, x[:1]).shape[1]
    check_attackable(y, classes)
    return classes


def check_attackable(y: Tensor, classes: int) -> None:
    """Refuse labels that are none of the model's classes, and a model without a wrong class."""
    if classes < 2:
        raise InputError(f"the model has {classes} class: there is no wrong one to attack towards")
    check_label_values(y, classes)
