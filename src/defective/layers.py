"""The one layer this project is about."""

import torch
from torch import Tensor, nn

from defective.errors import InputError


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


def apply_mask(z: Tensor, mask: Tensor, site: str) -> Tensor:
    """Zero ``z`` of shape ``(N, C, H, W)`` where ``mask`` ``(1, C, H, W)`` is false."""
    if z.shape[1:] != mask.shape[1:]:
        raise InputError(
            f"{site}: the mask was drawn for activations {tuple(mask.shape[1:])} but met {tuple(z.shape[1:])}; "
            "masks are bound to one image size: feed that size, or restore_ the net and call defect_ with the new one"
        )
    return torch.where(mask, z, 0)
