"""Draw the fixed masks of defective layers."""

import hashlib
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from operator import index
from typing import Any, SupportsFloat, SupportsIndex, get_args

import torch
from torch import Tensor

from defective.errors import InputError
from defective.specs import Pattern, Sampling
from defective.text import choices, short


def live_count(total: int, keep_prob: float) -> int:
    """Neurons left alive when exactly ``floor(total * (1 - keep_prob))`` of ``total`` die.

    Source: the released mask generators truncate the count of zeros, so the kept share is ``keep_prob`` rounded up.

    Example:
        >>> live_count(65536, 0.1), live_count(1024, 0.1), live_count(64, 0.3)
        (6554, 103, 20)
    """
    # 1 - 0.9 is just under 0.1 in binary; the nudge keeps floor at the decimal answer.
    return total - math.floor(total * (1 - keep_prob) + 1e-9)


def sample_mask(
    shape: tuple[int, int, int],
    keep_prob: float,
    *,
    pattern: Pattern = "neuron",
    sampling: Sampling = "exact",
    generator: torch.Generator,
) -> Tensor:
    r"""Draw one fixed defect mask.

    .. math:: M_{chw} \in \{0, 1\}, \qquad P(M_{chw} = 1) = p

    Args:
        shape: Activation shape ``(C, H, W)``, batch axis left out.
        keep_prob: Chance ``p`` in ``[0, 1]`` that a neuron is kept; 1 is the standard layer.
        pattern: ``"neuron"`` draws ``C*H*W`` values, ``"channel"`` draws ``C``, ``"shared"`` draws one ``(H, W)`` plane for all
            channels.
        sampling: ``"exact"`` kills ``floor(n * (1 - p))`` of the ``n`` values drawn (the released code); ``"bernoulli"`` draws
            each on its own (the paper's text).
        generator: Source of the draw, on the CPU. Required, because the mask is part of the model.

    Returns:
        Bool tensor ``(C, H, W)`` on the CPU, ``True`` where the neuron is kept.

    Raises:
        InputError: If ``keep_prob`` lies outside ``[0, 1]``, the pattern or sampling is unknown, or a size is below 1.

    Source: paper Section 3.1; Table 4 for the patterns (DC is ``channel``, SM is ``shared``).

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> mask = sample_mask((64, 32, 32), 0.5, pattern="channel", generator=g)
        >>> mask.shape, int(mask[:, 0, 0].sum()), mask.flatten(1).float().mean(1).unique()
        (torch.Size([64, 32, 32]), 32, tensor([0., 1.]))
    """
    keep_prob = as_number(keep_prob)
    if not 0 <= keep_prob <= 1:
        raise InputError(f"keep_prob {keep_prob} lies outside [0, 1]")
    if not isinstance(generator, torch.Generator):
        raise InputError(f"generator is {short(generator)}: pass torch.Generator().manual_seed(0)")
    sizes = shape if isinstance(shape, Sequence) else ()
    if len(sizes) != 3 or not all(isinstance(size, Integral) and size >= 1 for size in sizes):
        raise InputError(f"mask shape {short(shape)} is not (C, H, W) with sizes of at least 1")
    channels, height, width = shape
    drawn_shapes = {"neuron": shape, "channel": (channels, 1, 1), "shared": (1, height, width)}
    # As a list: a value that has no hash is refused, too.
    if pattern not in list(drawn_shapes):
        raise InputError(f"no mask pattern {pattern!r}{choices(pattern, drawn_shapes)}")
    drawn_shape = drawn_shapes[pattern]
    drawn = math.prod(drawn_shape)
    if sampling == "exact":
        kept = torch.zeros(drawn, dtype=torch.bool, device="cpu")
        kept[torch.randperm(drawn, generator=generator, device="cpu")[: live_count(drawn, keep_prob)]] = True
    elif sampling == "bernoulli":
        kept = torch.rand(drawn, generator=generator, dtype=torch.float64, device="cpu") < keep_prob
    else:
        raise InputError(f"no mask sampling {sampling!r}{choices(sampling, get_args(Sampling))}")
    return kept.view(drawn_shape).expand(shape).contiguous()


def as_number(keep_prob: SupportsFloat) -> float:
    """A float; of a narrower type the shortest decimal that it rounds to, so that np.float32(0.3) is 0.3."""
    try:
        value: Any = keep_prob
        if isinstance(value, Tensor):
            value = value.detach().cpu().numpy()[()] if value.dtype != torch.bfloat16 else value.item()
        return float(str(value)) if type(value).__module__ == "numpy" else float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"keep_prob {short(keep_prob)} is not a number in [0, 1]") from error


def checked_seed(label: str, seed: SupportsIndex) -> int:
    """The seed as a plain number, refused outside ``[0, 2**63)``, which is what a generator takes."""
    with suppress(TypeError):
        if 0 <= index(seed) < 1 << 63:
            return index(seed)
    raise InputError(f"{label} {str(seed)[:40]} is not a whole number from 0 to {(1 << 63) - 1}")


def named_generator(seed: int, name: str) -> torch.Generator:
    """A CPU generator for one named draw, so that a draw does not depend on which others were made before it."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "little") >> 1)


@dataclass(frozen=True)
class MaskDraw:
    """How a mask was drawn. The bits depend on these values and the activation shape alone, on every machine and device.

    Attributes:
        site: Name of the module whose output is masked.
        keep_prob, pattern, sampling: As in :func:`sample_mask`.
        seed: Root seed of the model's masks.
    """

    site: str
    keep_prob: float
    pattern: Pattern = "neuron"
    sampling: Sampling = "exact"
    seed: int = 0

    def sample(self, shape: tuple[int, int, int]) -> Tensor:
        """The mask, bool ``(C, H, W)`` on the CPU."""
        generator = named_generator(self.seed, f"mask/{self.site}")
        return sample_mask(shape, self.keep_prob, pattern=self.pattern, sampling=self.sampling, generator=generator)
