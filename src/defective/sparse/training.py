"""Train a defective model through its live neurons only."""

from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.autograd.function import once_differentiable

from defective.errors import InputError
from defective.inference import device_of, dtype_of
from defective.sparse.follow import follow, refuse, refuse_other_images
from defective.sparse.layers import LiveLayer, LiveProduct
from defective.sparse.liveness import LayerChoice, choose_layers, live_neurons
from defective.sparse.lower import Lowering
from defective.sparse.pattern import Pattern
from defective.sparse.prepare import copied


class LiveTraining(nn.Module):
    """What :func:`train_live` makes: in train mode the model through its live neurons, in eval mode the model itself.

    Attributes:
        model: The model that is trained; parameters and running statistics are its own.
        choices: For each convolution whether it is trained through live neurons alone, and how many products that takes.
    """

    def __init__(self, model: nn.Module, body: fx.GraphModule, choices: list[LayerChoice], image_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.model, self.body, self.choices, self.image_shape = model, body, choices, image_shape
        self.train(model.training)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return cast("Tensor", self.model(x))
        refuse_other_images(x, self.image_shape)
        own = {id(buffer) for buffer in self.model.buffers()}
        if any(id(module.norm.running_mean) not in own for module in self.body.modules() if isinstance(module, LiveNorm)):
            raise InputError(
                "the model was moved or cast after train_live and shares nothing with it any more: call train_live again"
            )
        return cast("Tensor", self.body(x))


@torch.inference_mode(False)
def train_live(model: nn.Module, example_inputs: Tensor, *, precision: str = "fp32") -> LiveTraining:
    r"""A view of ``model`` for training whose steps compute live neurons only where that is faster.

    .. math:: \mu_c = \frac{1}{N L_c} \sum_{n} \sum_{i \in c : M_i = 1} z_{ni}

    Convolutions between defective layers are sparse products whose factors are gathered from the dense weights at each step; their
    derivatives are sampled products and land in the dense weights' gradients. Batch norm there takes its statistics over the ``L_c``
    live neurons of channel ``c``, not over all of them as the dense model does: masks are random, so both estimate the same moments,
    but the two ways of training do not end with the same model. Dense layers are trained as they are.

    Args:
        model: Model that :func:`defect_` has touched, on its device, in its memory format and with its masks. It is trained: parameters
            and running statistics are shared. In eval mode the result is the model itself; switch between the modes with the result's
            own ``train`` and ``eval``. Norms set to eval by hand are trained all the same.
        example_inputs: Images ``(N, C, H, W)`` in [0, 1] for one forward pass, which finds the shapes.
        precision: ``"bf16"`` where training runs under autocast: it weighs how much a dense layer costs.

    Raises:
        InputError: As :func:`sparsify`; when called in train mode, on images of another size or after the model was moved or cast.

    Source: paper Eq. 5.

    Example:
        >>> from defective import build
        >>> model = build("resnet18/0.1-bottom", width_mult=0.25)
        >>> fast = train_live(model, torch.rand(2, 3, 32, 32))
        >>> fast.train()(torch.rand(8, 3, 32, 32)).sum().backward()
        >>> model.stem.conv.weight.grad is not None
        True
    """
    refuse(model, precision, example_inputs)
    device = device_of(model)
    # The structure is a copy without masks; every tensor in it is the model's own.
    own = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    traced, *_ = follow(copied(model, own).train(), example_inputs, device, dtype_of(model))
    live = live_neurons(traced)
    nodes, choices = choose_layers(traced, live, precision, device)
    body = _TrainedLowering(traced, live, nodes, torch.bfloat16 if precision == "bf16" else None).run()
    for name, buffer in body.named_buffers():
        if id(buffer) not in own:
            owner, _, key = name.rpartition(".")
            setattr(body.get_submodule(owner), key, buffer.to(device))
    return LiveTraining(model, body, choices, tuple(example_inputs.shape[1:]))


class TrainedConv(LiveLayer):
    """A convolution between live neurons whose factors come from a dense one at each step."""

    channel: Tensor
    source: Tensor

    def __init__(self, conv: nn.Conv2d, pattern: Pattern, channel: Tensor) -> None:
        super().__init__()
        self.conv, self.product = conv, LiveProduct(pattern)
        self.register_buffer("source", pattern.source)
        self.register_buffer("channel", channel)

    def forward(self, live: Tensor) -> Tensor:
        found: Tensor = self.product(live, self.conv.weight.flatten().index_select(0, self.source))
        return found if self.conv.bias is None else found.add_(self.conv.bias[self.channel, None])


class LiveNorm(LiveLayer):
    """Batch norm in train mode whose statistics are those of live neurons."""

    channel: Tensor
    count: Tensor

    def __init__(self, norm: nn.BatchNorm2d, channel: Tensor) -> None:
        super().__init__()
        self.norm = norm
        self.register_buffer("channel", channel)
        self.register_buffer("count", torch.bincount(channel, minlength=norm.num_features))

    def forward(self, live: Tensor) -> Tensor:
        weight, bias = self.norm.weight, self.norm.bias
        weight = live.new_ones(self.norm.num_features) if weight is None else weight
        bias = live.new_zeros(self.norm.num_features) if bias is None else bias
        with torch.autocast(live.device.type, enabled=False):
            out, mean, variance = _Norm.apply(live, weight, bias, self.channel, self.count, self.norm.eps)  # type: ignore[no-untyped-call]
        self._remember(mean, variance, live.shape[1])
        return cast("Tensor", out)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, images: int) -> None:
        """Move the running statistics of the channels that live, as torch's batch norm does."""
        norm, seen = self.norm, (self.count * images).to(variance)
        cast("Tensor", norm.num_batches_tracked).add_(1)
        momentum = 1 / int(cast("Tensor", norm.num_batches_tracked)) if norm.momentum is None else norm.momentum
        unbiased = variance * (seen / (seen - 1).clamp_min(1))
        for running, found in ((norm.running_mean, mean), (norm.running_var, unbiased)):
            kept = cast("Tensor", running)
            kept.copy_(torch.where(self.count > 0, torch.lerp(kept, found.to(kept.dtype), momentum), kept))


