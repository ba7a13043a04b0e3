"""Make your model defective: any module, sites by name or by a predicate."""

import torch
from torch import nn

from defective import defect_, defects, load, restore_, save


def my_model() -> nn.Module:
    """Any CNN on images in [0, 1]; nothing in it knows of masks."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def main() -> None:
    model = my_model()
    images = torch.rand(8, 3, 32, 32)
    # Mask the output of every norm, as the released code does; shapes are found by one dry forward.
    defect_(model, keep_prob=0.3, sites=lambda name, module: isinstance(module, nn.BatchNorm2d), example_inputs=images[:1])
    for defect in defects(model):
        print(f"{defect.site}: {defect.live:,} of {defect.total:,} neurons live")

    # Train it as you always do. Masks are modules of the model: they move with .to(), are saved with the weights and are never trained.
    loss = nn.functional.cross_entropy(model(images), torch.randint(0, 10, (8,)))
    loss.backward()

    save(model, "own.safetensors")
    again = load("own.safetensors", model=my_model())
    print("the same model again:", torch.equal(model.eval()(images), again(images)))

    restore_(model)
    print("plain again:", defects(model) == [])


if __name__ == "__main__":
    main()
