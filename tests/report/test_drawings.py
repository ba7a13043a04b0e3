from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from torch import nn

from defective import build, defects
from defective.data import shapes
from defective.figures import svg
from defective.files import write_tensors
from defective.models import create_model, list_models
from defective.models.senet import SqueezeExcite
from defective.report.architecture import SITES, Block, blocks, picture_of
from defective.report.drawings import ARCHITECTURES, GRIDS, MASKED, drawing, patches
from defective.report.sections import ResultReader
from runs import finish, table4

SVG = "{http://www.w3.org/2000/svg}"


class Drawn(NamedTuple):
    model: nn.Module
    blocks: list[Block]
    figure: Figure


@pytest.fixture(scope="module", params=list_models())
def drawn(request) -> Drawn:
    """A model in training mode, and what is drawn of it."""
    model = create_model(request.param, width_mult=0.0625).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = blocks(model)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    return Drawn(model, found, picture_of(found, model.architecture.image_shape))


def layers(blocks):
    return [layer for block in blocks for unit, _ in block.units for layer in unit]


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.axes[0].texts)


def test_every_layer_is_drawn_or_counted(drawn):
    gates = tuple(f"{name}." for name, module in drawn.model.named_modules() if isinstance(module, SqueezeExcite))
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Linear, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, SqueezeExcite)
    named = [name for name, each in drawn.model.named_modules() if isinstance(each, kinds)]
    modules = [name for name in named if not (gates and name.startswith(gates))]
    assert sum(len(unit) * count for block in drawn.blocks for unit, count in block.units) == len(modules)
    assert {layer.module for layer in layers(drawn.blocks)} <= set(modules)


@pytest.mark.parametrize("placement", list(SITES))
def test_every_mask_site_is_drawn_or_counted_in_its_block(drawn, placement):
    for block in drawn.blocks:
        expected = () if block.number is None else drawn.model.mask_sites[placement][block.number]
        found = [(site, count) for unit, count in block.units for layer in unit for each, site in layer.sites if each == placement]
        assert sum(count for _, count in found) == len(expected)
        assert {site for site, _ in found} <= set(expected)


def test_sizes_are_those_of_a_forward_pass(drawn):
    shapes = {layer.module: layer.shape for layer in layers(drawn.blocks)}
    sizes: dict[str, tuple[int, ...]] = {}
    for name in shapes:
        hook = lambda module, args, output, name=name: sizes.update({name: tuple(output.shape[1:])})  # noqa: E731
        drawn.model.get_submodule(name).register_forward_hook(hook)
    with torch.no_grad():
        drawn.model.eval()(torch.zeros(1, *drawn.model.architecture.image_shape))
    assert shapes == sizes


def test_blocks_are_those_of_the_paper():
    found = blocks(create_model("resnet50", width_mult=0.0625))
    places = {0: "bottom", 1: "bottom", 2: "bottom", 3: "top", 4: "top", None: ""}
    assert {block.number: block.region for block in found} == places and [block.number for block in found] == list(places)
    assert [[count for _, count in block.units] for block in found] == [[1], [1, 2], [1, 3], [1, 5], [1, 2], [1]]
    first, _ = found[2].units[0]
    assert [layer.text for layer in first if "shortcut" in layer.module] == ["1×1 conv, 32, /2", "norm"]


def test_a_box_for_each_layer_and_a_colour_for_each_site(drawn):
    boxes = [box for text in drawn.figure.axes[0].texts if (box := text.get_bbox_patch())]
    shown, bottom = layers(drawn.blocks), layers([block for block in drawn.blocks if block.region == "bottom"])
    used = {placement for layer in shown for placement, _ in layer.sites}
    assert len(boxes) == len(shown)
    legend = [text.get_text() for text in drawn.figure.legends[0].get_texts()]
    assert legend == [name for placement, (_, name) in SITES.items() if placement in used]
    for placement in used:
        coloured = [box for box in boxes if to_hex(box.get_edgecolor()) == SITES[placement][0]]
        full = [box for box in coloured if box.get_facecolor()[3] > 0]
        for found, expected in ((coloured, shown), (full, bottom)):
            assert len(found) == sum(layer.sites[0][0] == placement for layer in expected if layer.sites)
    assert all(f"block {number}" in words(drawn.figure) for number in range(len(drawn.blocks) - 1))
    assert all(f"× {count}" in words(drawn.figure) for block in drawn.blocks for _, count in block.units if count > 1)


def test_all_that_is_drawn_lies_inside_the_figure(drawn):
    (axes,) = drawn.figure.axes
    drawn.figure.draw_without_rendering()
    outer = axes.get_window_extent()
    for artist in (*axes.texts, *axes.patches, *drawn.figure.legends):
        inner = artist.get_window_extent()
        assert outer.x0 <= inner.x0 and inner.x1 <= outer.x1 and outer.y0 <= inner.y0 and inner.y1 <= outer.y1


def test_each_architecture_has_a_drawing():
    assert sorted(ARCHITECTURES.values()) == sorted(list_models())


@pytest.mark.parametrize(
    ("name", "words"), [("figure2", ("channel 2",)), ("figure3", ("8 × 8",)), ("figure8", ("3×3 conv, 512", "512 × 4 × 4"))]
)
def test_every_drawing_is_svg_at_full_width(name, words, store):
    text = svg(drawing(name, table4(), ResultReader(store)))
    assert ElementTree.fromstring(text).tag == f"{SVG}svg" and all(each in text for each in words)


def test_dead_neurons_are_black_and_the_others_as_they_were(store):
    axes = drawing("figure2", table4(), ResultReader(store)).axes
    pixels = [np.asarray(each.images[0].get_array()) for each in axes]
    model = build(MASKED)
    mask = model.get_submodule(defects(model)[0].site).defect_mask[0].numpy()
    for number in range(3):
        standard, defective = pixels[number + 1], pixels[number + 5]
        assert (standard > 0).all()
        assert np.array_equal(defective == 0, ~mask[number])
        assert np.array_equal(defective[mask[number]], standard[mask[number]])
        assert axes[number + 5].get_xlabel() == f"{(~mask[number]).sum()} of 1,024 neurons dead"


def shown(figure) -> list[np.ndarray]:
    return [np.rint(np.asarray(axes.images[0].get_array()) * 255).astype(np.uint8) for axes in figure.axes]


def test_shuffled_images_are_made_of_the_same_patches(generator):
    image = torch.randint(0, 256, (3, 16, 16), generator=generator, dtype=torch.uint8)
    pictures = shown(patches(image))
    assert np.array_equal(pictures[0], image.permute(1, 2, 0).numpy())

    def tiles(picture, grid):
        side = 16 // grid
        return sorted(
            picture[top : top + side, left : left + side].tobytes() for top in range(0, 16, side) for left in range(0, 16, side)
        )

    for picture, grid in zip(pictures, GRIDS, strict=True):
        assert tiles(picture, grid) == tiles(pictures[0], grid)
    assert len({picture.tobytes() for picture in pictures}) == len(GRIDS)


@pytest.mark.parametrize(("size", "taken"), [(32, True), (28, False)])
def test_the_image_is_one_that_an_attack_began_with_and_that_can_be_cut(size, taken, store):
    x = torch.full((4, 3, size, size), 200, dtype=torch.uint8)
    generated = next(job for job in table4().jobs if job.kind == "generate")
    write_tensors(finish(store, generated) / "pictures.safetensors", {"x": x}, {})
    first = shown(drawing("figure3", table4(), ResultReader(store)))[0]
    expected = x[0] if taken else shapes("test").x[0]
    assert np.array_equal(first, expected.permute(1, 2, 0).numpy())
