"""Train a defective model of timm with timm's own parts: registry, optimizer, schedule, EMA and checkpoint."""

from typing import Any

import timm
import torch
from timm.models import register_model
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import ModelEmaV3
from torch import nn

from defective import defect_, evaluation
from defective.data import shapes
from defective.models import Normalize

STEPS, BATCH = 100, 32


@register_model
def defective_resnet18(pretrained: bool = False, **options: Any) -> nn.Module:
    """A small ResNet-18 whose stem and first stage are defective. Its normalisation is inside, so images are in [0, 1].

    Registered, ``timm.create_model`` and the scripts of timm know it by name, and a checkpoint with masks fits what they make.
    """
    model = timm.create_model("resnet18", num_classes=10, channels=(16, 16, 32, 32))
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()  # for images of 32 pixels
    sites = ["bn1", "layer1.0.bn1", "layer1.1.bn1"]
    defect_(model, keep_prob=0.5, sites=sites, example_inputs=torch.zeros(1, 3, 32, 32))
    return nn.Sequential(Normalize(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)), model)


def masks(model: nn.Module) -> list[torch.Tensor]:
    return [tensor.clone() for name, tensor in model.state_dict().items() if name.endswith("defect_mask")]


def main() -> None:
    torch.manual_seed(0)
    data, test = shapes("train"), shapes("test")
    model = timm.create_model("defective_resnet18")
    before = masks(model)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=4e-3, weight_decay=0.05)
    schedule, _ = create_scheduler_v2(optimizer, "cosine", num_epochs=STEPS)
    average = ModelEmaV3(model, decay=0.9)
    for step in range(STEPS):
        x, y = data.take(torch.arange(step * BATCH, (step + 1) * BATCH))
        loss = nn.functional.cross_entropy(model(x / 255), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update(model)
        schedule.step(step + 1)

    x, y = test.take(torch.arange(200))
    print(f"accuracy of the averaged model: {evaluation.accuracy(average.module, x / 255, y):.2f}")
    print("masks are as they were:", all(map(torch.equal, before, masks(average.module))))

    torch.save({"state_dict_ema": average.module.state_dict()}, "checkpoint.pth")
    again = timm.create_model("defective_resnet18", checkpoint_path="checkpoint.pth")
    with torch.no_grad():
        print("same model again:", torch.equal(again.eval()(x / 255), average.module.eval()(x / 255)))


if __name__ == "__main__":
    main()
