"""The same model for inference, computed through its live neurons only."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Literal, Self

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from defective import machine
from defective.errors import InputError
from defective.inference import as_images, device_of, dtype_of, reported
from defective.layers import DefectMask
from defective.machine import unwrap_model
from defective.sparse.liveness import LayerChoice, choose_layers, live_neurons
from defective.sparse.lower import Lowering
from defective.sparse.prepare import copied, follow, refuse, refuse_other_images, remove_pruning_

# Numbers in the largest live feature map of the images computed together: more would fall out of a processor's cache.
CACHED_NUMBERS = 1 << 22
# Numbers in the largest feature map of the images that layers are timed on: more would take seconds, and much memory.
TIMED_NUMBERS = 1 << 24
# How far logits may lie from the dense model's, as a share of the largest. In bfloat16, 20 models of timm differ by at most 0.01, as much
# as the dense ones under torch.autocast do; TF32, which cuDNN uses for float32 unless told otherwise, has three bits more.
_FAILED = "the sparsified model failed"
TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2, "tf32": 5e-3}


class SparseNet(nn.Module):
    """What :func:`sparsify` makes: a frozen model in eval mode, from images ``(N, C, H, W)`` in [0, 1] to float logits ``(N, K)``.

    Attributes:
        choices: For each convolution whether it is computed through live neurons alone, and how many products that takes.
        precision: ``"fp32"`` or ``"bf16"``.
    """

    def __init__(
        self,
        body: fx.GraphModule,
        choices: list[LayerChoice],
        precision: str,
        dtype: torch.dtype,
        image_shape: tuple[int, ...],
        rows: int,
    ) -> None:
        super().__init__()
        self.body, self.choices, self.precision = body, choices, precision
        self.dtype, self.image_shape = dtype, image_shape
        self.images_at_once = max(1, CACHED_NUMBERS // max(1, rows))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = as_images(x)
        refuse_other_images(x, self.image_shape)
        # Even parts: a last one of a single image may lose its first axis in a model that squeezes.
        parts = x.tensor_split(max(1, -(-len(x) // self.images_at_once)) if x.device.type == "cpu" else 1)
        with torch.autocast(x.device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext():
            # A copy: the model may write into its images.
            copies = (part.to(self.dtype, memory_format=torch.channels_last, copy=True) for part in parts)
            z = torch.cat([self.body(images) for images in copies])
        return z.to(x.dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        if fn(torch.empty(0, dtype=self.dtype)).dtype != self.dtype:
            raise InputError(
                'a sparsified model keeps its type: call sparsify again, with precision="bf16" or on a model of the type you want'
            )
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def train(self, mode: bool = True) -> "SparseNet":
        """Only eval mode; there is nothing left in it to train."""
        if mode:
            raise InputError("a sparsified model is frozen: train the model it was made from, then call sparsify again")
        return super().train(mode)


@torch.inference_mode(False)
def sparsify(
    model: nn.Module, example_inputs: Tensor, *, precision: Literal["fp32", "bf16"] = "fp32", timed_images: int = 32
) -> SparseNet:
    r"""The function of ``model`` in eval mode, computed through live neurons only where that is faster.

    .. math:: z_j = M_j \Big(b_j + \sum_{i : M_i = 1} W_{ji} z_i\Big)

    In a layer computed so, a dead neuron is never computed and never read: its feature maps become matrices ``(live neurons, N)``,
    its convolution a sparse matrix of the weights between live neurons, with the batch norm folded in; residual sums run over the
    union of the live neurons. Each convolution is computed so or as a dense one, whichever is faster on this machine, the changes
    from one form to the other counted (a tenth of the neurons alive gains most, at half of them nothing does). Where the whole is no
    faster so, all of them are dense, as on a GPU; ``.choices`` of the result says what was chosen and what each form took. Dense
    layers have their batch norm folded in too and run channels-last.
    Weights of convolutions that pruning or a parametrization computes at each call are computed once. Layers are known by their exact
    type: a subclass, a layer with another hook and a part that branches on values are called as they are. ``model`` is not touched
    and shares nothing with the result. What lies on a masked neuron is never read: where the dense model would make nan of an
    infinity there, a live layer makes 0.

    Args:
        model: Any model that :func:`defect_` has touched, and any other that torch.fx can follow.
        example_inputs: Images ``(N, C, H, W)`` in [0, 1]. The result takes batches of any size of such images. On the first of them and
            on one of random pixels its logits are compared with those of ``model``.
        precision: ``"fp32"``, or ``"bf16"``: dense layers in bfloat16, live ones in float32.
        timed_images: Images at once in the timings that layers are chosen by: as many as you will pass at once, or fewer, and of
            large images fewer anyway. With 0 nothing is timed: operations are counted, and the choice is the same on every machine.

    Returns:
        A model for inference; logits agree to 1e-4 of the largest in ``"fp32"`` (5e-3 where a GPU computes in TF32), to 0.05 in
        ``"bf16"``, and derivatives with respect to the images follow, so attacks run on it.

    Raises:
        InputError: If the model cannot be copied, torch.fx cannot follow it (its forward branches on values, or a part with masks in
            it does), it overwrites a feature map in place that it reads again, its logits are not finite, or those of the result differ.

    Source: paper Eq. 5: what is multiplied by zero need not be computed.

    Example:
        >>> from defective import build
        >>> model = build("resnet18/0.1-bottom", width_mult=0.25).eval()
        >>> x = torch.rand(2, 3, 32, 32)
        >>> fast = sparsify(model, x, timed_images=0)
        >>> torch.allclose(fast(x), model(x), atol=1e-4)
        True
        >>> [choice.layer for choice in fast.choices if choice.live][:2]
        ['stem.conv', 'stages.1.0.conv1']
    """
    refuse(model, precision, example_inputs)
    if timed_images < 0:
        raise InputError(f"timed_images {timed_images} must be at least 0; 0 times nothing")
    if isinstance(model, SparseNet):
        raise InputError("this model is sparsified already: sparsify the model it was made from")
    dense = copied(unwrap_model(model), {}).eval()
    remove_pruning_(dense)
    exact = torch.promote_types(dtype_of(dense) or torch.float32, torch.float32)
    dtype = torch.float32 if precision == "bf16" else exact
    dense.to(dtype)
    device = device_of(dense)
    traced, images, wanted = follow(dense, example_inputs, device, dtype)
    live = live_neurons(traced)
    # The statistics of a whole batch may not fall into parts.
    whole = any(isinstance(module, _BatchNorm) and module.running_mean is None for module in dense.modules())

    def lowered(nodes: set[fx.Node], choices: list[LayerChoice]) -> SparseNet:
        body = Lowering(traced, live, nodes, torch.bfloat16 if precision == "bf16" else None).run()
        _freeze(body)
        rows = 0 if whole else max((int(live[node].sum()) for node in nodes), default=0)
        return SparseNet(body.to(device), choices, precision, dtype, tuple(example_inputs.shape[1:]), rows)

    largest = max((math.prod(shape) for shape in traced.shapes.values()), default=1)
    timed_images = min(timed_images, max(1, TIMED_NUMBERS // largest))
    nodes, choices = choose_layers(traced, live, precision, device, timed_images=timed_images)
    fast = lowered(nodes, choices)
    if nodes and timed_images:
        all_dense = lowered(set(), [replace(choice, live=False) for choice in choices])
        x = torch.rand(timed_images, *example_inputs.shape[1:], generator=torch.Generator().manual_seed(0))
        with torch.no_grad(), reported(_FAILED):
            as_live, as_dense = machine.shortest([lambda: fast(x), lambda: all_dense(x)])
        fast = fast if as_live < as_dense else all_dense
    rounding = machine.inference_precision(device) if precision == "fp32" else precision
    with torch.no_grad(), reported(_FAILED):
        difference, magnitude = float((fast(images) - wanted).abs().max()), float(wanted.abs().max())
    if not difference <= TOLERANCE[rounding] * magnitude:
        raise InputError(
            f"the sparsified model differs from the model: logits by {difference:.2g} where the largest is {magnitude:.2g}, and "
            f'{TOLERANCE[rounding]:g} of it is allowed; use the model itself, or precision="fp32" where that was another'
        )
    return fast


def _freeze(model: nn.Module) -> None:
    """Make buffers of all parameters: nothing is trained, and weights in bfloat16 do not say that images should be."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | DefectMask):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach())
