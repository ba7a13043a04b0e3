"""Follow a model with torch.fx: what it computes, node by node, with the masks as nodes of their own."""

import operator
from collections.abc import Callable, Collection
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from defective.baselines.drop import DropLayer
from defective.errors import InputError
from defective.inference import evaluating, quoted, reported
from defective.layers import DefectMask
from defective.machine import out_of_memory
from defective.sparse.pattern import Pattern, conv_pattern
from defective.wrapper import site_modules, unwrapped

Kind = Literal["mask", "conv", "norm", "elementwise", "add", "cat", "other"]

# What maps 0 to 0, each number on its own: dead neurons stay dead through it. A subclass may do anything else.
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
)
TIMM_ZERO_KEEPING = frozenset(
    [
        "GELU",
        "GELUTanh",
        "HardMish",
        "HardMishMe",
        "HardSwish",
        "HardSwishMe",
        "Mish",
        "MishMe",
        "QuickGELU",
        "Swish",
        "SwishMe",
        "Tanh",
    ]
)
ZERO_KEEPING_CALLS = (F.relu, torch.relu, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, torch.tanh)
# Nothing at all in eval mode.
SILENT = (nn.Dropout, nn.Dropout2d, nn.AlphaDropout, DropLayer)


class Traced:
    """A model as a graph: the nodes, what each does as far as dead neurons are concerned, activation shapes ``(C, H, W)``, masks."""

    def __init__(self, model: nn.Module, example_inputs: Tensor) -> None:
        self.site_names = {unwrapped(module): name for name, module in site_modules(model).items()}
        # torch.fx runs the forward of its root alone, without what is hooked to it.
        self.model = nn.Sequential(model) if has_hooks(model) else model
        self.modules = dict(self.model.named_modules())
        with reported(f"torch.fx cannot follow {type(model).__name__}, whose forward must not branch on values"):
            graph = _Tracer(self.site_names).trace(self.model)
            self.nodes = list(graph.nodes)
            called = {node: self.module(node) for node in self.nodes}
            masks = {node: mask for node, mask in called.items() if type(mask) is DefectMask and not has_hooks(mask)}
            self.masks = {node: mask.defect_mask[0].cpu() for node, mask in masks.items()}
            shapes = _Shapes(fx.GraphModule(self.model, graph))
            with evaluating(model), torch.no_grad():
                self.output = shapes.run(example_inputs)
        self.shapes = shapes.found
        self._patterns: dict[fx.Node, Pattern] = {}
        self.kinds = {node: self._kind(node) for node in self.nodes}

    def module(self, node: fx.Node) -> Any:
        """The module a node calls; None if it calls none."""
        return self.modules[str(node.target)] if node.op == "call_module" else None

    def pattern(self, conv: fx.Node, live_in: Tensor, live_out: Tensor) -> Pattern:
        """The products of a convolution between live neurons, found once."""
        if conv not in self._patterns:
            self._patterns[conv] = conv_pattern(self.module(conv), live_in, live_out)
        return self._patterns[conv]

    def layer_name(self, node: fx.Node) -> str:
        """What the module that a node calls was named before any site was wrapped."""
        module = self.modules[str(node.target)]
        return self.site_names.get(module, str(node.target))

    def _kind(self, node: fx.Node) -> Kind:
        module, shape, sources = self.module(node), self.shapes.get(node), node.all_input_nodes
        if shape is None or any(source not in self.shapes for source in sources):
            return "other"
        if node in self.masks:
            return "mask"
        if module is not None:
            return "other" if has_hooks(module) else _module_kind(module)
        if _calls(node, *ZERO_KEEPING_CALLS, "relu", "relu_", "tanh") and len(sources) == 1:
            return "elementwise"
        same = all(self.shapes[source] == shape for source in sources)
        if _calls(node, operator.add, operator.iadd, torch.add, "add", "add_") and len(sources) == 2 and same and not node.kwargs:
            return "add"
        if _calls(node, torch.cat, torch.concat) and (node.args[1:] == (1,) or node.kwargs == {"dim": 1}):
            return "cat"
        return "other"


def _module_kind(module: nn.Module) -> Kind:
    # The weight of a parametrised convolution is computed when it is read, with its derivative.
    if type_before_parametrizations(module) is nn.Conv2d:
        return "conv" if module.padding_mode == "zeros" else "other"
    # A norm that is synchronised between processes does so in training alone.
    if type(module) is nn.BatchNorm2d or (type(module) is nn.SyncBatchNorm and not module.training):
        return "norm" if module.running_mean is not None else "other"
    return "elementwise" if type(module) in ZERO_KEEPING or is_timm(module, TIMM_ZERO_KEEPING) else "other"


def _calls(node: fx.Node, *targets: Callable[..., Any] | str) -> bool:
    return node.op in ("call_function", "call_method") and node.target in targets


def is_timm(module: nn.Module, names: Collection[str]) -> bool:
    """Whether the class of a module is one of timm's with one of these names; timm need not be installed."""
    return type(module).__module__.startswith("timm.") and type(module).__name__ in names


def has_hooks(module: nn.Module) -> bool:
    """Whether a module does more than its class says."""
    changed = module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
    return bool(changed or _has_backward_hooks(module))


def _has_backward_hooks(module: nn.Module) -> bool:
    return bool(module._backward_hooks or module._backward_pre_hooks)


class _Tracer(fx.Tracer):
    """Traces into every module that is not torch's own, down to the masks; one that branches on values is called as it is."""

    def __init__(self, site_names: dict[nn.Module, str]) -> None:
        super().__init__()
        self.site_names = site_names

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, DefectMask | DropLayer) or is_timm(m, TIMM_ZERO_KEEPING):
            return True
        return super().is_leaf_module(m, module_qualified_name) and not _holds_mask(m)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if (type(m) is nn.Identity or (type(m) in SILENT and not m.training)) and not has_hooks(m):
            return (*args, *kwargs.values())[0]
        before, stack = len(self.graph.nodes), self.module_stack.copy()
        try:
            if _has_backward_hooks(m) and not self.is_leaf_module(m, ""):
                raise fx.proxy.TraceError("it has a backward hook")
            return super().call_module(m, forward, args, kwargs)
        except Exception as error:
            if isinstance(error, InputError) or out_of_memory(error):
                raise
            if _holds_mask(m):
                raise InputError(
                    f"torch.fx cannot follow {type(m).__name__} {self.site_names.get(m, '')!r}, which has masks inside "
                    f"({quoted(error)}): it must not branch on values or hook derivatives; or choose sites outside it"
                ) from error
            for node in reversed(list(self.graph.nodes)[before:]):
                self.graph.erase_node(node)
            self.module_stack = stack
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
                    f"{source.name} is overwritten in place by {writer.name} and read again: make {writer.name} work out of place"
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
