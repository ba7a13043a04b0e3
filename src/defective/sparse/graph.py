"""Follow a net with torch.fx: what it computes, node by node, with the masks as nodes of their own."""

import operator
from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from defective.errors import InputError
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


def _masked(z: Tensor) -> Tensor:
    """The place of a mask in the graph; which one it is stands beside the graph."""
    return z


class Traced:
    """A net as a graph: the nodes, what each does as far as dead neurons are concerned, activation shapes ``(C, H, W)``, masks.

    Args:
        net: Net whose masks are no hooks any more.
        masks: Bool masks ``(1, C, H, W)`` by the name of the module whose output they are for.
        example_inputs: Images for one forward pass, which finds the shapes.

    Raises:
        InputError: If torch.fx cannot follow the net; the reason is named.
    """

    def __init__(self, net: nn.Module, masks: dict[str, Tensor], example_inputs: Tensor) -> None:
        self.net, self.modules = net, dict(net.named_modules())
        tracer = _Tracer(masks)
        try:
            graph = tracer.trace(net)
            self.nodes = list(graph.nodes)
            self.masks = {node: masks[name].bool().cpu()[0] for node, name in tracer.masked.items()}
            self._refuse_overwriting()
            shapes = _Shapes(fx.GraphModule(net, graph))
            with torch.no_grad():
                shapes.run(example_inputs)
        except InputError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(
                f"torch.fx cannot follow {type(net).__name__} ({reason}): sparsify needs a net whose forward does not branch on values"
            ) from error
        self.shapes = shapes.found
        self.kinds = {node: self._kind(node) for node in self.nodes}

    def module(self, node: fx.Node) -> nn.Module | None:
        """The module a node calls, if it calls one."""
        return self.modules[str(node.target)] if node.op == "call_module" else None

    def _refuse_overwriting(self) -> None:
        """Two forms of one feature map cannot both be overwritten."""
        for node in self.nodes:
            module = self.module(node)
            inplace = getattr(module, "inplace", False) is True or True in (node.kwargs.get("inplace"), *node.args[1:])
            inplace |= (node.op == "call_method" and str(node.target).endswith("_")) or node.target in (
                operator.iadd,
                operator.imul,
            )
            first = next(iter(node.all_input_nodes), None)
            if inplace and first is not None and len(first.users) > 1:
                raise InputError(
                    f"{first.name} is overwritten in place by {node.name} and read again: let {node.name} work out of place"
                )

    def _kind(self, node: fx.Node) -> Kind:
        module, shape = self.module(node), self.shapes.get(node)
        if shape is None or any(source not in self.shapes for source in node.all_input_nodes):
            return "other"
        if node in self.masks:
            return "mask"
        if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros" and not _has_hooks(module):
            return "conv"
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and not _has_hooks(module):
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
        return (isinstance(module, ZERO_KEEPING) or silent) and not _has_hooks(module)
    return _calls(node, *ZERO_KEEPING_CALLS, "relu", "relu_", "tanh") and len(node.all_input_nodes) == 1


def _calls(node: fx.Node, *targets: Callable[..., Any] | str) -> bool:
    return node.op in ("call_function", "call_method") and node.target in targets


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


class _Tracer(fx.Tracer):
    """Traces into every module that is not torch's own, and puts a mask node after each module that has a mask."""

    def __init__(self, masks: dict[str, Tensor]) -> None:
        super().__init__()
        self.masks, self.masked = masks, dict[fx.Node, str]()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, DefectMask) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = self.path_of_module(m)
        before = len(self.graph.nodes)
        try:
            output = args[0] if isinstance(m, DefectMask) else super().call_module(m, forward, args, kwargs)
        except fx.proxy.TraceError:
            # A module that branches on values is called as it is, unless there are masks inside.
            if any(site.startswith(f"{name}.") for site in self.masks):
                raise
            for node in reversed(list(self.graph.nodes)[before:]):
                self.graph.erase_node(node)
            output = self.create_proxy("call_module", name, args, kwargs)
        if name not in self.masks:
            return output
        masked = self.create_proxy("call_function", _masked, (output,), {})
        self.masked[masked.node] = name
        return masked


class _Shapes(fx.Interpreter):
    """Notes the shape ``(C, H, W)`` of every feature map."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[fx.Node, tuple[int, int, int]] = {}

    def run_node(self, n: fx.Node) -> Any:
        output = super().run_node(n)
        if isinstance(output, Tensor) and output.dim() == 4 and n.op != "get_attr":
            self.found[n] = (output.shape[1], output.shape[2], output.shape[3])
        return output
