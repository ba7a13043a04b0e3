"""Write a traced net anew: live layers as sparse products, dense layers with their batch norm folded in."""

import copy
import operator
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from defective.layers import apply_mask
from defective.sparse.graph import Traced
from defective.sparse.layers import Gather, LiveConv, Place, Scale, Scatter
from defective.sparse.pattern import conv_pattern, positions


class Lowering:
    """The new graph in the making: each node of the traced net in dense form, in live form, or in both.

    Args:
        traced: The net in eval mode; its modules are taken over.
        live: Live neurons of each feature map.
        nodes: The nodes to be computed in live form.
        dtype: Type of dense feature maps after a live layer and of dense weights; None leaves it as it is.
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
        module.recompile()
        return module

    # Either form of a node that is written already.

    def as_dense(self, node: fx.Node) -> fx.Node:
        """The dense form; made from the live rows where only those are there."""
        if node not in self.dense and node.op == "get_attr":
            self.dense[node] = self._buffer(_attribute(self.traced.net, str(node.target)))
        if node not in self.dense:
            layer = Scatter(self._rows(node), self.traced.shapes[node], self.dtype)
            self.dense[node] = self._call(layer, self.sparse[node])
        return self.dense[node]

    def as_live(self, node: fx.Node) -> fx.Node:
        """The live rows; taken from the dense form where only that is there."""
        if node not in self.sparse:
            self.sparse[node] = self._call(Gather(self._rows(node)), self.as_dense(node))
        return self.sparse[node]

    # Live form.

    def _write_live(self, node: fx.Node) -> None:
        kind = self.traced.kinds[node]
        sources = [source for source in node.all_input_nodes if source in self.live]
        operands = [self.as_live(source) for source in sources]
        if kind == "conv":
            end, weight, bias = self._folded(node)
            conv = cast("nn.Conv2d", self.traced.module(node))
            pattern = conv_pattern(conv, self.live[sources[0]], self.live[end])
            channel = self._rows(end) % conv.out_channels
            self.sparse[end] = self._call(LiveConv(pattern, weight, bias[channel]), operands[0])
        elif kind == "norm":
            factor, shift = _affine(cast("nn.BatchNorm2d", self.traced.module(node)))
            channel = self._rows(node) % len(factor)
            self.sparse[node] = self._call(Scale(factor[channel], shift[channel]), self._placed(node, sources, operands))
        elif kind == "elementwise":
            self.sparse[node] = self._copied(node, dict(zip(sources, operands, strict=True)).__getitem__)
        else:
            self.sparse[node] = self._placed(node, sources, operands)

    def _placed(self, node: fx.Node, sources: list[fx.Node], operands: list[fx.Node]) -> fx.Node:
        """The operands' rows put where the node has them."""
        target = self.live[node].permute(1, 2, 0)
        size = int(target.sum())
        number = torch.full(target.shape, -1)
        number[target] = torch.arange(size)
        taken, placed, start = [], [], 0
        for source in sources:
            rows = self.live[source].permute(1, 2, 0)
            channels = slice(start, start + rows.shape[2]) if self.traced.kinds[node] == "cat" else slice(None)
            found = number[:, :, channels][rows]
            taken.append((found >= 0).nonzero().squeeze(1))
            placed.append(found[taken[-1]])
            start += rows.shape[2]
        if len(sources) == 1 and len(taken[0]) == int(rows.sum()):
            return operands[0]
        return self._call(Place(taken, placed, size), *operands)

    # Dense form.

    def _write_dense(self, node: fx.Node) -> None:
        if self.traced.kinds[node] == "conv":
            end, weight, bias = self._folded(node)
            conv = copy.deepcopy(cast("nn.Conv2d", self.traced.module(node)))
            conv.weight, conv.bias = (nn.Parameter(tensor.to(self.dtype or tensor.dtype)) for tensor in (weight, bias))
            self.dense[end] = self._call(conv, self.as_dense(node.all_input_nodes[0]))
        elif node in self.traced.masks:
            mask = self._buffer(self.traced.masks[node][None])
            self.dense[node] = self.graph.call_function(apply_mask, (self.as_dense(node.all_input_nodes[0]), mask, str(node)))
        else:
            self.dense[node] = self._copied(node, self.as_dense)

    # Pieces.

    def _rows(self, node: fx.Node) -> Tensor:
        return positions(self.live[node])

    def _folded(self, node: fx.Node) -> tuple[fx.Node, Tensor, Tensor]:
        """A convolution's weight and bias, those of the norm that alone follows it folded in, and the node that ends the two."""
        conv = cast("nn.Conv2d", self.traced.module(node))
        bias = conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias
        user = next(iter(node.users))
        if len(node.users) > 1 or self.traced.kinds[user] != "norm":
            return node, conv.weight.detach(), bias.detach()
        self.folded.add(user)
        factor, shift = _affine(cast("nn.BatchNorm2d", self.traced.module(user)))
        return user, conv.weight.detach() * factor.view(-1, 1, 1, 1), bias.detach() * factor + shift

    def _copied(self, node: fx.Node, form: Callable[[fx.Node], fx.Node]) -> fx.Node:
        """The node as it is, on operands in one of the forms; never in place, for an operand may serve others too."""
        module = self.traced.module(node)
        if module is None:
            copied = self.graph.node_copy(node, form)
            copied.kwargs = {key: False if key == "inplace" else value for key, value in copied.kwargs.items()}
            return copied
        module = copy.deepcopy(module)
        if isinstance(getattr(module, "inplace", None), bool):
            module.inplace = False  # type: ignore[assignment]
        if isinstance(module, nn.Linear) and self.dtype is not None:
            module.to(self.dtype)
        return self._call(module, *fx.node.map_arg(node.args, form), **fx.node.map_arg(node.kwargs, form))

    def _call(self, module: nn.Module, *args: Any, **kwargs: Any) -> fx.Node:
        name = f"{type(module).__name__.lower()}{len(self.root._modules)}"
        self.root.add_module(name, module)
        return self.graph.call_module(name, args, kwargs)

    def _buffer(self, tensor: Tensor) -> fx.Node:
        name = f"buffer{len(self.root._buffers)}"
        self.root.register_buffer(name, tensor.detach())
        return self.graph.get_attr(name)


