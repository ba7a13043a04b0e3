"""What a net is made of, read from the net itself: its layers in the order in which they run, block by block, with its mask sites."""

import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import fx, nn

from defective.models.normalize import Normalize
from defective.models.senet import SqueezeExcite
from defective.sites import image_shape

_UNIT = re.compile(r"(?:stages|blocks)\.\d+\.\d+")
_BLOCK = re.compile(r"(?:stages|blocks|transitions)\.(\d+)")
# Where two ways meet.
_JOINS = {operator.add: "+", torch.cat: "concat"}
_FUNCTIONS = {F.relu: "ReLU", F.adaptive_avg_pool2d: "global average pool"}


@dataclass(frozen=True)
class Step:
    """One operation; equal ones of equal units are one step with several modules.

    Attributes:
        kind: ``conv``, ``norm``, ``act``, ``pool``, ``gate``, ``linear`` or ``join``.
        text: What is written on it.
        shape: Of its output: ``(C, H, W)``, or ``(K,)`` of the logits.
        modules: Names of the modules; those of a join are the units that end with it.
        sites: Placement to the names of the mask sites that lie on its output.
    """

    kind: str
    text: str
    shape: tuple[int, ...]
    modules: tuple[str, ...]
    sites: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def like(self, other: "Step") -> bool:
        """Whether the two look the same but for the number of channels that a join has gathered."""
        here, there = ((step.kind, step.text, step.shape[1:], step.sites.keys()) for step in (self, other))
        return here == there

    def merged(self, other: "Step") -> "Step":
        """Both as one."""
        sites = {placement: names + other.sites[placement] for placement, names in self.sites.items()}
        return replace(self, modules=self.modules + other.modules, sites=sites)


