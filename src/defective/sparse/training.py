"""Train a defective model through its live neurons only."""

from typing import cast

import torch
from torch import Tensor, fx, nn

from defective.errors import InputError
from defective.inference import device_of, dtype_of
from defective.layers import DefectMask
from defective.sparse.layers import LiveLayer, LiveProduct
from defective.sparse.liveness import LayerChoice, choose_layers, live_neurons
from defective.sparse.lower import Lowering
from defective.sparse.pattern import Pattern
from defective.sparse.prepare import copied, follow, refuse, refuse_other_images


class LiveTraining(nn.Module):
    """What :func:`train_live` makes: in train mode the model through its live neurons, in eval mode the model itself.

    Attributes:
        model: The model that is trained; parameters and running statistics are its own.
        choices: For each convolution whether it is trained through live neurons alone, and how many products that takes.
    """

    def __init__(self, model: nn.Module, body: fx.GraphModule, choices: list[LayerChoice], image_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.model, self.body, self.choices, self.image_shape = model, body, choices, image_shape
        own = self._own()
        self.shared = [name for name, buffer in body.named_buffers() if id(buffer) in own]
        self.masks = [mask.clone() for mask in _masks(model)]
        self.train(model.training)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return cast("Tensor", self.model(x))
        refuse_other_images(x, self.image_shape)
        own = self._own()
        if not all(id(tensor) in own for tensor in (*self.body.parameters(), *map(self.body.get_buffer, self.shared))):
            raise InputError(
                "the model was moved, cast or changed after train_live and shares its weights with it no more: call train_live again"
            )
        masks = _masks(self.model)
        if len(masks) != len(self.masks) or not all(map(torch.equal, masks, self.masks)):
            raise InputError("the model has other masks than at train_live: call train_live again")
        return cast("Tensor", self.body(x))

    def _own(self) -> set[int]:
        return {id(tensor) for tensor in (*self.model.parameters(), *self.model.buffers())}


def _masks(model: nn.Module) -> list[Tensor]:
    return [layer.defect_mask for layer in model.modules() if isinstance(layer, DefectMask)]


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
        InputError: As :func:`sparsify`, or if the weights are in half precision; when called in train mode, on images of another size or
            after the model was moved or cast, or got other weights or masks.

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
    if (dtype := dtype_of(model)) in (torch.bfloat16, torch.float16):
        raise InputError(f'weights in {dtype} cannot be trained so: keep float32, and pass precision="bf16" under autocast')
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

    def __init__(self, conv: nn.Conv2d, pattern: Pattern, channel: Tensor) -> None:
        super().__init__()
        self.conv, self.product = conv, LiveProduct(pattern)
        self.source, self.channel = nn.Buffer(pattern.source), nn.Buffer(channel)

    def forward(self, live: Tensor) -> Tensor:
        found: Tensor = self.product(live, self.conv.weight.flatten().index_select(0, self.source))
        return found if self.conv.bias is None else found.add_(self.conv.bias[self.channel, None])


class LiveNorm(LiveLayer):
    """Batch norm in train mode whose statistics are those of live neurons."""

    def __init__(self, norm: nn.BatchNorm2d, channel: Tensor) -> None:
        super().__init__()
        self.norm, self.channel = norm, nn.Buffer(channel)
        self.count = nn.Buffer(torch.bincount(channel, minlength=norm.num_features))

    def forward(self, live: Tensor) -> Tensor:
        norm, seen = self.norm, (self.count * live.shape[1]).clamp_min(1)
        weight = live.new_ones(norm.num_features) if norm.weight is None else norm.weight
        bias = live.new_zeros(norm.num_features) if norm.bias is None else norm.bias
        with torch.autocast(live.device.type, enabled=False):
            mean = self._by_channel(live.sum(1)) / seen
            centred = live - mean[self.channel, None]
            variance = self._by_channel(torch.linalg.vecdot(centred, centred)) / seen
            factor = (variance + norm.eps).rsqrt() * weight
            out = torch.addcmul(bias[self.channel, None], centred, factor[self.channel, None])
        self._remember(mean, variance, live.shape[1])
        return out

    def _by_channel(self, rows: Tensor) -> Tensor:
        return rows.new_zeros(len(self.count)).index_add_(0, self.channel, rows)

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
