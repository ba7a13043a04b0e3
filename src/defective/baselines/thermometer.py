"""A thermometer code of the input, instead of the model's normalisation."""

from typing import Any

import torch
from torch import Tensor, nn

from defective.errors import InputError
from defective.sites import architecture_of, forget_spec
from defective.text import short


class Thermometer(nn.Module):
    r"""Turn each pixel into as many zeros and ones as there are levels, ones up to the pixel's level.

    .. math:: \tau_l(x) = [\mathrm{level}(x) \ge l], \qquad \mathrm{level}(x) = \min(\lfloor L x \rfloor, L - 1)

    The derivative of the steps is zero or infinite. Backward takes that of the smooth surrogate
    :math:`\hat\tau_l(x) = \mathrm{clip}(x - l / L, 0, 1)`, which is 1 where ``l / L < x`` and else 0, so that gradient attacks reach
    the image and do not mistake the step for robustness.

    Args:
        levels: Levels ``L`` of a pixel, 2 to 256; the paper's models have 16 and 32.

    Shape:
        Images ``(N, C, H, W)`` in [0, 1] to ``(N, C * L, H, W)`` of the same dtype, or that of autocast; channel ``c * L + l`` is
        entry ``l`` of channel ``c``.

    Raises:
        InputError: If ``levels`` is out of range, or, when called, if the input is not ``(N, C, H, W)`` floats.

    Source: Buckman et al. 2018; backward as Athalye et al. 2018, Section 5.1.

    Example:
        >>> Thermometer(4)(torch.tensor([[[[0.0, 0.3, 1.0]]]]))[0, :, 0].T
        tensor([[1., 0., 0., 0.],
                [1., 1., 0., 0.],
                [1., 1., 1., 1.]])
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        if levels not in range(2, 257):
            raise InputError(f"a thermometer cannot have {short(levels)} levels: use a whole number from 2 to 256, such as 16")
        self.levels = int(levels)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or not x.is_floating_point():
            raise InputError(f"a thermometer reads float images (N, C, H, W) in [0, 1], not {x.dtype} of shape {tuple(x.shape)}")
        code: Tensor = _Code.apply(x, self.levels, _code_dtype(x))  # type: ignore[no-untyped-call]
        # Laid out like the images: whoever keeps to contiguous tensors has a reason, see defective.machine.memory_format.
        return code.contiguous() if x.is_contiguous() else code

    def level_of(self, x: Tensor) -> Tensor:
        """The level of each pixel of images ``(N, C, H, W)`` in [0, 1], a whole number from 0 to ``levels - 1``.

        Example:
            >>> Thermometer(16).level_of(torch.tensor([[[[0.0, 0.5, 1.0]]]]))
            tensor([[[[ 0,  8, 15]]]])
        """
        return (x * self.levels).floor().long().clamp(0, self.levels - 1)

    def relaxed(self, lowest: Tensor, tails: Tensor) -> Tensor:
        """The code of pixels whose level is only known with probabilities: entry ``l`` is the probability of level ``l`` or more.

        Args:
            lowest: Lowest level each pixel can have, whole numbers ``(N, C, H, W)``.
            tails: Probability ``(N, C, K, H, W)`` that it is 1, 2, ..., ``K`` levels higher or more; 0 beyond the last level.

        Returns:
            ``(N, C * levels, H, W)``; with ``tails`` of 0 and 1 what the module makes of a pixel of that level.

        Example:
            >>> lowest, tails = torch.tensor([[[[1]]]]), torch.tensor([0.75, 0.25]).view(1, 1, 2, 1, 1)
            >>> Thermometer(5).relaxed(lowest, tails).flatten()
            tensor([1.0000, 1.0000, 0.7500, 0.2500, 0.0000])
        """
        if tails.dim() != 5 or lowest.shape != tails.shape[:2] + tails.shape[3:]:
            raise InputError(f"tails of levels {tuple(lowest.shape)} have shape (N, C, K, H, W), not {tuple(tails.shape)}")
        dtype = _code_dtype(tails)
        rungs = torch.arange(self.levels, device=lowest.device)
        certain = (lowest.permute(0, 2, 3, 1).unsqueeze(4) >= rungs).to(dtype)
        higher = torch.arange(1, tails.shape[2] + 1, device=lowest.device)
        entries = (lowest.permute(0, 2, 3, 1).unsqueeze(4) + higher).clamp_max(self.levels - 1)
        return certain.scatter_add(4, entries, tails.permute(0, 3, 4, 1, 2).to(dtype)).flatten(3).permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return f"levels={self.levels}"


def thermometer_(model: nn.Module, levels: int) -> None:
    """Let a built-in model read thermometer-coded images, instead of normalising them.

    ``model.normalize`` becomes a :class:`Thermometer` and the first convolution, with fresh weights from torch's global generator, reads
    its channels; everything else stays, masks included. Images remain in [0, 1]. Call it before the optimiser is
    made. A ``.spec`` that :func:`defective.build` gave the model becomes None.

    Args:
        model: A built-in model.
        levels: Levels of a pixel, 2 to 256.

    Raises:
        InputError: If the model is not a built-in one, has a thermometer already, or ``levels`` is out of range; it is then unchanged.

    Source: Buckman et al. 2018.

    Example:
        >>> from defective import create_model
        >>> model = create_model("vgg19", width_mult=0.125)
        >>> thermometer_(model, 16)
        >>> model.blocks[0].conv1.in_channels, model(torch.rand(2, 3, 32, 32)).shape
        (48, torch.Size([2, 10]))
    """
    encoder = Thermometer(levels)
    architecture = architecture_of(model)
    if architecture is None:
        raise InputError(
            f"{type(model).__name__} is not a built-in model: put the code in front by hand, nn.Sequential(Thermometer({levels}), model) "
            f"with a first convolution of {levels} times the channels and no normalisation"
        )
    if isinstance(model.normalize, Thermometer):
        raise InputError(f"this model has a thermometer of {model.normalize.levels} levels already: start from a plain model")
    stem = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    # Changed rather than replaced: a mask or a drop on it stays.
    stem.in_channels = architecture.in_chans * encoder.levels
    stem.weight = nn.Parameter(stem.weight.new_empty(stem.out_channels, stem.in_channels, *stem.kernel_size))
    stem.reset_parameters()
    model.normalize = encoder
    model.architecture = architecture.model_copy(update={"thermometer": encoder.levels})  # type: ignore[assignment]
    forget_spec(model)


def _code_dtype(x: Tensor) -> torch.dtype:
    # Zeros and ones are exact in any precision: the one that the convolution will want anyway saves a copy.
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if kind != "meta" and torch.is_autocast_enabled(kind) else x.dtype


class _Code(torch.autograd.Function):
    """Images ``(N, C, H, W)`` to ``(N, C * levels, H, W)``, laid out channels-last: each pixel's code is one run of memory."""

    @staticmethod
    def forward(x: Tensor, levels: int, dtype: torch.dtype) -> Tensor:
        rungs = torch.arange(levels, device=x.device, dtype=x.dtype)
        # floor(L x) >= l exactly where L x >= l.
        return ((x * levels).clamp_min(0).permute(0, 2, 3, 1).unsqueeze(4) >= rungs).to(dtype).flatten(3).permute(0, 3, 1, 2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, ctx.levels, _ = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        rungs = torch.arange(ctx.levels, device=x.device, dtype=x.dtype) / ctx.levels
        slopes = grads[0].permute(0, 2, 3, 1).unflatten(3, (x.shape[1], ctx.levels))
        # Summed in the image's precision: dozens of slopes in bfloat16 would cancel into noise.
        summed = torch.where(rungs < x.permute(0, 2, 3, 1).unsqueeze(4), slopes, 0).sum(4, dtype=x.dtype)
        return summed.permute(0, 3, 1, 2), None, None
