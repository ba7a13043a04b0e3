"""Training images per second, ours against a usual loop."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.nets import fresh, image_set
from benchmarks.paired import ratios
from benchmarks.settings import Found, Settings, measured, wrong
from defective.data import ImageSet
from defective.inference import as_images
from defective.machine import memory_format, resolve_precision
from defective.specs import Recipe
from defective.training.epoch import TrainingSetup, run_epoch
from defective.training.loop import make_sgd
from defective.training.step import make_step

NET, LR = "resnet18", 0.02
# Images a batch, by kind of device: what fills it.
BATCH = {"cpu": 128, "cuda": 512}


def measure(settings: Settings) -> Found:
    """Row ``throughput``."""
    data = image_set(settings, "train")
    # Spread over all classes, which may lie one after another.
    few = 2048 if settings.device.type == "cpu" else 16384
    index = torch.linspace(0, len(data) - 1, settings.amount(few, 64)).long()
    data = replace(data, x=data.x[index], y=data.y[index])
    x = as_images(data.x[:32]).to(settings.device)
    ours = _our_loop(fresh(NET, settings, x), data, settings)
    theirs = UsualLoop(fresh(NET, settings, x), data, settings, LR).epoch
    first = [ours(), theirs()]
    check = f"mean loss of the first epoch {first[0]:.3f} (ours) and {first[1]:.3f} (the usual loop), at most 15 % apart"
    if not abs(first[0] - first[1]) <= 0.15 * first[1]:
        return {"lines": {"loop": wrong(check)}}
    seconds = settings.in_turn({"ours": ours, "theirs": theirs}, warm=False)
    note = f"ours in {resolve_precision(settings.device)}"
    return {
        "lines": {"loop": measured(check, ratios(seconds["theirs"], seconds["ours"]), seconds=seconds, note=note)},
        "images": len(data),
    }


def _our_loop(net: nn.Module, data: ImageSet, settings: Settings) -> Callable[[], float]:
    """An epoch at each call; what is set up once for a whole training is set up here or in the first."""
    device, precision = settings.device, resolve_precision(settings.device)
    recipe = Recipe(name="bench", epochs=1, batch_size=BATCH[device.type], lr=LR, schedule="steps")
    layout, here = memory_format(net, device), data.to(device)
    net = net.to(memory_format=layout)  # type: ignore[call-overload]
    optimizer = make_sgd(net, recipe, device)
    step, run = make_step(net, optimizer, recipe, device, precision), TrainingSetup(recipe, 0, device, precision, layout=layout)
    return lambda: float(run_epoch(step, here, run, 0, lambda n=1, note="": None)["train_loss"])


class UsualLoop:
    """A loop as most scripts have it: DataLoader, transforms image by image, SGD with momentum in float32."""

    def __init__(self, net: nn.Module, data: ImageSet, settings: Settings, lr: float) -> None:
        workers = settings.amount(2, 0)
        self.net, self.device = net, settings.device
        self.loader = DataLoader(
            _Transformed(data), BATCH[settings.device.type], shuffle=True, num_workers=workers, persistent_workers=workers > 0
        )
        self.optimizer = torch.optim.SGD(net.parameters(), lr, momentum=0.9, weight_decay=5e-4)

    def set_lr(self, lr: float) -> None:
        """Change the learning rate from here on."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    def epoch(self) -> float:
        """Train for one epoch; return the mean loss."""
        self.net.train()
        losses = []
        for x, y in self.loader:
            z, y = self.net(x.to(self.device)), y.to(self.device)
            loss = F.cross_entropy(z, y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return float(np.mean(losses))


class _Transformed(Dataset[tuple[Tensor, int]]):
    """Images as most training scripts read them: one by one, padded, cropped, mirrored, made a tensor. The model normalises them."""

    def __init__(self, data: ImageSet) -> None:
        self.arrays, self.labels = data.x.permute(0, 2, 3, 1).contiguous().numpy(), data.y.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image, ImageOps

        array = self.arrays[index]
        image = Image.fromarray(array.squeeze(2) if array.shape[2] == 1 else array)
        left, top = torch.randint(0, 9, (2,)).tolist()
        image = ImageOps.expand(image, 4).crop((left, top, left + array.shape[1], top + array.shape[0]))
        if torch.rand(()) < 0.5:
            image = ImageOps.mirror(image)
        pixels = np.asarray(image, np.float32).reshape(array.shape) / 255
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), self.labels[index]
