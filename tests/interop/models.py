"""The models of the interop tests: one of ours, two of timm, one written by hand; small, as after training, and the same every time."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defective import build, create_model, defect_, load_weights_, restore_

KEEP_PROB = 0.3


@dataclass(frozen=True)
class Architecture:
    """How a model is made and what its parts are called."""

    make: Callable[[], nn.Module]
    stem: tuple[str, str]
    # Masked besides the norm of the stem.
    sites: tuple[str, ...]
    # A convolution further on, and the last layer.
    conv: str
    head: str
    needs: str = ""
    spec: str = ""


class HandWritten(nn.Module):
    """Residual sum in place, a functional activation, one activation module used twice, a convolution without a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12)
        self.conv2, self.bn2 = nn.Conv2d(12, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12)
        self.conv3 = nn.Conv2d(12, 16, 3, stride=2, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(x))
        y += x
        y = self.act(self.conv3(F.relu(y)))
        return self.head(y.mean((2, 3)))


def _timm(name: str, **options: object) -> nn.Module:
    import torchvision_operators  # noqa: F401, I001
    import timm

    return timm.create_model(name, num_classes=10, **options)


def _efficientnet() -> nn.Module:
    """The first three of seven stages."""
    model = _timm("efficientnet_b0")
    model.prune_intermediate_layers(2, prune_norm=True)
    model.classifier = nn.Linear(40, 10)
    return model


MODELS = {
    "resnet18": Architecture(
        lambda: create_model("resnet18", width_mult=0.125),
        ("stem.conv", "stem.norm"),
        (),
        conv="stages.1.0.conv2",
        head="head",
        spec="resnet18/0.3-bottom-sm",
    ),
    "timm resnet18": Architecture(
        lambda: _timm("resnet18", channels=(16, 16, 32, 32)),
        ("conv1", "bn1"),
        ("layer1.0.bn1", "layer1.1.act2"),
        conv="layer1.0.conv2",
        head="fc",
        needs="timm",
    ),
    "timm efficientnet_b0": Architecture(
        _efficientnet,
        ("conv_stem", "bn1"),
        ("blocks.0.0.bn1", "blocks.1.0.conv_pw"),
        conv="blocks.1.0.conv_pw",
        head="classifier",
        needs="timm",
    ),
    "hand-written": Architecture(
        HandWritten, ("conv1", "bn1"), ("bn2", "conv3"), conv="conv3", head="head"
    ),
}


def images(count: int = 8) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def plain_model(name: str) -> nn.Module:
    """The model without masks in eval mode, its norms as after training with masks."""
    return copy.deepcopy(_plain(name))


@cache
def _plain(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = mask_(name, MODELS[name].make()).train()
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.weight.uniform_(0.7, 1.3)
            norm.bias.uniform_(-0.3, 0.3)
            norm.momentum = None
        model(images(32))
    for norm in norms:
        norm.momentum = 0.1
    restore_(model)
    return model.eval()


def defective_model(name: str, *, seed: int = 0) -> nn.Module:
    """The same model with masks."""
    spec = MODELS[name].spec
    if not spec:
        return mask_(name, plain_model(name), seed=seed)
    model = build(spec, width_mult=0.125, mask_seed=seed)
    load_weights_(model, plain_model(name).state_dict())
    return model.eval()


def mask_(name: str, model: nn.Module, *, seed: int = 0) -> nn.Module:
    """Put masks in; those of the stem are alike in all channels, so that some pixels reach no neuron that is kept."""
    architecture = MODELS[name]
    if architecture.spec:
        defect_(model, KEEP_PROB, pattern="shared", seed=seed)
    else:
        defect_(model, KEEP_PROB, sites=architecture.stem[1], pattern="shared", example_inputs=images(1), seed=seed)
        defect_(model, KEEP_PROB, sites=architecture.sites, example_inputs=images(1), seed=seed)
    return model


def unseen_pixels(name: str, model: nn.Module) -> Tensor:
    """Bool ``(H, W)``: pixels that reach only masked neurons of the stem, found from the mask and the geometry of the convolution."""
    conv, norm = (model.get_submodule(part) for part in MODELS[name].stem)
    x = images(1).requires_grad_()
    reach = F.conv2d(x, torch.ones(1, *conv.weight.shape[1:]), stride=conv.stride, padding=conv.padding)
    (reach * norm.defect_mask.any(1)).sum().backward()
    assert x.grad is not None
    return (x.grad == 0).all(1)[0]
