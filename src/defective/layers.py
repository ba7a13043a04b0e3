"""The one layer this project is about."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual

from defective.errors import InputError

# Selecting is one AND with all ones or all zeros on the bits of the number: three to five times the speed of torch.where on a CPU,
# the same bits, and it can be done in place.
_BITS = {torch.float64: torch.int64, torch.float32: torch.int32, torch.bfloat16: torch.int16, torch.float16: torch.int16}

# Names of torch's own, without which nobody could tell whether a tensor is what it looks like.
_KNOWN = hasattr(torch._C, "_are_functorch_transforms_active") and hasattr(torch._C._functorch, "is_legacy_batchedtensor")


class DefectMask(nn.Module):
    r"""Set a fixed set of neurons to zero for ever, in training and in evaluation.

    .. math:: z = M_\mathrm{defect} * z'

    A dead neuron outputs exactly 0 and passes back exactly 0, also where its input is inf or nan (a selection, not a product). No
    rescaling by ``1/p``. The mask is a bool buffer ``defect_mask`` of shape ``(1, C, H, W)``: it is in the state dict, follows
    ``.to()``, and is never trained or cast to half.

    Args:
        mask: Bool tensor ``(C, H, W)``, ``True`` where the neuron is kept, as :func:`defective.sample_mask` draws it.

    Shape:
        Input and output ``(N, C, H, W)``.

    Raises:
        InputError: If the mask is not a bool ``(C, H, W)`` tensor, or, when called, if the input has another shape than the mask.

    Source: paper Eq. 5.

    Example:
        >>> layer = DefectMask(torch.tensor([[[True, False]]]))
        >>> layer(torch.tensor([[[[2.0, float("inf")]]]]))
        tensor([[[[2., 0.]]]])
    """

    defect_mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        if mask.dtype != torch.bool or mask.dim() != 3:
            raise InputError(f"a defect mask is a bool (C, H, W) tensor, not {mask.dtype} of shape {tuple(mask.shape)}")
        # Four axes, so that .to(memory_format=torch.channels_last) lays the mask out like the activations it meets.
        self.register_buffer("defect_mask", mask.unsqueeze(0))

    def forward(self, z: Tensor) -> Tensor:
        return apply_mask(z, self.defect_mask, "DefectMask")

    def extra_repr(self) -> str:
        return f"shape={tuple(self.defect_mask.shape[1:])}, live={int(self.defect_mask.sum())}"


def apply_mask(z: Tensor, mask: Tensor, site: str, *, in_place: bool = False) -> Tensor:
    """Zero ``z`` of shape ``(N, C, H, W)`` where ``mask`` ``(1, C, H, W)`` is false.

    ``in_place`` allows ``z`` itself to be overwritten: nobody else may hold it, and what made it may not need it in its backward.
    """
    if z.shape[1:] != mask.shape[1:]:
        raise InputError(
            f"{site}: the mask was drawn for activations {tuple(mask.shape[1:])} but met {tuple(z.shape[1:])}; "
            "masks are bound to one image size: feed that size, or restore_ the net and call defect_ with the new one"
        )
    return _select(z, mask, in_place)


def _select(z: Tensor, mask: Tensor, in_place: bool) -> Tensor:
    if _eager_on_cpu(z):
        return _Select.apply(z, mask, in_place)  # type: ignore[no-any-return, no-untyped-call]
    return torch.where(mask, z, 0)


def _eager_on_cpu(z: Tensor) -> bool:
    # Whatever traces, transforms or wraps tensors knows torch.where best, and so does a GPU, where one small launch is all it costs.
    return (
        not torch.compiler.is_compiling()
        and type(z) is Tensor
        and z.device.type == "cpu"
        and z.dtype in _BITS
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        and _KNOWN
        and not torch._C._are_functorch_transforms_active()
        and not torch._C._functorch.is_legacy_batchedtensor(z)
        and unpack_dual(z).tangent is None
    )


class _Select(torch.autograd.Function):
    """``where(mask, z, 0)`` on the bits of ``z``."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, mask: Tensor, in_place: bool) -> Tensor:
        ctx.save_for_backward(mask)
        bits, keep = z.view(_BITS[z.dtype]), mask.to(_BITS[z.dtype]).neg_()
        if not in_place:
            return bits.bitwise_and(keep).view(z.dtype)
        bits.bitwise_and_(keep)
        ctx.mark_dirty(z)
        return z

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        # Never in place: a sum hands one gradient to both its terms.
        return _select(gradient, ctx.saved_tensors[0], in_place=False), None, None
