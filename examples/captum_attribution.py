"""Explain a defective model with Captum: pixel attributions are complete, and a masked neuron has none."""

import torch
from captum.attr import IntegratedGradients, LayerActivation, LayerGradientXActivation

from defective import Recipe, build
from defective.data import ImageSet, shapes
from defective.training.loop import fit


def main() -> None:
    data = shapes("train")
    model = build("resnet18/0.3-bottom", width_mult=0.0625)
    few = ImageSet(data.name, "train", data.x[:500], data.y[:500], data.classes)
    fit(model, few, Recipe(name="example", epochs=2, batch_size=32, augment="none"), precision="fp32")
    images, y = shapes("test").take(torch.arange(8))
    x, black = images / 255, torch.zeros_like(images, dtype=torch.float32)

    attributions = IntegratedGradients(model).attribute(x, black, target=y, n_steps=50, internal_batch_size=50)
    with torch.no_grad():
        change = (model(x) - model(black)).gather(1, y[:, None]).squeeze(1)
    gap = (attributions.sum((1, 2, 3)) - change).abs().max() / change.abs().max()
    print(f"attributions add up to the change of the logit: {bool(gap < 0.1)} (within {gap:.1%})")

    # The site is the module with its mask; ``site.module`` is the norm alone.
    site = model.stem.norm
    masked = ~site.defect_mask.expand(len(x), -1, -1, -1)
    for method in (LayerGradientXActivation(model, site), LayerActivation(model, site)):
        found = method.attribute(x, target=y) if isinstance(method, LayerGradientXActivation) else method.attribute(x)
        print(f"{type(method).__name__}: masked neurons have none: {not found[masked].any() and bool(found[~masked].any())}")


if __name__ == "__main__":
    main()
