"""The defective layer: feature maps times a fixed mask."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, fx, nn
from torch.jit import is_tracing  # type: ignore[attr-defined]

from defective.errors import InputError
from defective.masks import MaskDraw


class DefectMask(nn.Module):
    r"""Multiply feature maps by a fixed mask of zeros and ones, in training and in evaluation.

    .. math:: z = M_\mathrm{defect} * z'

    A masked neuron outputs 0 and passes back a gradient of 0; nothing is rescaled by ``1/p``. A masked neuron
    whose input is inf or nan outputs nan. The mask is a bool buffer ``defect_mask`` of shape ``(1, C, H, W)``: it is in the state
    dict, follows ``.to()``, and is never trained or cast to half.

    Args:
        mask: Bool tensor ``(C, H, W)``, ``True`` where the neuron is kept, as :func:`defective.sample_mask` draws it.
        draw: How the mask was drawn, if known: a mask that leaves the meta device, where it has no values, is drawn again.
        name: Name of the layer in error messages.

    Shape:
        Input and output ``(N, C, H, W)``.

    Raises:
        InputError: If the mask is not a bool ``(C, H, W)`` tensor, or, when called, if the input has another shape than the mask.

    Source: paper Eq. 5.

    Example:
        >>> layer = DefectMask(torch.tensor([[[True, False]]]))
        >>> layer(torch.tensor([[[[2.0, 3.0]]]]))
        tensor([[[[2., 0.]]]])
    """

    defect_mask: Tensor

    def __init__(self, mask: Tensor, *, draw: MaskDraw | None = None, name: str = "DefectMask") -> None:
        super().__init__()
        if mask.dtype != torch.bool or mask.dim() != 3:
            raise InputError(f"a defect mask is a bool (C, H, W) tensor, not {mask.dtype} of shape {tuple(mask.shape)}")
        self.draw, self.name = draw, name
        # Four axes, so that .to(memory_format=torch.channels_last) lays the mask out like the activations it meets.
        # A copy: masks of two layers never share memory, and none is that of a file.
        self.register_buffer("defect_mask", mask.unsqueeze(0).clone(memory_format=torch.contiguous_format))

    def forward(self, z: Tensor) -> Tensor:
        return apply_mask(z, self.defect_mask, self.name)

    def extra_repr(self) -> str:
        shape = "x".join(map(str, self.defect_mask.shape[1:]))
        live = "?" if self.defect_mask.is_meta else int(self.defect_mask.sum())
        return f"{shape}, live={live} of {self.defect_mask.numel()}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        was_meta = self.defect_mask.is_meta
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        # .type() casts every buffer.
        self.defect_mask = self.defect_mask.bool()
        # Not in reset_parameters, which re-initialisation calls on every module.
        if was_meta and not self.defect_mask.is_meta:
            if self.draw is None:
                raise InputError(
                    f"{self.name}: the mask has lost its values on the meta device: restore_ the model, leave the device, then "
                    "attach_masks_ puts stored masks back"
                )
            channels, height, width = self.defect_mask.shape[1:]
            self.defect_mask.copy_(self.draw.sample((channels, height, width)))
        return self


@fx.wrap
def apply_mask(z: Tensor, mask: Tensor, name: str) -> Tensor:
    """``z`` of shape ``(N, C, H, W)`` times ``mask`` of shape ``(1, C, H, W)``; one node in a graph of torch.fx."""
    # torch.jit.trace would warn of a comparison of sizes.
    if not is_tracing() and (z.dim() != 4 or z.shape[1:] != mask.shape[1:]):
        sizes = ["(" + ", ".join([str(size) for size in shape]) + ")" for shape in [list(mask.shape[1:]), list(z.shape[1:])]]
        raise InputError(
            f"{name}: the mask is for activations {sizes[0]} but got {sizes[1]}; masks fit one image size: resize the images to it "
            "(loses least), or call resize_masks_ with the new size"
        )
    return z * mask


def pattern_of(mask: Tensor) -> Any:
    """The pattern of a mask ``(C, H, W)`` by its bits alone; ``"neuron"`` if all are equal."""
    if mask.all() or not mask.any():
        return "neuron"
    if torch.equal(mask, mask[:, :1, :1].expand_as(mask)):
        return "channel"
    return "shared" if torch.equal(mask, mask[:1].expand_as(mask)) else "neuron"