class _Norm(torch.autograd.Function):
    """Batch norm of rows that belong to channels; also returns each channel's mean and variance."""

    @staticmethod
    def forward(
        ctx: Any, live: Tensor, weight: Tensor, bias: Tensor, channel: Tensor, count: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        seen = (count * live.shape[1]).clamp_min(1)
        mean = _by_channel(live.sum(1), channel, count) / seen
        centred = live - mean[channel, None]
        variance = _by_channel(torch.linalg.vecdot(centred, centred), channel, count) / seen
        scale = (variance + eps).rsqrt()
        normal = centred.mul_(scale[channel, None])
        ctx.save_for_backward(normal, weight, scale, channel, seen)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(bias[channel, None], normal, weight[channel, None]), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        normal, weight, scale, channel, seen = ctx.saved_tensors
        to_bias = _by_channel(gradient.sum(1), channel, seen)
        to_weight = _by_channel(torch.linalg.vecdot(gradient, normal), channel, seen)
        to_live = torch.addcmul(gradient, normal, (to_weight / seen)[channel, None], value=-1)
        to_live.sub_((to_bias / seen)[channel, None]).mul_((weight * scale)[channel, None])
        return to_live, to_weight, to_bias, None, None, None


def _by_channel(rows: Tensor, channel: Tensor, channels: Tensor) -> Tensor:
    return rows.new_zeros(len(channels)).index_add_(0, channel, rows)


class _TrainedLowering(Lowering):
    """Nothing is frozen: convolutions and norms stay apart and keep their parameters."""

    def end_of(self, conv: fx.Node) -> fx.Node:
        return conv

    def live_conv(self, node: fx.Node, pattern: Pattern, channel: Tensor) -> nn.Module:
        return TrainedConv(self.traced.module(node), pattern, channel)

    def live_norm(self, norm: nn.BatchNorm2d, channel: Tensor) -> nn.Module:
        return LiveNorm(norm, channel)

    def dense_conv(self, node: fx.Node) -> nn.Module:
        conv: nn.Conv2d = self.traced.module(node)
        return conv

    def module_of(self, module: nn.Module) -> nn.Module:
        return module

    def _buffer(self, tensor: Tensor) -> fx.Node:
        if not isinstance(tensor, nn.Parameter):
            return super()._buffer(tensor)
        name = f"parameter{len(self.root._parameters)}"
        self.root.register_parameter(name, tensor)
        return self.graph.get_attr(name)
