"""The models that tools are tried on: one of ours, two of timm, one written by hand; small, as after training, the same every time."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import torchvision_operators  # noqa: F401
from defective import build, create_model, defect_, load_weights_, restore_
from defective.wrapper import SiteWrapper

KEEP_PROB = 0.3


class HandWritten(nn.Module):
    """A residual sum in place, a functional activation, one activation module used twice, a convolution without a norm."""

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
    import timm

    return timm.create_model(name, num_classes=10, **options)


def _efficientnet() -> nn.Module:
    """The first two of seven stages."""
    model = _timm("efficientnet_b0")
    model.blocks = model.blocks[:2]
    model.conv_head, model.bn2, model.classifier = nn.Identity(), nn.Identity(), nn.Linear(24, 10)
    return model


@dataclass(frozen=True)
class Architecture:
    """How a model is made and what its parts are called: the convolution and norm of the stem, more sites, one more convolution."""

    make: Callable[[], nn.Module]
    stem: tuple[str, str]
    sites: tuple[str, ...]
    conv: str
    package: str = "torch"
    spec: str = ""


MODELS = {
    "resnet18 (built in)": Architecture(
        lambda: create_model("resnet18", width_mult=0.125),
        ("stem.conv", "stem.norm"),
        (),
        "stages.1.0.conv2",
        spec="resnet18/0.3-bottom-sm",
    ),
    "resnet18 (timm)": Architecture(
        lambda: _timm("resnet18", channels=(16, 16, 32, 32)),
        ("conv1", "bn1"),
        ("layer1.0.bn1", "layer1.1.act2"),
        "layer1.0.conv2",
        package="timm",
    ),
    "efficientnet_b0 (timm)": Architecture(
        _efficientnet,
        ("conv_stem", "bn1"),
        ("blocks.0.0.bn1", "blocks.1.0.bn2"),
        "blocks.1.0.conv_pw",
        package="timm",
    ),
    "hand-written": Architecture(HandWritten, ("conv1", "bn1"), ("bn2", "conv3"), "conv3"),
}


class Cell:
    """One defective model, in eval mode, that one tool is tried on, and images for it."""

    def __init__(self, name: str) -> None:
        architecture = MODELS[name]
        self.name, self.model, self.x = name, defective_model(name), images()
        self.conv1, self.site = architecture.stem
        # As named_modules() calls it: a convolution that is a site lies inside its wrapper.
        wrapped = isinstance(self.model.get_submodule(architecture.conv), SiteWrapper)
        self.conv2 = f"{architecture.conv}.module" if wrapped else architecture.conv

    def plain(self) -> nn.Module:
        """The same weights without masks."""
        return plain_model(self.name)

    def others(self) -> nn.Module:
        """The same weights with other masks."""
        return defective_model(self.name, seed=1)

    def unseen(self) -> Tensor:
        """The images with all pixels changed that reach masked neurons alone; which they are follows from the geometry of the stem."""
        conv, site = self.model.get_submodule(self.conv1), self.model.get_submodule(self.site)
        x = self.x[:1].clone().requires_grad_()
        with torch.enable_grad():
            reach = F.conv2d(x, torch.ones(1, *conv.weight.shape[1:]), stride=conv.stride, padding=conv.padding)
            (gradient,) = torch.autograd.grad((reach * site.defect_mask.any(1)).sum(), x)
        unseen = (gradient == 0).all(1)
        assert unseen.any()
        return torch.where(unseen, 1 - self.x, self.x)


def images(count: int = 8) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def defective_model(name: str, *, seed: int = 0) -> nn.Module:
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


def plain_model(name: str) -> nn.Module:
    return copy.deepcopy(_trained(name))


@cache
def _trained(name: str) -> nn.Module:
    """The model without masks, its norms as after training with them: masks would not matter much to fresh ones."""
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
