"""Figures that show no measured numbers: masks, shuffled patches, architectures; each from the library's own models and functions."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from defective.build import build
from defective.data import shapes
from defective.data.patches import shuffle_patches
from defective.experiments.plan import Plan
from defective.figures import GRAY
from defective.models import create_model
from defective.probes import site_outputs
from defective.report.architecture import blocks, picture_of
from defective.report.sections import ResultReader
from defective.specs import GenerateJob
from defective.surgery import defects, mask_layers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ARCHITECTURES = {
    "figure8": "resnet18",
    "figure9": "resnet50",
    "figure10": "densenet121",
    "figure11": "senet18",
    "figure12": "vgg19",
    "figure13": "wrn32_4",
}
# The model of Figure 2, of the text's placement: after the activation, as Eq. 5.
MASKED = "resnet18/0.5-bottom@text"
GRIDS = (1, 2, 4, 8)


def drawing(name: str, plan: Plan, reader: ResultReader) -> "Figure":
    """The figure of an exhibit of view ``"drawing"``, such as ``"figure8"``; ``plan`` and ``reader`` are where Figure 3 finds an image."""
    if name == "figure2":
        return channels()
    if name == "figure3":
        return patches(_image(plan, reader))
    # Sizes and names are all that is drawn, so no weight is ever made.
    with torch.device("meta"):
        model = create_model(ARCHITECTURES[name])
    return picture_of(blocks(model), (3, 32, 32))


def channels() -> "Figure":
    """The first three channels of a first layer, standard and defective, on a synthetic image: dead neurons are black."""
    from matplotlib.figure import Figure

    image, model = shapes("test").x[0], build(MASKED)
    site = defects(model)[0].site
    dead = ~mask_layers(model)[site].defect_mask[0, :3]
    active = site_outputs(model, [site], image.unsqueeze(0).float() / 255)[site][0, :3]
    # Neurons that are off for this image stay apart from dead ones, which are black.
    live = 0.4 + 0.6 * active / active.amax((1, 2), keepdim=True).clamp_min(1e-9)
    figure = Figure(figsize=(6.2, 3.35), layout="constrained")
    rows = {"standard": torch.zeros_like(dead), "defective": dead}
    for axes, (label, off) in zip(figure.subplots(2, 4), rows.items(), strict=True):
        titled = label == "standard"
        _show(axes[0], image.permute(1, 2, 0) / 255, "image" * titled)
        axes[0].set_ylabel(label, fontsize=8, color=GRAY)
        for number, each in enumerate(off):
            _show(axes[number + 1], live[number] * ~each, f"channel {number}" * titled)
            axes[number + 1].set_xlabel(f"{each.sum()} of {each.numel():,} neurons dead", fontsize=7, color=GRAY)
    return figure


def patches(image: Tensor) -> "Figure":
    """An image, uint8 ``(C, H, W)``, cut into 1, 4, 16 and 64 patches that change places."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.2, 1.85), layout="constrained")
    generator = torch.Generator().manual_seed(0)
    for axes, grid in zip(figure.subplots(1, len(GRIDS)), GRIDS, strict=True):
        shuffled = shuffle_patches(image.unsqueeze(0), grid, generator=generator)[0]
        _show(axes, shuffled.permute(1, 2, 0) / 255, f"{grid} × {grid}")
    return figure


def _image(plan: Plan, reader: ResultReader) -> Tensor:
    """A real image that an attack of the plan began with, the largest first, else a synthetic one."""
    generated = [job for job in plan.jobs if isinstance(job, GenerateJob) and reader.store.result(job)]
    stored = (reader.tensors(job, "pictures.safetensors") for job in generated)
    images = [tensors["x"][0] for tensors, _ in filter(None, stored)]
    fitting = [image for image in images if len(image) == 3 and not any(side % GRIDS[-1] for side in image.shape[1:])]
    return max(fitting, key=torch.numel, default=shapes("test").x[0])


def _show(axes: "Axes", pixels: Tensor, title: str) -> None:
    # Not smoothed: each neuron and each pixel is a square.
    axes.imshow(pixels.numpy(), cmap="gray", vmin=0, vmax=1, interpolation="none")
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=8, color=GRAY)
