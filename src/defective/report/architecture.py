"""An outline of a net as boxes: block by block downwards, each line from left to right, mask sites coloured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from defective.report.figures import COLOURS, GRAY
from defective.report.outline import Block, Step, Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Placement to its colour and its name in the legend.
SITES = {"authors": (COLOURS[1], "masked by the released code"), "text": (COLOURS[0], "masked by the paper's text")}
_NOTE = "full box: masked if the bottom is defective; empty box of that colour: if another block is"
FONT = 7.0
# All lengths are inches: the axes' unit.
WIDTH, LEFT, RIGHT, TOP = 5.9, 0.85, 4.75, 0.55
LINE, BOX, GAP, PAD = 0.235, 0.17, 0.07, 0.06
INDENT = 0.28
_WIDTHS = {"conv": 1.12, "norm": 0.46, "act": 0.46, "gate": 0.32, "linear": 1.0, "pool": 1.5}


def picture_of(blocks: Sequence[Block], input_shape: tuple[int, ...]) -> "Figure":
    """The figure of an outline. A full box is masked in nets with defects in the bottom, an empty one of that colour in others.

    Args:
        blocks: From :func:`defective.report.outline.outline`.
        input_shape: Of the images, ``(C, H, W)``.
    """
    from matplotlib.figure import Figure

    height = TOP + 0.3 + sum(_height(block) + 0.1 for block in blocks)
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)
    pen = Pen(axes)
    pen.legend({placement for block in blocks for unit in block.units for step in unit.steps for placement in step.sites})
    pen.words(LEFT + 0.05, TOP + 0.05, "image")
    pen.words(RIGHT + 0.12, TOP + 0.05, _size(input_shape))
    y = TOP + 0.2
    for block in blocks:
        pen.block(block, y, _height(block))
        y += _height(block) + 0.1
    return figure


def _height(block: Block) -> float:
    return 2 * PAD + sum(_tall(unit) for unit in block.units)


def _tall(unit: Unit) -> float:
    below = 0.0 if unit.around is None else LINE if unit.around else 0.07
    return LINE * len(unit.lines) + below + (0.06 if unit.around is not None else 0)


def _size(shape: Sequence[int]) -> str:
    return " × ".join(str(side) for side in shape)


def _width(step: Step) -> float:
    return _WIDTHS.get(step.kind, 0.2 if step.text == "+" else 0.55)


@dataclass(frozen=True)
class Pen:
    """Draws on axes whose unit is the inch and whose y runs downwards."""

    axes: "Axes"

    def words(self, x: float, y: float, text: str, *, ha: str = "left", size: float = FONT, weight: str = "normal") -> None:
        """Text with its middle at y."""
        self.axes.text(x, y, text, ha=ha, va="center_baseline", fontsize=size, fontweight=weight, color=GRAY)

    def line(self, *points: tuple[float, float]) -> None:
        """A way of the data."""
        self.axes.plot(*zip(*points, strict=True), color=GRAY, linewidth=0.8, solid_capstyle="butt")

    def box(self, x: float, y: float, width: float, text: str, **look: Any) -> None:
        """A step, its middle at y."""
        from matplotlib.patches import FancyBboxPatch

        style: dict[str, Any] = {"edgecolor": GRAY, "facecolor": "none", "linewidth": 0.7} | look
        shape = "round,pad=0,rounding_size=0.035"
        self.axes.add_patch(FancyBboxPatch((x, y - BOX / 2), width, BOX, boxstyle=shape, **style))
        self.words(x + width / 2, y, text, ha="center")

    def legend(self, placements: set[str]) -> None:
        """What the colours mean."""
        x = LEFT
        for placement, (colour, name) in SITES.items():
            if placement in placements:
                self.box(x, 0.14, 0.3, "", **_look(colour, full=True))
                self.box(x + 0.36, 0.14, 0.3, "", **_look(colour, full=False))
                self.words(x + 0.73, 0.14, name)
                x += 2.5
        self.words(LEFT, 0.35, _NOTE)

    def block(self, block: Block, y: float, height: float) -> None:
        """A block with its name and the sizes of what its units give."""
        from matplotlib.patches import Rectangle

        self.axes.add_patch(Rectangle((LEFT, y), RIGHT - LEFT, height, facecolor=GRAY, alpha=0.1, linewidth=0))
        middle = y + height / 2
        if block.number is not None:
            self.words(LEFT - 0.12, middle - (0.08 if block.place else 0), f"block {block.number}", ha="right", weight="bold")
            self.words(LEFT - 0.12, middle + 0.09, block.place, ha="right")
        y += PAD
        for unit in block.units:
            self.unit(unit, y, full=block.place == "bottom")
            last = y + LINE * (len(unit.lines) - 0.5)
            self.words(RIGHT + 0.12, last, _size(unit.shape))
            if unit.count > 1:
                self.words(
                    RIGHT - 0.1, y + LINE * len(unit.lines) / 2, f"× {unit.count}", ha="right", size=FONT + 1.5, weight="bold"
                )
            y += _tall(unit)

    def unit(self, unit: Unit, y: float, *, full: bool) -> None:
        """Lines of steps and the way around them."""
        start = LEFT + INDENT
        ends: list[list[float]] = []
        for number, line in enumerate(unit.lines):
            ends.append(self.steps(line, start, y + LINE * (number + 0.5), full=full))
        if unit.around is None:
            return
        floor = y + LINE * len(unit.lines) + (LINE / 2 if unit.around else 0.05)
        edge = LEFT + INDENT / 2
        last = unit.lines[-1]
        join = next(place for place, step in enumerate(last) if step.kind == "join")
        target = ends[-1][join] - _width(last[join]) / 2
        if unit.leaves is None:
            way = [(start, y + LINE / 2), (edge, y + LINE / 2)]
        else:
            row, column = unit.leaves
            x = ends[row][column] - _width(unit.lines[row][column]) / 2
            low = y + LINE * (row + 1)
            way = [(x, low - (LINE - BOX) / 2), (x, low), (edge, low)]
        foot = y + LINE * len(unit.lines) - (LINE - BOX) / 2
        if unit.around:
            self.line(*way, (edge, floor), (start, floor))
            after = self.steps(unit.around, start, floor, full=full)[-1]
            self.line((after, floor), (target, floor), (target, foot))
        else:
            self.line(*way, (edge, floor), (target, floor), (target, foot))

    def steps(self, steps: Sequence[Step], x: float, y: float, *, full: bool) -> list[float]:
        """Boxes in a line; returns where each ends."""
        ends: list[float] = []
        for step in steps:
            if ends:
                self.line((x - GAP, y), (x, y))
            width = _width(step)
            looks = [_look(SITES[placement][0], full=full) for placement in step.sites]
            self.box(x, y, width, step.text, **(looks[0] if looks else {}))
            ends.append(x + width)
            x += width + GAP
        return ends


def _look(colour: str, *, full: bool) -> dict[str, Any]:
    from matplotlib.colors import to_rgba

    return {"edgecolor": colour, "linewidth": 1.2, "facecolor": to_rgba(colour, 0.35) if full else "none"}
