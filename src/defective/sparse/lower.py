"""Rewrite a traced model: live layers as sparse products, dense layers with their batch norm folded in."""

import copy
import operator
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import skip_init

from defective.layers import DefectMask
from defective.sparse.graph import Traced, has_hooks
from defective.sparse.layer_times import geometry
from defective.sparse.layers import Gather, LiveConv, LiveLayer, Place, Scale, Scatter
from defective.sparse.pattern import Pattern, positions


class Lowering:
    """The new graph in the making: each node of the traced model in dense form, or live if it is one of ``nodes``, or in both.

    ``dtype`` is that of dense weights and of dense feature maps after a live layer; None leaves them as they are.
    """

    def __init__(self, traced: Traced, live: dict[fx.Node, Tensor], nodes: set[fx.Node], dtype: torch.dtype | None) -> None:
        self.traced, self.live, self.nodes, self.dtype = traced, live, nodes, dtype
        self.graph, self.root = fx.Graph(), nn.Module()
        self.dense: dict[fx.Node, fx.Node] = {}
        self.sparse: dict[fx.Node, fx.Node] = {}
        self.folded: set[fx.Node] = set()

    def run(self) -> fx.GraphModule:
        """Write every node and put the graph and its modules together."""
        for node in self.traced.nodes:
            if node in self.folded or node.op == "get_attr":
                continue
            if node in self.nodes:
                self._write_live(node)
            else:
                self._write_dense(node)
        self.graph.lint()
        module = fx.GraphModule(self.root, self.graph)
        module.graph.eliminate_dead_code()
        _run_in_place(module)
        return module

    # Either form of a node that is written already.

    def as_dense(self, node: fx.Node) -> fx.Node:
        """The dense form; made from the live rows where only those are there."""
        if node not in self.dense and node.op == "get_attr":
            self.dense[node] = self._buffer(operator.attrgetter(str(node.target))(self.traced.model))
        if node not in self.dense:
            layer = Scatter(self._rows(node), self.traced.shapes[node], self.dtype)
            self.dense[node] = self._call(layer, self.sparse[node])
        return self.dense[node]

    def as_live(self, node: fx.Node) -> fx.Node:
        """The live rows; taken from the dense form where only that is there."""
        if node not in self.sparse:
            self.sparse[node] = self._call(Gather(self._rows(node)), self.as_dense(node))
        return self.sparse[node]

    # What a frozen model makes of its layers.

    def end_of(self, conv: fx.Node) -> fx.Node:
        """The norm that alone follows a convolution and is folded into it; else the convolution."""
        user = next(iter(conv.users), conv)
        if len(conv.users) > 1 or self.traced.kinds[user] != "norm":
            return conv
        self.folded.add(user)
        return user

    def live_conv(self, node: fx.Node, pattern: Pattern, channel: Tensor) -> nn.Module:
        """A convolution between live neurons; ``channel``: that of each row."""
        weight, bias = self._weights(node)
        return LiveConv(pattern, weight, bias[channel])

    def live_norm(self, norm: nn.BatchNorm2d, channel: Tensor) -> nn.Module:
        """A norm that is not folded, on live rows."""
        factor, shift = _affine(norm)
        return Scale(factor[channel], shift[channel])

    def dense_conv(self, node: fx.Node) -> nn.Module:
        """A dense convolution."""
        like = self.traced.module(node)
        conv: nn.Conv2d = skip_init(nn.Conv2d, *geometry(like))
        conv.weight, conv.bias = (nn.Parameter(tensor.to(self.dtype or tensor.dtype)) for tensor in self._weights(node))
        return conv

    def module_of(self, module: nn.Module) -> nn.Module:
        """Any other layer."""
        module = copy.deepcopy(module)
        return module.to(self.dtype) if type(module) is nn.Linear and self.dtype is not None else module

    def _weights(self, node: fx.Node) -> tuple[Tensor, Tensor]:
        conv, end = self.traced.module(node), self.end_of(node)
        weight, bias = conv.weight.detach(), conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()
        if end is node:
            return weight, bias
        factor, shift = _affine(self.traced.module(end))
        return weight * factor.view(-1, 1, 1, 1), bias * factor + shift

    # Live form.

    def _write_live(self, node: fx.Node) -> None:
        kind = self.traced.kinds[node]
        # A concatenation may name one part twice.
        named = cast("list[fx.Node]", node.args[0]) if kind == "cat" else node.all_input_nodes
        sources = [source for source in named if source in self.live]
        operands = [self.as_live(source) for source in sources]
        if kind == "conv":
            end = self.end_of(node)
            conv = self.traced.module(node)
            pattern = self.traced.pattern(node, self.live[sources[0]], self.live[end])
            self.sparse[end] = self._call(self.live_conv(node, pattern, self._rows(end) % conv.out_channels), operands[0])
        elif kind == "norm":
            norm = self.traced.module(node)
            layer = self.live_norm(norm, self._rows(node) % norm.num_features)
            self.sparse[node] = self._call(layer, self._placed(node, sources, operands))
        elif kind == "elementwise":
            placed = self._placed(node, sources, operands)
            self.sparse[node] = self._copied(node, lambda _: placed)
        else:
            self.sparse[node] = self._placed(node, sources, operands)

    def _placed(self, node: fx.Node, sources: list[fx.Node], operands: list[fx.Node]) -> fx.Node:
        """The operands' rows put where the node has them."""
        target = self.live[node].permute(1, 2, 0)
        size = int(target.sum())
        number = torch.full(target.shape, -1)
        number[target] = torch.arange(size)
        taken, placed, counts, start = [], [], [], 0
        for source in sources:
            rows = self.live[source].permute(1, 2, 0)
            channels = slice(start, start + rows.shape[2]) if self.traced.kinds[node] == "cat" else slice(None)
            found = number[:, :, channels][rows]
            taken.append((found >= 0).nonzero().squeeze(1))
            placed.append(found[taken[-1]])
            counts.append(len(found))
            start += rows.shape[2]
        if len(sources) == 1 and len(taken[0]) == counts[0]:
            return operands[0]
        return self._call(Place(taken, placed, counts, size), *operands)

    # Dense form.

    def _write_dense(self, node: fx.Node) -> None:
        if self.traced.kinds[node] == "conv":
            end = self.end_of(node)
            self.dense[end] = self._call(self.dense_conv(node), self.as_dense(node.all_input_nodes[0]))
        else:
            self.dense[node] = self._copied(node, self.as_dense)
            self.dense[node].meta["sum"] = self.traced.kinds[node] == "add"

    # Pieces.

    def _rows(self, node: fx.Node) -> Tensor:
        return positions(self.live[node])

    def _copied(self, node: fx.Node, form: Callable[[fx.Node], fx.Node]) -> fx.Node:
        """The node as it is, on operands in one of the forms; never in place, for an operand may serve others too."""
        module = self.traced.module(node)
        if module is None:
            copied = self.graph.node_copy(node, form)
            copied.kwargs = {key: False if key == "inplace" else value for key, value in copied.kwargs.items()}
            # Channels-last maps cannot always be viewed as another shape, only copied into it.
            if copied.op == "call_method" and not isinstance(copied.args[-1], torch.dtype):
                copied.target = {"relu_": "relu", "view": "reshape"}.get(str(copied.target), copied.target)
                copied.kwargs = {"shape" if key == "size" else key: value for key, value in copied.kwargs.items()}
            return copied
        module = self.module_of(module)
        if isinstance(getattr(module, "inplace", None), bool):
            module.inplace = False  # type: ignore[assignment]
        return self._call(module, *fx.node.map_arg(node.args, form), **fx.node.map_arg(node.kwargs, form))

    def _call(self, module: nn.Module, *args: Any, **kwargs: Any) -> fx.Node:
        name = f"{type(module).__name__.lower()}{len(self.root._modules)}"
        self.root.add_module(name, module)
        return self.graph.call_module(name, args, kwargs)

    def _buffer(self, tensor: Tensor) -> fx.Node:
        name = f"buffer{len(self.root._buffers)}"
        self.root.register_buffer(name, tensor.detach() if tensor.requires_grad else tensor)
        return self.graph.get_attr(name)


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Factor and shift of a frozen norm's channels."""
    mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
    factor = (variance + norm.eps).rsqrt()
    if norm.weight is not None:
        factor = factor * norm.weight.detach()
    shift = -mean * factor
    return factor, shift if norm.bias is None else shift + norm.bias.detach()


def _run_in_place(module: fx.GraphModule) -> None:
    """Let ReLUs and sums overwrite an operand that nothing else reads and whose maker needs it no more for its derivative."""
    for node in module.graph.nodes:
        called = module.get_submodule(node.target) if node.op == "call_module" else None
        if type(called) is nn.ReLU and not has_hooks(called) and _overwritable(module, node.all_input_nodes[0]):
            called.inplace = True
        elif isinstance(called, Place) and called.whole is not None:
            whole = node.args[called.whole]
            called.inplace = node.args.count(whole) == 1 and _overwritable(module, whole)
        elif node.target is operator.add and node.meta.get("sum") and _overwritable(module, node.args[0]):
            node.target = operator.iadd
    module.recompile()


def _overwritable(module: fx.GraphModule, node: object) -> bool:
    if not isinstance(node, fx.Node) or len(node.users) > 1:
        return False
    if node.op == "call_module":
        maker = module.get_submodule(str(node.target))
        own = type(maker) in (nn.Conv2d, nn.BatchNorm2d, DefectMask) or isinstance(maker, LiveLayer)
        return own and not has_hooks(maker)
    return node.target in (operator.add, operator.iadd) and bool(node.meta.get("sum"))
