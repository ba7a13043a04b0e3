"""One diagram of an architecture: its layers in the order in which they run, block by block, with its mask sites coloured."""

import re
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from defective.figures import COLOURS, GRAY
from defective.inference import evaluating
from defective.models.normalize import Normalize
from defective.models.senet import SqueezeExcite
from defective.sites import image_shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Placement to its colour and its name in the legend.
SITES = {"authors": (COLOURS[1], "masked by the released code"), "text": (COLOURS[0], "masked by the paper's text")}
# Where a module stands: number of its block, and its residual or dense unit.
_PLACE = re.compile(r"stem|(?:transitions|(stages|blocks))\.(\d+)(\.\d+)?")
_NAMES = {nn.BatchNorm2d: "norm", nn.ReLU: "ReLU", SqueezeExcite: "SE", nn.AdaptiveAvgPool2d: "global average pool"}
# Inches, which are the units of the axes.
_LEFT, _RIGHT, _WIDTH, _LINE = 0.85, 5.6, 6.7, 0.235


class Layer(NamedTuple):
    """A layer as it runs: its module, what is written on it, the shape of its output, the mask site of each placement on its output."""

    module: str
    text: str
    shape: tuple[int, ...]
    sites: list[tuple[str, str]]

    @property
    def look(self) -> tuple[object, ...]:
        """What layers that are drawn alike have in common."""
        return self.text, "shortcut" in self.module, self.shape[1:], [placement for placement, _ in self.sites]


class Block(NamedTuple):
    """A numbered block of the paper (None: what follows the last one), and its units: layers, and how many alike follow each other."""

    number: int | None
    region: str
    units: list[tuple[list[Layer], int]]


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, Normalize | SqueezeExcite) or super().is_leaf_module(module, name)


def blocks(model: nn.Module) -> list[Block]:
    """The blocks of a built-in model, from its graph.

    Example:
        >>> from defective import create_model
        >>> first, *_ = blocks(create_model("vgg19", width_mult=0.0625))
        >>> first.number, first.region, [([layer.text for layer in layers], count) for layers, count in first.units]
        (0, 'bottom', [(['3×3 conv, 4', 'norm', 'ReLU'], 2), (['2×2 max pool, /2'], 1)])
    """
    units: list[tuple[int | None, str, list[Layer]]] = []
    for layer in _layers(model):
        found = _PLACE.match(layer.module)
        number = int(found[2] or 0) if found else None
        name = found[0] if found and found[1] and found[3] else ""
        # Outside of a residual or dense unit another begins with each convolution, pool and linear layer.
        if not units or units[-1][:2] != (number, name) or (not name and re.search("conv|pool|linear", layer.text)):
            units.append((number, name, []))
        units[-1][2].append(layer)
    drawn = []
    for number, inside in groupby(units, key=itemgetter(0)):
        alike = (list(group) for _, group in groupby(inside, key=lambda unit: [layer.look for layer in unit[2]]))
        region = "bottom" if number in model.bottom else "top" if number in model.top else ""  # type: ignore[operator]
        drawn.append(Block(number, region, [(group[-1][2], len(group)) for group in alike]))
    return drawn


def _layers(model: nn.Module) -> list[Layer]:
    graph = _Tracer().trace(model)
    with evaluating(model), torch.no_grad():
        images = next(model.parameters()).new_zeros(1, *cast("tuple[int, ...]", image_shape(model)))
        ShapeProp(fx.GraphModule(model, graph)).propagate(images)
    modules = [(node, _text(model.get_submodule(node.target))) for node in graph.nodes if node.op == "call_module"]
    drawn = [Layer(str(node.target), text, tuple(node.meta["tensor_meta"].shape[1:]), []) for node, text in modules if text]
    for placement, by_block in cast("dict[str, dict[int, tuple[str, ...]]]", model.mask_sites).items():
        for site in chain.from_iterable(by_block.values()):
            # What masks the output of a module masks that of the last layer in it.
            [layer for layer in drawn if f"{layer.module}.".startswith(f"{site}.")][-1].sites.append((placement, site))
    return drawn


def _text(module: nn.Module) -> str:
    """What is written on a layer; empty if it is not drawn."""
    match module:
        case nn.Conv2d():
            stride = f", /{module.stride[0]}" if module.stride[0] > 1 else ""
            return f"{module.kernel_size[0]}×{module.kernel_size[1]} conv, {module.out_channels}{stride}"
        case nn.MaxPool2d() | nn.AvgPool2d():
            size = module.kernel_size
            return f"{size}×{size} {'max' if isinstance(module, nn.MaxPool2d) else 'average'} pool, /{module.stride}"
        case nn.Linear():
            return f"linear, {module.out_features}"
    return _NAMES.get(type(module), "")


def picture_of(drawn: list[Block], input_shape: tuple[int, ...]) -> "Figure":
    """The diagram of :func:`blocks`, for images ``(C, H, W)``. Neighbouring units that look alike are drawn once, with their number."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch, Rectangle

    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    used = {placement for block in drawn for unit, _ in block.units for layer in unit for placement, _ in layer.sites}
    names = [Patch(color=colour, label=name) for placement, (colour, name) in SITES.items() if placement in used]
    figure.legend(handles=names, loc="upper left", ncols=2, frameon=False, fontsize=7)
    _write(axes, _LEFT + 0.05, 0.4, "image")
    _write(axes, _RIGHT + 0.12, 0.4, " × ".join(map(str, input_shape)))
    y = 0.55
    for block in drawn:
        bottom = _draw_units(axes, block, y + 0.06) + 0.06
        axes.add_patch(Rectangle((_LEFT, y), _RIGHT - _LEFT, bottom - y, facecolor=GRAY, alpha=0.1, linewidth=0))
        if block.number is not None:
            name = f"block {block.number}\n{block.region}".strip()
            _write(axes, _LEFT - 0.12, (y + bottom) / 2, name, ha="right", weight="bold")
        y = bottom + 0.1
    figure.set_size_inches(_WIDTH, y)
    axes.set(xlim=(0, _WIDTH), ylim=(y, 0))
    return figure


def _draw_units(axes: "Axes", block: Block, y: float) -> float:
    """Draw the units of a block from ``y`` downwards, boxes as words flow on a page; returns where they end."""
    for layers, count in block.units:
        top, x = y, _LEFT + 0.2
        for layer in layers:
            width = 0.08 + 0.056 * len(layer.text)
            if x + width > _RIGHT - 0.6:
                x, y = _LEFT + 0.4, y + _LINE
            colour, line = (SITES[layer.sites[0][0]][0], 1.2) if layer.sites else (GRAY, 0.7)
            box = {"boxstyle": "round,pad=0.35,rounding_size=0.35", "edgecolor": colour, "linewidth": line}
            box["facecolor"] = (colour, 0.35) if layer.sites and block.region == "bottom" else "none"
            box["linestyle"] = "--" if "shortcut" in layer.module else "-"
            _write(axes, x + width / 2, y + _LINE / 2, layer.text, ha="center", bbox=box)
            x += width + 0.08
        y += _LINE
        _write(axes, _RIGHT + 0.12, y - _LINE / 2, " × ".join(map(str, layers[-1].shape)))
        if count > 1:
            _write(axes, _RIGHT - 0.1, (top + y) / 2, f"× {count}", ha="right", weight="bold")
    return y


def _write(axes: "Axes", x: float, y: float, text: str, **look: Any) -> None:
    axes.text(x, y, text, va="center_baseline", fontsize=7, color=GRAY, **look)
