from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from torch import nn

from defective import build, defects
from defective.data import shapes
from defective.figures import svg
from defective.files import write_tensors
from defective.models import create_model, list_models
from defective.models.senet import SqueezeExcite
from defective.report.architecture import SITES, blocks, picture_of
from defective.report.drawings import ARCHITECTURES, GRIDS, MASKED, drawing, patches
from defective.report.sections import ResultReader
from runs import finish, table4

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=list_models())
def model(request) -> nn.Module:
    return create_model(request.param, width_mult=0.0625)


def layers(drawn):
    return [layer for block in drawn for unit, _ in block.units for layer in unit]


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.axes[0].texts)


def test_every_layer_is_drawn_or_counted(model):
    gates = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, SqueezeExcite))
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Linear, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, SqueezeExcite)
    modules = [name for name, each in model.named_modules() if isinstance(each, kinds) and not (gates and name.startswith(gates))]
    assert sum(len(unit) * count for block in blocks(model) for unit, count in block.units) == len(modules)
    assert {layer.module for layer in layers(blocks(model))} <= set(modules)


@pytest.mark.parametrize("placement", list(SITES))
def test_every_mask_site_is_drawn_or_counted_in_its_block(model, placement):
    for block in blocks(model):
        expected = () if block.number is None else model.mask_sites[placement][block.number]
        drawn = [(site, count) for unit, count in block.units for layer in unit for each, site in layer.sites if each == placement]
        assert sum(count for _, count in drawn) == len(expected)
        assert {site for site, _ in drawn} <= set(expected)


def test_sizes_are_those_of_a_forward_pass(model):
    drawn = layers(blocks(model))
    sizes: dict[str, tuple[int, ...]] = {}
    for layer in drawn:
        hook = lambda module, args, output, name=layer.module: sizes.update({name: tuple(output.shape[1:])})  # noqa: E731
        model.get_submodule(layer.module).register_forward_hook(hook)
    with torch.no_grad():
        model.eval()(torch.zeros(1, *model.architecture.image_shape))
    assert {layer.module: layer.shape for layer in drawn} == sizes


def test_blocks_are_those_of_the_paper():
    found = blocks(create_model("resnet50", width_mult=0.0625))
    assert [(block.number, block.place) for block in found] == [
        (0, "bottom"),
        (1, "bottom"),
        (2, "bottom"),
        (3, "top"),
        (4, "top"),
        (None, ""),
    ]
    assert [[count for _, count in block.units] for block in found] == [[1], [1, 2], [1, 3], [1, 5], [1, 2], [1]]
    first, _ = found[2].units[0]
    assert [layer.text for layer in first if "shortcut" in layer.module] == ["1×1 conv, 32, /2", "norm"]


def test_the_model_is_left_as_it_was(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    blocks(model)
    assert model.training and all(module.training for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_box_for_each_layer_and_a_colour_for_each_site(model):
    drawn = blocks(model)
    figure = picture_of(drawn, model.architecture.image_shape)
    boxes = [box for text in figure.axes[0].texts if (box := text.get_bbox_patch())]
    used = {placement for layer in layers(drawn) for placement, _ in layer.sites}
    # Two more of each colour are in the legend.
    assert len(boxes) == len(layers(drawn)) + 2 * len(used)
    for placement in used:
        coloured = [box for box in boxes if to_hex(box.get_edgecolor()) == SITES[placement][0]]
        assert len(coloured) == sum(layer.sites[0][0] == placement for layer in layers(drawn) if layer.sites) + 2
        full = [box for box in coloured if box.get_facecolor()[3] > 0]
        bottom = layers([block for block in drawn if block.place == "bottom"])
        assert len(full) == sum(layer.sites[0][0] == placement for layer in bottom if layer.sites) + 1
    assert all(f"block {number}" in words(figure) for number in range(len(drawn) - 1))
    assert all(f"× {count}" in words(figure) for block in drawn for _, count in block.units if count > 1)


def test_all_that_is_drawn_lies_inside_the_figure(model):
    figure = picture_of(blocks(model), model.architecture.image_shape)
    (axes,) = figure.axes
    svg(figure)
    outer = axes.get_window_extent()
    for artist in (*axes.texts, *axes.patches):
        inner = artist.get_window_extent()
        assert outer.x0 <= inner.x0 and inner.x1 <= outer.x1 and outer.y0 <= inner.y0 and inner.y1 <= outer.y1


@pytest.mark.parametrize("name", ["figure2", "figure3", *ARCHITECTURES])
def test_every_drawing_is_svg_with_equal_bytes_at_full_width(name, store):
    texts = [svg(drawing(name, table4(), ResultReader(store))) for _ in range(2)]
    assert texts[0] == texts[1]
    assert ElementTree.fromstring(texts[0]).tag == f"{SVG}svg"
    assert name != "figure8" or ("3×3 conv, 512" in texts[0] and "512 × 4 × 4" in texts[0])


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
    crafted = next(job for job in table4().jobs if job.kind == "generate")
    write_tensors(finish(store, crafted) / "pictures.safetensors", {"x": x}, {})
    first = shown(drawing("figure3", table4(), ResultReader(store)))[0]
    expected = x[0] if taken else shapes("test").x[0]
    assert np.array_equal(first, expected.permute(1, 2, 0).numpy())
