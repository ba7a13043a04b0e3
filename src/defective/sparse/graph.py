"""Follow a net with torch.fx: what it computes, node by node, with the masks as nodes of their own."""

import operator
from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from defective.errors import InputError
from defective.inference import evaluating
from defective.layers import DefectMask

Kind = Literal["mask", "conv", "norm", "elementwise", "add", "cat", "other"]

# What maps 0 to 0, each number on its own: dead neurons stay dead through it.
ZERO_KEEPING = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Tanh,
    nn.Softsign,
    nn.Identity,
)
ZERO_KEEPING_CALLS = (F.relu, torch.relu, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, torch.tanh)
# Nothing at all in eval mode.
SILENT = (nn.Dropout, nn.Dropout2d, nn.AlphaDropout)


class Traced:
    """A net as a graph: the nodes, what each does as far as dead neurons are concerned, activation shapes ``(C, H, W)``, masks.

    Args:
        net: Net, masks included.
        example_inputs: Images for one forward pass, which finds the shapes.

    Raises:
        InputError: If torch.fx cannot follow the net; the reason is named.
    """

    def __init__(self, net: nn.Module, example_inputs: Tensor) -> None:
        self.net, self.modules = net, dict(net.named_modules())
        try:
            graph = _Tracer().trace(net)
            self.nodes = list(graph.nodes)
            layers = {node: self.module(node) for node in self.nodes}
            self.masks = {node: layer.defect_mask[0].cpu() for node, layer in layers.items() if isinstance(layer, DefectMask)}
            shapes = _Shapes(fx.GraphModule(net, graph))
            with evaluating(net), torch.no_grad():
                self.output = shapes.run(example_inputs)
        except InputError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            hint = ": its forward must not branch on values" if isinstance(error, fx.proxy.TraceError) else ""
            raise InputError(f"torch.fx cannot follow {type(net).__name__} ({reason}){hint}") from error
        self.shapes = shapes.found
        self.kinds = {node: self._kind(node) for node in self.nodes}

    def module(self, node: fx.Node) -> nn.Module | None:
        """The module a node calls, if it calls one."""
        return self.modules[str(node.target)] if node.op == "call_module" else None

    def _kind(self, node: fx.Node) -> Kind:
        module, shape = self.module(node), self.shapes.get(node)
        if shape is None or any(source not in self.shapes for source in node.all_input_nodes):
            return "other"
        if node in self.masks:
            return "mask"
        if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros" and not has_hooks(module):
            return "conv"
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and not has_hooks(module):
            return "norm"
        if _keeps_zero(node, module):
            return "elementwise"
        sources = node.all_input_nodes
        same = all(self.shapes[source] == shape for source in sources)
        if _calls(node, operator.add, operator.iadd, torch.add, "add", "add_") and len(sources) == 2 and same and not node.kwargs:
            return "add"
        if _calls(node, torch.cat, torch.concat) and (node.args[1:] == (1,) or node.kwargs == {"dim": 1}):
            return "cat"
        return "other"


def _keeps_zero(node: fx.Node, module: nn.Module | None) -> bool:
    if module is not None:
        silent = isinstance(module, SILENT) and not module.training
        return (isinstance(module, ZERO_KEEPING) or silent) and not has_hooks(module)
    return _calls(node, *ZERO_KEEPING_CALLS, "relu", "relu_", "tanh") and len(node.all_input_nodes) == 1


def _calls(node: fx.Node, *targets: Callable[..., Any] | str) -> bool:
    return node.op in ("call_function", "call_method") and node.target in targets


def has_hooks(module: nn.Module) -> bool:
    """Whether a module does more than its class says."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


class _Tracer(fx.Tracer):
    """Traces into every module that is not torch's own, down to the masks; one that branches on values is called as it is."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, DefectMask) or (super().is_leaf_module(m, module_qualified_name) and not _holds_mask(m))

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        before = len(self.graph.nodes)
        try:
            return super().call_module(m, forward, args, kwargs)
        except fx.proxy.TraceError:
            if _holds_mask(m):
                raise
            for node in reversed(list(self.graph.nodes)[before:]):
                self.graph.erase_node(node)
            return self.create_proxy("call_module", self.path_of_module(m), args, kwargs)


def _holds_mask(module: nn.Module) -> bool:
    return any(isinstance(part, DefectMask) for part in module.modules())


class _Shapes(fx.Interpreter):
    """Notes the shape ``(C, H, W)`` of every feature map, and refuses one that is read again after it was overwritten in place."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.extra_traceback = False
        self.found: dict[fx.Node, tuple[int, int, int]] = {}
        self.versions: dict[fx.Node, int] = {}
        self.writers: dict[int, fx.Node] = {}

    def run_node(self, n: fx.Node) -> Any:
        sources = {source: self.env[source] for source in n.all_input_nodes}
        for source, value in sources.items():
            # Views of one tensor count its changes together, so no other name of it goes unnoticed.
            if _version(value) != self.versions[source]:
                writer = self.writers.get(value.untyped_storage().data_ptr(), n)
                raise InputError(
                    f"{source.name} is overwritten in place by {writer.name} and read again: let {writer.name} work out of place"
                )
        output = super().run_node(n)
        for source, value in sources.items():
            if _version(value) != self.versions[source]:
                self.writers[value.untyped_storage().data_ptr()] = n
        self.versions[n] = _version(output)
        if isinstance(output, Tensor) and output.dim() == 4 and n.op != "get_attr":
            self.found[n] = (output.shape[1], output.shape[2], output.shape[3])
        return output


def _version(value: object) -> int:
    return value._version if isinstance(value, Tensor) and not value.is_inference() else 0
