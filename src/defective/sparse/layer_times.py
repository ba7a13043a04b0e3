"""What each layer costs in dense and in live form: by counting operations, or timed on this machine."""

from collections.abc import Callable, Hashable

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import skip_init

from defective import machine
from defective.layers import DefectMask
from defective.sparse.graph import Traced
from defective.sparse.layers import Gather, LiveConv, Scatter
from defective.sparse.pattern import positions

# Time of a layer in units of one product of a sparse layer on one image, measured on x86 with AVX512: a dense product, a neuron of a
# dense feature map passing through norm and activation, a neuron passing between dense and live form.
DENSE_PRODUCT, DENSE_NEURON = {"fp32": 0.1, "bf16": 0.045}, {"fp32": 15.0, "bf16": 8.0}
CONVERSION = 20.0
_seconds_of: dict[Hashable, float] = {}


class CountedTimes:
    """Times by the number of products, between live neurons and of the dense layer, and of neurons: the same on every machine."""

    def __init__(self, live: dict[fx.Node, Tensor], products: dict[fx.Node, tuple[int, int]], precision: str) -> None:
        self._live, self._products, self._precision = live, products, precision

    def dense(self, conv: fx.Node) -> float:
        """A dense convolution, with the mask and the activation that follow it."""
        _, dense = self._products[conv]
        return dense * DENSE_PRODUCT[self._precision] + self._live[conv].numel() * DENSE_NEURON[self._precision]

    def live(self, conv: fx.Node) -> float:
        """A convolution between live neurons, with the activation that follows it."""
        return self._products[conv][0]

    def conversion(self, node: fx.Node, live: bool) -> float:
        """A feature map from live (else from dense) to the other form."""
        return CONVERSION * self._live[node].numel()


class MeasuredTimes:
    """:class:`CountedTimes` in seconds: each layer is run on random images in either form. Equal layers are timed once in a process."""

    def __init__(self, traced: Traced, live: dict[fx.Node, Tensor], precision: str, images: int) -> None:
        self._traced, self._live, self._images = traced, live, images
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32

    def dense(self, conv: fx.Node) -> float:
        like = self._traced.module(conv)
        source, shape = conv.all_input_nodes[0], self._traced.shapes[conv]

        def layer() -> Callable[[], object]:
            dense: nn.Conv2d = skip_init(nn.Conv2d, *geometry(like))
            dense = dense.to(self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
            mask = DefectMask(torch.ones(shape, dtype=torch.bool)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            x = self._map(source)
            return lambda: mask(dense(x)).relu_()

        return self._timed(("dense", *geometry(like), self._traced.shapes[source]), layer)

    def live(self, conv: fx.Node) -> float:
        like = self._traced.module(conv)
        source = conv.all_input_nodes[0]
        before, after = self._live[source], self._live[conv]

        def layer() -> Callable[[], object]:
            bias = torch.zeros(int(after.sum()), dtype=torch.float32)
            sparse = LiveConv(self._traced.pattern(conv, before, after), like.weight.float(), bias)
            rows = torch.rand(int(before.sum()), self._images, dtype=torch.float32)
            return lambda: sparse(rows).relu_()

        return self._timed(("live", *geometry(like), before.shape, int(before.sum()), int(after.sum())), layer)

    def conversion(self, node: fx.Node, live: bool) -> float:
        shape, rows = self._traced.shapes[node], positions(self._live[node])

        def layer() -> Callable[[], object]:
            if live:
                scatter, maps = Scatter(rows, shape, self._dtype), torch.rand(len(rows), self._images, dtype=torch.float32)
                return lambda: scatter(maps)
            gather, dense = Gather(rows), self._map(node)
            return lambda: gather(dense)

        return self._timed(("conversion", live, shape, len(rows)), layer)

    def _map(self, node: fx.Node) -> Tensor:
        x = torch.rand(self._images, *self._traced.shapes[node]).to(self._dtype)
        return x.contiguous(memory_format=torch.channels_last)

    def _timed(self, what: tuple[Hashable, ...], layer: Callable[[], Callable[[], object]]) -> float:
        key = (*what, self._images, self._dtype, torch.get_num_threads())
        if key not in _seconds_of:
            # The layers' random numbers are nobody's business.
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                _seconds_of[key] = machine.shortest([layer()])[0]
        return _seconds_of[key]


def geometry(conv: nn.Conv2d) -> tuple[Hashable, ...]:
    """What a convolution is made with, but for its bias."""
    return conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups
