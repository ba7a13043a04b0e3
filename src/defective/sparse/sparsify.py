"""The same net for inference, computed through its live neurons only."""

import copy
from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from defective.baselines import undrop_
from defective.errors import InputError
from defective.inference import as_images, check_images, device_of, dtype_of
from defective.sparse.graph import Traced
from defective.sparse.liveness import LayerChoice, choose_layers, live_neurons
from defective.sparse.lower import Lowering, run_in_place
from defective.surgery import defects, restore_

# Numbers in the largest live feature map of the images computed together: more would fall out of a processor's cache.
CACHED_NUMBERS = 1 << 22


class SparseNet(nn.Module):
    """What :func:`sparsify` makes: a frozen net in eval mode, from images ``(N, C, H, W)`` in [0, 1] to float logits ``(N, K)``.

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
        if tuple(x.shape[1:]) != self.image_shape:
            raise InputError(
                f"images have shape {tuple(x.shape)}; this net was sparsified for (N, {', '.join(map(str, self.image_shape))})"
            )
        parts = x.split(self.images_at_once if x.device.type == "cpu" else max(1, len(x)))
        with torch.autocast(x.device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext():
            z = torch.cat([self.body(part.to(self.dtype, memory_format=torch.channels_last)) for part in parts])
        return z.to(x.dtype)

    def train(self, mode: bool = True) -> "SparseNet":
        """Only eval mode; there is nothing left in it to train."""
        if mode:
            raise InputError("a sparsified net is frozen: train the net it was made from, then call sparsify again")
        return super().train(mode)


def sparsify(model: nn.Module, example_inputs: Tensor, *, precision: Literal["fp32", "bf16"] = "fp32") -> SparseNet:
    r"""The function of ``model`` in eval mode, computed through live neurons only where that is faster.

    .. math:: z_j = M_j \Big(b_j + \sum_{i : M_i = 1} W_{ji} z_i\Big)

    A dead neuron is never computed and never read: the feature maps of a defective layer become matrices ``(live neurons, N)``, its
    convolution a sparse matrix of the weights between live neurons, with the batch norm folded in; residual sums run over the union
    of the live neurons. Each convolution is computed so or as a dense one, whichever a cost model finds cheaper, the changes from
    one form to the other counted; ``.choices`` of the result says how. Dense layers have their batch norm folded in too and run
    channels-last. ``model`` is not touched and shares nothing with the result.

    Args:
        model: Any net that :func:`defect_` has touched, and any other that torch.fx can follow.
        example_inputs: Images ``(N, C, H, W)`` in [0, 1] for one forward pass, which finds the shapes. The result takes batches of any
            size of such images.
        precision: ``"fp32"``, or ``"bf16"``: dense layers in bfloat16, live ones in float32.

    Returns:
        A net for inference; logits agree to 1e-4 in ``"fp32"``, and so do derivatives with respect to the images, so attacks run on it.

    Raises:
        InputError: If torch.fx cannot follow the net (its forward branches on values, say), or overwrites a feature map in place that
            it reads again.

    Source: paper Eq. 5: what is multiplied by zero need not be computed.

    Example:
        >>> from defective import build
        >>> net = build("resnet18/0.1-bottom", width_mult=0.25).eval()
        >>> x = torch.rand(2, 3, 32, 32)
        >>> fast = sparsify(net, x)
        >>> torch.allclose(fast(x), net(x), atol=1e-4)
        True
        >>> [choice.layer for choice in fast.choices if choice.live][:2]
        ['stem.conv', 'stages.1.0.conv1']
    """
    if precision not in ("fp32", "bf16"):
        raise InputError(f"no precision {precision!r}; there are fp32, bf16")
    check_images(example_inputs)
    net = copy.deepcopy(model).eval()
    exact = torch.promote_types(dtype_of(net) or torch.float32, torch.float32)
    dtype = torch.float32 if precision == "bf16" else exact
    net.to(dtype)
    device = device_of(net)
    images = as_images(example_inputs[:1]).to(device, dtype)
    wanted = _logits(net, images)
    masks = {defect.site: net.get_submodule(defect.site).get_buffer("defect_mask") for defect in defects(net)}
    restore_(net)
    undrop_(net)
    traced = Traced(net, masks, images)
    if not (isinstance(traced.output, Tensor) and torch.allclose(traced.output, wanted, 1e-4, 1e-6, equal_nan=True)):
        raise InputError(
            f"what torch.fx followed is not what {type(model).__name__} computes: look for a hook on the net or after a mask, and for "
            "a sum in place (x += y) whose operand is read again under another name"
        )
    live = live_neurons(traced)
    nodes, choices = choose_layers(traced, live, precision)
    body = Lowering(traced, live, nodes, torch.bfloat16 if precision == "bf16" else None).run()
    run_in_place(body)
    _freeze(body)
    body.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    rows = max((int(live[node].sum()) for node in nodes), default=0)
    if any(isinstance(module, _BatchNorm) and module.running_mean is None for module in net.modules()):
        # It takes the statistics of the whole batch, which then may not fall into parts.
        rows = 0
    return SparseNet(body, choices, precision, dtype, tuple(example_inputs.shape[1:]), rows)


def _logits(net: nn.Module, images: Tensor) -> Tensor:
    """What the dense net makes of the images, before anything of it is taken apart."""
    try:
        with torch.no_grad():
            z = net(images)
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the model cannot take example_inputs of shape {tuple(images.shape)}: {reason}") from error
    if not isinstance(z, Tensor):
        raise InputError(f"the model returned {type(z).__name__}, not logits (N, K)")
    return z


def _freeze(net: nn.Module) -> None:
    """Make buffers of all parameters: nothing is trained, and weights in bfloat16 do not say that images should be."""
    for module in net.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach())
