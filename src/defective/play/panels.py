"""What the page shows of one image under one attack: images in, pictures and numbers out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from defective.data import ImageSet
from defective.data.image_file import decode, named_warnings
from defective.errors import InputError
from defective.evaluation.adversarial import AdversarialSet, generate
from defective.evaluation.evaluated_model import EvaluatedModel, naming
from defective.evaluation.threat_model import ThreatModel, threat_model
from defective.inference import logits
from defective.probes import NORMS_AND_CONVOLUTIONS, probed
from defective.report.galleries import Example, made_examples
from defective.report.pictures import feature_picture, mask_picture
from defective.specs import ATTACK_DEFAULTS, AttackSpec
from defective.surgery import mask_layers
from defective.wrapper import site_modules, unwrapped

# The attacks with a radius that every model with a gradient can be attacked with; noise does without one.
ATTACKS = ("pgd", "fgsm", "mifgsm", "difgsm", "tifgsm", "sifgsm", "nifgsm", "vmifgsm", "noise")
MAX_RADIUS = 32
# Bounds of an uploaded file: a photograph of a telephone fits.
MAX_BYTES = 16 << 20
MAX_PIXELS = 50_000_000
TOP = 3
CHANNELS, COLUMNS = 16, 4


class Confidence(NamedTuple):
    """A class and the softmax of its logit."""

    name: str
    share: float


@dataclass(frozen=True)
class LayerPanel:
    """Feature maps of one layer, behind its mask, for the clean and the adversarial image, with one scale for all three pictures.

    ``change`` is the L2 norm of the difference over that of the clean maps, of all channels; ``mask`` is empty where there is none.
    """

    clean: str
    adversarial: str
    difference: str
    change: float
    channels: int
    mask: str
    live: int
    total: int


@dataclass(frozen=True)
class ModelPanel:
    """What one model predicts, most confident class first; ``layer`` is None where it has no layer of that name."""

    model: str
    threat_model: ThreatModel
    clean: tuple[Confidence, ...]
    adversarial: tuple[Confidence, ...]
    layer: LayerPanel | None


def read_upload(name: str, content: bytes, image_shape: tuple[int, int, int]) -> Tensor:
    """An uploaded image file as uint8 ``(C, H, W)``, resized so that the shorter side is 8/7 of the model's and cropped to the centre.

    Raises:
        InputError: If it has more pixels than allowed, or is no whole image of a supported format.
    """
    from PIL import Image

    channels, height, width = image_shape
    with named_warnings():
        pixels = decode(Path(name), height, content=content, max_pixels=MAX_PIXELS)
    image = Image.fromarray(pixels).convert("L" if channels == 1 else "RGB")
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(height, width, channels).permute(2, 0, 1)


def attack_spec(name: str, radius: int) -> AttackSpec:
    """An attack with the defaults of the package and a radius (of noise: sigma) in 1/255.

    Above 16/255 the steps are longer than the 1/255 of the paper, so that they reach as far.

    Example:
        >>> str(attack_spec("pgd", 16)), str(attack_spec("pgd", 24)), str(attack_spec("noise", 8))
        ('pgd:eps=16/255,step_size=1/255,steps=20', 'pgd:eps=24/255,step_size=2/255,steps=20', 'noise:sigma=8/255')
    """
    numbers = f"{'sigma' if name == 'noise' else 'eps'}={radius}/255"
    step = f",step_size={max(1, ceil(radius / 16))}/255" if "step_size" in ATTACK_DEFAULTS[name] else ""
    return AttackSpec.parse(f"{name}:{numbers}{step}")


def attack_image(source: EvaluatedModel, x: Tensor, attack: AttackSpec, *, label: int | None = None) -> AdversarialSet:
    """Attack one image, uint8 ``(C, H, W)``, on a source; away from the class that the source predicts, if it has no label.

    Raises:
        InputError: If the source has no gradient that the attack could use, or does not fit the image.
    """
    x = x.unsqueeze(0)
    with naming(source.name):
        y = logits(source.model, x).argmax(1) if label is None else torch.tensor([label])
    one = ImageSet(source.data.name, "test", x, y, source.data.classes)
    return generate(replace(source, data=one), attack, index=torch.tensor([0]))


def image_example(made: AdversarialSet, classes: Sequence[str]) -> Example:
    """The clean image, what the attack changed, amplified, and the adversarial image, with what the source predicts for it."""
    images = {"x": made.x, "x_adv": made.x_adv, "y": made.y}
    return made_examples(images, [(made.source, made.predicted)], classes, largest_change(made) / 255)[0]


def largest_change(made: AdversarialSet) -> int:
    """The change, in 1/255, that the amplified perturbation shows as black or white."""
    return max(1, round(255 * made.changes()["linf_max"]))


def model_panel(target: EvaluatedModel, source: EvaluatedModel, made: AdversarialSet, layer: str | None) -> ModelPanel:
    """What a model makes of the clean and the adversarial image: predictions, and the feature maps of one layer."""
    both = torch.cat([made.x, made.x_adv])
    with naming(target.name):
        shares, order = logits(target.model, both).softmax(1).sort(descending=True, stable=True)
        clean, adversarial = (
            tuple(Confidence(target.data.classes[int(i)], float(share)) for share, i in zip(row[:TOP], indices[:TOP], strict=True))
            for row, indices in zip(shares, order, strict=True)
        )
        shown = _layer_panel(target.model, both, layer) if layer and layer in site_modules(target.model) else None
    return ModelPanel(target.name, threat_model(source.model, target.model), clean, adversarial, shown)


def layers(models: Sequence[nn.Module]) -> dict[str, bool]:
    """Convolutions, norms and masked sites of all models in their order, and whether one of the models has a mask there.

    Example:
        >>> from defective import build
        >>> list(layers([build("vgg19/0.5-bottom", width_mult=0.0625)]).items())[:3]
        [('blocks.0.conv1', False), ('blocks.0.norm1', True), ('blocks.0.conv2', False)]
    """
    found: dict[str, bool] = {}
    for model in models:
        masked = mask_layers(model)
        for name, module in site_modules(model).items():
            if name in masked or isinstance(unwrapped(module), NORMS_AND_CONVOLUTIONS):
                found[name] = found.get(name, False) or name in masked
    return found


def _layer_panel(model: nn.Module, images: Tensor, layer: str) -> LayerPanel:
    with probed(model, [layer]) as probes:
        logits(model, images)
    maps = next(iter(probes[layer].seen), None)
    if not isinstance(maps, Tensor) or maps.dim() != 4 or len(maps) != len(images):
        raise InputError(f"layer {layer!r} does not output feature maps (N, C, H, W): choose another")
    clean, adversarial = maps.float().cpu()
    # A few large values must not turn everything else gray.
    shown = clean[:CHANNELS].abs().flatten()
    scale = float(shown.kthvalue(ceil(0.99 * len(shown))).values) or float(shown.max()) or 1.0
    change = float((adversarial - clean).norm() / clean.norm().clamp(min=1e-12))
    found = mask_layers(model).get(layer)
    mask = found.defect_mask[0] if found else None
    return LayerPanel(
        clean=feature_picture(clean[:CHANNELS], scale, columns=COLUMNS),
        adversarial=feature_picture(adversarial[:CHANNELS], scale, columns=COLUMNS),
        difference=feature_picture((adversarial - clean)[:CHANNELS], scale, columns=COLUMNS),
        change=change,
        channels=len(clean),
        mask="" if mask is None else mask_picture(mask, columns=COLUMNS, count=CHANNELS),
        live=clean.numel() if mask is None else int(mask.sum()),
        total=clean.numel(),
    )
