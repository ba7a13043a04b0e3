"""One diagram of an architecture: its layers in the order in which they run, block by block, with its mask sites coloured."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from defective.inference import evaluating
from defective.models.normalize import Normalize
from defective.models.senet import SqueezeExcite
from defective.report.figures import COLOURS, GRAY
from defective.sites import image_shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Placement to its colour and its name in the legend.
SITES = {"authors": (COLOURS[1], "masked by the released code"), "text": (COLOURS[0], "masked by the paper's text")}
_NOTE = "full: masked if the bottom is defective; empty: if another block is; dashed: on the shortcut"
_BLOCK = re.compile(r"(?:stages|blocks|transitions)\.(\d+)")
_UNIT = re.compile(r"(?:stages|blocks)\.\d+\.\d+")
FONT = 7.0
# Inches, which are the units of the axes.
LEFT, RIGHT, WIDTH, LINE, BOX, GAP = 0.85, 5.6, 6.7, 0.235, 0.17, 0.07


@dataclass(frozen=True)
class Layer:
    """A layer as it ran: its module, what is written on it, the shape of its output, the mask site of each placement on its output."""

    module: str
    text: str
    shape: tuple[int, ...]
    sites: tuple[tuple[str, str], ...] = ()

    @property
    def shortcut(self) -> bool:
        """Whether it lies on the shortcut of a residual unit."""
        return "shortcut" in self.module

    @property
    def look(self) -> tuple[object, ...]:
        """What layers that are drawn alike have in common."""
        return self.text, self.shortcut, self.shape[1:], tuple(placement for placement, _ in self.sites)


@dataclass(frozen=True)
class Block:
    """A numbered block of the paper (None: what follows the last one), and its units: layers, and how many alike follow each other."""

    number: int | None
    place: str
    units: tuple[tuple[tuple[Layer, ...], int], ...]


def blocks(model: nn.Module) -> list[Block]:
    """The blocks of a built-in model, from one dry run.

    Example:
        >>> from defective import create_model
        >>> first, *_ = blocks(create_model("vgg19", width_mult=0.0625))
        >>> first.number, first.place, [([layer.text for layer in layers], count) for layers, count in first.units]
        (0, 'bottom', [(['3×3 conv, 4', 'norm', 'ReLU'], 2), (['2×2 max pool, /2'], 1)])
    """
    found = []
    for number, inside in groupby(_layers(model), key=lambda layer: _block(layer.module)):
        alike: list[tuple[tuple[Layer, ...], int]] = []
        for unit in _units(list(inside)):
            if alike and [layer.look for layer in alike[-1][0]] == [layer.look for layer in unit]:
                alike[-1] = unit, alike[-1][1] + 1
            else:
                alike.append((unit, 1))
        place = "bottom" if number in model.bottom else "top" if number in model.top else ""  # type: ignore[operator]
        found.append(Block(number, place, tuple(alike)))
    return found


def _layers(model: nn.Module) -> list[Layer]:
    ran: list[Layer] = []

    def note(name: str) -> Any:
        return lambda module, inputs, output: ran.append(Layer(name, _text(module), tuple(output.shape[1:])))

    gates = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, SqueezeExcite))
    drawn = [(name, module) for name, module in model.named_modules() if _text(module) and not name.startswith(gates or "\0")]
    hooks = [module.register_forward_hook(note(name)) for name, module in drawn]
    parameter = next(model.parameters())
    try:
        with evaluating(model), torch.no_grad():
            model(torch.zeros(1, *cast("tuple[int, ...]", image_shape(model)), device=parameter.device, dtype=parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    for placement, sites in cast("dict[str, dict[int, tuple[str, ...]]]", model.mask_sites).items():
        for site in (site for each in sites.values() for site in each):
            # What masks the output of a module masks that of the last layer in it.
            last = max(place for place, layer in enumerate(ran) if f"{layer.module}.".startswith(f"{site}."))
            ran[last] = replace(ran[last], sites=(*ran[last].sites, (placement, site)))
    return ran


def _text(module: nn.Module) -> str:
    """What is written on a layer; empty if it is not drawn."""
    match module:
        case Normalize():
            return ""
        case nn.Conv2d():
            stride = f", /{module.stride[0]}" if module.stride[0] > 1 else ""
            return f"{module.kernel_size[0]}×{module.kernel_size[1]} conv, {module.out_channels}{stride}"
        case nn.MaxPool2d() | nn.AvgPool2d():
            size = module.kernel_size
            return f"{size}×{size} {'max' if isinstance(module, nn.MaxPool2d) else 'average'} pool, /{module.stride}"
        case nn.Linear():
            return f"linear, {module.out_features}"
    names = {nn.BatchNorm2d: "norm", nn.ReLU: "ReLU", SqueezeExcite: "SE", nn.AdaptiveAvgPool2d: "global average pool"}
    return names.get(type(module), "")


def _block(module: str) -> int | None:
    found = _BLOCK.match(module)
    return int(found[1]) if found else 0 if module.startswith("stem") else None


def _units(layers: list[Layer]) -> Iterator[tuple[Layer, ...]]:
    """Residual and dense units whole; elsewhere a unit begins with each convolution, pool and linear layer."""

    def key(layer: Layer) -> str:
        found = _UNIT.match(layer.module)
        return found[0] if found else ""

    for name, inside in groupby(layers, key=key):
        unit: list[Layer] = []
        for layer in inside:
            if not name and unit and ("conv" in layer.text or "pool" in layer.text or "linear" in layer.text):
                yield tuple(unit)
                unit = []
            unit.append(layer)
        yield tuple(unit)


def picture_of(drawn: list[Block], input_shape: tuple[int, ...]) -> "Figure":
    """The diagram of :func:`blocks`, for images ``(C, H, W)``. Neighbouring units that look alike are drawn once, with their number."""
    from matplotlib.figure import Figure

    lines = [[_flow(layers) for layers, _ in block.units] for block in drawn]
    heights = [LINE * sum(map(len, units)) + 0.12 for units in lines]
    height = 0.85 + sum(heights) + 0.1 * len(heights)
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)
    _legend(axes, {placement for block in drawn for layers, _ in block.units for layer in layers for placement, _ in layer.sites})
    _words(axes, LEFT + 0.05, 0.6, "image")
    _words(axes, RIGHT + 0.12, 0.6, _size(input_shape))
    y = 0.75
    for block, units, tall in zip(drawn, lines, heights, strict=True):
        _draw(axes, block, units, y, tall)
        y += tall + 0.1
    return figure


def _flow(layers: tuple[Layer, ...]) -> list[list[tuple[float, float, Layer]]]:
    """Lines of boxes: where each begins, how wide it is, its layer; as words flow on a page."""
    lines: list[list[tuple[float, float, Layer]]] = [[]]
    x = LEFT + 0.15
    for layer in layers:
        width = 0.12 + 0.062 * len(layer.text)
        if lines[-1] and x + width > RIGHT - 0.45:
            lines.append([])
            x = LEFT + 0.35
        lines[-1].append((x, width, layer))
        x += width + GAP
    return lines


def _draw(axes: "Axes", block: Block, units: list[list[list[tuple[float, float, Layer]]]], y: float, tall: float) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((LEFT, y), RIGHT - LEFT, tall, facecolor=GRAY, alpha=0.1, linewidth=0))
    if block.number is not None:
        _words(axes, LEFT - 0.12, y + tall / 2 - (0.08 if block.place else 0), f"block {block.number}", ha="right", weight="bold")
        _words(axes, LEFT - 0.12, y + tall / 2 + 0.09, block.place, ha="right")
    y += 0.06
    for lines, (layers, count) in zip(units, block.units, strict=True):
        for line in lines:
            for x, width, layer in line:
                look = _look(SITES[layer.sites[0][0]][0], full=block.place == "bottom") if layer.sites else {}
                _box(axes, x, y + LINE / 2, width, layer.text, **look, linestyle="--" if layer.shortcut else "-")
            y += LINE
        _words(axes, RIGHT + 0.12, y - LINE / 2, _size(layers[-1].shape))
        if count > 1:
            _words(axes, RIGHT - 0.1, y - LINE * len(lines) / 2, f"× {count}", ha="right", weight="bold")


def _legend(axes: "Axes", placements: set[str]) -> None:
    x = LEFT
    for placement, (colour, name) in SITES.items():
        if placement in placements:
            for offset, full in ((0, True), (0.36, False)):
                _box(axes, x + offset, 0.14, 0.3, "", **_look(colour, full=full))
            _words(axes, x + 0.73, 0.14, name)
            x += 2.5
    _words(axes, LEFT, 0.35, _NOTE)


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _words(axes: "Axes", x: float, y: float, text: str, *, ha: str = "left", weight: str = "normal") -> None:
    axes.text(x, y, text, ha=ha, va="center_baseline", fontsize=FONT, fontweight=weight, color=GRAY)


def _box(axes: "Axes", x: float, y: float, width: float, text: str, **look: Any) -> None:
    from matplotlib.patches import FancyBboxPatch

    style: dict[str, Any] = {"edgecolor": GRAY, "facecolor": "none", "linewidth": 0.7} | look
    axes.add_patch(FancyBboxPatch((x, y - BOX / 2), width, BOX, boxstyle="round,pad=0,rounding_size=0.035", **style))
    _words(axes, x + width / 2, y, text, ha="center")


def _look(colour: str, *, full: bool) -> dict[str, Any]:
    from matplotlib.colors import to_rgba

    return {"edgecolor": colour, "linewidth": 1.2, "facecolor": to_rgba(colour, 0.35) if full else "none"}