@dataclass(frozen=True)
class Unit:
    """A few lines of steps that run one after another, and perhaps a second way around them.

    Attributes:
        lines: Steps, line by line.
        around: Steps of the shortcut; empty for an identity, None where there is no second way.
        leaves: Line and position of the step whose output the shortcut takes; None: what the unit takes.
        count: Number of such units in a row.
        shape: Output of the last of them.
    """

    lines: tuple[tuple[Step, ...], ...]
    around: tuple[Step, ...] | None = None
    leaves: tuple[int, int] | None = None
    count: int = 1
    shape: tuple[int, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of them."""
        return tuple(step for line in self.lines for step in line) + (self.around or ())

    def like(self, other: "Unit") -> bool:
        """Whether the two are drawn the same."""
        if [len(line) for line in self.lines] != [len(line) for line in other.lines] or self.leaves != other.leaves:
            return False
        if (self.around is None) != (other.around is None) or len(self.steps) != len(other.steps):
            return False
        return all(here.like(there) for here, there in zip(self.steps, other.steps, strict=True))

    def merged(self, other: "Unit") -> "Unit":
        """Both as one."""
        lines = tuple(
            tuple(a.merged(b) for a, b in zip(here, there, strict=True))
            for here, there in zip(self.lines, other.lines, strict=True)
        )
        around = None
        if self.around is not None and other.around is not None:
            around = tuple(a.merged(b) for a, b in zip(self.around, other.around, strict=True))
        return Unit(lines, around, self.leaves, self.count + other.count, other.shape)


@dataclass(frozen=True)
class Block:
    """A numbered block of the paper, or what follows the last one (``number`` None)."""

    number: int | None
    place: str
    units: tuple[Unit, ...]


def outline(net: nn.Module) -> list[Block]:
    """The blocks of a net of the zoo, from a trace of its forward pass and one dry run.

    Example:
        >>> from defective import create_model
        >>> blocks = outline(create_model("vgg19", width_mult=0.0625))
        >>> [(block.number, block.place, sum(unit.count for unit in block.units)) for block in blocks][:2]
        [(0, 'bottom', 3), (1, 'bottom', 3)]
        >>> blocks[0].units[0].lines[0][0].text, blocks[0].units[0].count
        ('3×3 conv, 4', 2)
    """
    graph = _Tracer().trace(net)
    _shapes(net, graph)
    nodes = [node for node in graph.nodes if _kind(node, net) is not None]
    sites = _sites(net, nodes)
    found = []
    for number, inside in groupby(nodes, key=_block):
        units: list[Unit] = []
        for name, part in groupby(inside, key=_unit):
            units += _units(name, list(part), net, sites)
        place = "bottom" if number in net.bottom else "top" if number in net.top else ""  # type: ignore[operator]
        found.append(Block(number, place, tuple(_gathered(units))))
    return found


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Normalize | SqueezeExcite) or super().is_leaf_module(m, module_qualified_name)


def _shapes(net: nn.Module, graph: fx.Graph) -> None:
    from torch.fx.passes.shape_prop import ShapeProp

    parameter = next(net.parameters())
    images = torch.zeros(1, *cast("tuple[int, ...]", image_shape(net)), device=parameter.device, dtype=parameter.dtype)
    training = net.training
    # In eval mode, so that the dry run leaves the statistics of the norms alone.
    net.eval()
    with torch.no_grad():
        ShapeProp(fx.GraphModule(net, graph)).propagate(images)
    net.train(training)


def _kind(node: fx.Node, net: nn.Module) -> str | None:
    """What a node of the trace is drawn as; None if it is not drawn."""
    if node.op == "call_function":
        return (
            "join" if node.target in _JOINS else "act" if node.target is F.relu else "pool" if node.target in _FUNCTIONS else None
        )
    if node.op != "call_module":
        return None
    kinds: tuple[tuple[str, Any], ...] = (
        ("conv", nn.Conv2d),
        ("norm", nn.BatchNorm2d),
        ("act", nn.ReLU),
        ("pool", nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d),
        ("gate", SqueezeExcite),
        ("linear", nn.Linear),
    )
    module = net.get_submodule(str(node.target))
    return next((kind for kind, types in kinds if isinstance(module, types)), None)


def _text(node: fx.Node, net: nn.Module) -> str:
    if node.op == "call_function":
        return (_JOINS | _FUNCTIONS)[node.target]  # type: ignore[index]
    module = net.get_submodule(str(node.target))
    match module:
        case nn.Conv2d():
            stride = f", /{module.stride[0]}" if module.stride[0] > 1 else ""
            return f"{module.kernel_size[0]}×{module.kernel_size[1]} conv, {module.out_channels}{stride}"
        case nn.MaxPool2d() | nn.AvgPool2d():
            size = module.kernel_size
            return f"{size}×{size} {'max' if isinstance(module, nn.MaxPool2d) else 'average'} pool, /{module.stride}"
        case nn.Linear():
            return f"linear, {module.out_features}"
        case nn.AdaptiveAvgPool2d():
            return _FUNCTIONS[F.adaptive_avg_pool2d]
    return {nn.BatchNorm2d: "norm", nn.ReLU: "ReLU", SqueezeExcite: "SE"}[type(module)]


def _scope(node: fx.Node) -> list[str]:
    """Names of the modules that a node runs in, the innermost last."""
    return list(node.meta.get("nn_module_stack", {}))


def _name(node: fx.Node) -> str:
    return str(node.target) if node.op == "call_module" else (_scope(node) or [""])[-1]


def _block(node: fx.Node) -> int | None:
    name = _name(node)
    found = _BLOCK.match(name)
    return int(found[1]) if found else 0 if name.startswith("stem") else None


def _unit(node: fx.Node) -> str:
    found = _UNIT.match(_name(node))
    return found[0] if found else ""


def _sites(net: nn.Module, nodes: Sequence[fx.Node]) -> dict[fx.Node, dict[str, tuple[str, ...]]]:
    """Where the output of each mask site comes from: the last step that runs in it."""
    found: dict[fx.Node, dict[str, tuple[str, ...]]] = {}
    placements = cast("dict[str, dict[int, tuple[str, ...]]]", net.mask_sites)
    for placement, blocks in placements.items():
        for site in (site for sites in blocks.values() for site in sites):
            node = [node for node in nodes if site in _scope(node)][-1]
            found.setdefault(node, {})[placement] = (site,)
    return found


def _units(name: str, nodes: Sequence[fx.Node], net: nn.Module, sites: dict[fx.Node, dict[str, tuple[str, ...]]]) -> Iterator[Unit]:
    """One unit of a residual or dense block; elsewhere each line of steps is a unit of its own."""

    def step(node: fx.Node) -> Step:
        kind = cast("str", _kind(node, net))
        return Step(kind, _text(node, net), tuple(node.meta["tensor_meta"].shape[1:]), (_name(node),), sites.get(node, {}))

    around = [node for node in nodes if "shortcut" in _name(node)]
    lines = [*_lines([node for node in nodes if node not in around], net)]
    drawn = tuple(tuple(step(node) for node in line) for line in lines)
    if not name:
        yield from (Unit((line,), shape=line[-1].shape) for line in drawn)
        return
    taken = around[0].all_input_nodes[0] if around else _skipped(nodes)
    places = {node: (row, column) for row, line in enumerate(lines) for column, node in enumerate(line)}
    yield Unit(drawn, tuple(step(node) for node in around), places.get(taken), shape=drawn[-1][-1].shape)


def _skipped(nodes: Sequence[fx.Node]) -> fx.Node:
    """What an identity shortcut brings to the join: the input of it that is not the step before."""
    place = next(place for place, node in enumerate(nodes) if node.target in _JOINS)
    return next(node for node in nodes[place].all_input_nodes if node is not nodes[place - 1])


def _lines(nodes: Sequence[fx.Node], net: nn.Module) -> Iterator[list[fx.Node]]:
    """Break before a kind that the line has already, and around pools."""
    line: list[fx.Node] = []
    for node in nodes:
        kinds = [_kind(each, net) for each in line]
        here = _kind(node, net)
        if line and (here in kinds or here in ("pool", "linear") or kinds[-1] == "pool"):
            yield line
            line = []
        line.append(node)
    yield line


def _gathered(units: Sequence[Unit]) -> list[Unit]:
    found: list[Unit] = []
    for unit in units:
        if found and found[-1].like(unit):
            found[-1] = found[-1].merged(unit)
        else:
            found.append(unit)
    return found