def _attribute(net: nn.Module, path: str) -> Tensor:
    owner, _, name = path.rpartition(".")
    return cast("Tensor", getattr(net.get_submodule(owner), name))


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Factor and shift of a frozen norm's channels."""
    mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
    factor = (variance + norm.eps).rsqrt()
    if norm.weight is not None:
        factor = factor * norm.weight.detach()
    shift = -mean * factor
    return factor, shift if norm.bias is None else shift + norm.bias.detach()


def run_in_place(module: fx.GraphModule) -> None:
    """Let ReLUs and sums overwrite an operand that nothing else reads and whose maker needs it no more for its derivative."""
    for node in module.graph.nodes:
        called = module.get_submodule(node.target) if node.op == "call_module" else None
        if isinstance(called, nn.ReLU) and _overwritable(module, node.args[0]):
            called.inplace = True
        elif isinstance(called, Place) and called.whole is not None:
            called.inplace = _overwritable(module, node.args[called.whole])
        elif node.target is operator.add and _overwritable(module, node.args[0]) and isinstance(node.args[1], fx.Node):
            node.target = operator.iadd
    module.recompile()


def _overwritable(module: fx.GraphModule, node: object) -> bool:
    if not isinstance(node, fx.Node) or len(node.users) > 1:
        return False
    if node.op == "call_module":
        return isinstance(module.get_submodule(str(node.target)), nn.Conv2d | nn.BatchNorm2d | LiveConv | Scale | Place)
    return node.target in (apply_mask, operator.add, operator.iadd)
