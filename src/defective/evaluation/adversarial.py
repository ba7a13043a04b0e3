"""Adversarial examples generated on a source model."""

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from defective.attacks import Attack, from_spec, quantize
from defective.attacks.budget import check_counts
from defective.data.sets import digest_of
from defective.errors import InputError
from defective.evaluation.evaluated_model import EvaluatedModel, naming
from defective.evaluation.measurement import Advance, Chunk, Measurement, Tensors
from defective.inference import as_images, device_of, evaluating, logits, reported
from defective.masks import named_generator
from defective.specs import AttackSpec
from defective.text import short

# Images in one chunk: what a kill can cost. Random attacks are seeded anew for each, so it is a constant.
CHUNK = 250


@dataclass(frozen=True)
class CustomAttack:
    """A custom attack.

    Attributes:
        name: What it is called in tables.
        attack: Any callable ``(model, x, y) -> x_adv`` on float images in [0, 1].
        eps: Radius of its L-infinity ball in [0, 1] units, if it has one: checked, and respected when rounding.
        version: Identifies the state of its code. Without one its images are not stored.

    Raises:
        InputError: If ``eps`` lies outside [0, 1].
    """

    name: str
    attack: Attack
    eps: float | None = None
    version: str = ""

    def __post_init__(self) -> None:
        if self.eps is None:
            return
        try:
            # A plain number, whatever kind of number it was.
            eps = float(self.eps)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            eps = math.inf
        if not 0 <= eps <= 1:
            raise InputError(f"attack {self.name}: eps {short(self.eps)} lies outside [0, 1]: write it as 16/255")
        object.__setattr__(self, "eps", eps)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class AdversarialSet:
    """Adversarial examples generated on one source.

    Attributes:
        x: Clean images, uint8 or float, ``(N, C, H, W)``.
        y: True labels ``(N,)``.
        x_adv: Adversarial images: uint8 if rounded, else float in [0, 1].
        predicted: The source's prediction on the adversarial image before rounding, ``(N,)``.
        index: Indices of the images in the test set, ``(N,)``.
        source: Name of the source.
        attack: The attack in words.
        settings: How it was generated: seed, samples asked for, rounded to 8 bits or not.
        fingerprint: Hash of the source, to recognise it as a target; empty if unknown.
    """

    x: Tensor
    y: Tensor
    x_adv: Tensor
    predicted: Tensor
    index: Tensor
    source: str
    attack: str
    settings: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def fooled(self) -> Tensor:
        """Bool ``(N,)``: whether the attack changed the source's prediction away from the label."""
        return self.predicted != self.y

    def changes(self) -> dict[str, float]:
        """The size of the perturbations, in [0, 1] units: the largest change of a pixel, and the mean L2 norm over the images."""
        if len(self.y) == 0:
            return {"linf_max": 0.0, "l2_mean": 0.0}
        parts = zip(self.x.split(500), self.x_adv.split(500), strict=True)
        moved = [(as_images(x_adv.cpu()) - as_images(x.cpu())).flatten(1) for x, x_adv in parts]
        largest = max(float(part.abs().max()) for part in moved)
        return {"linf_max": largest, "l2_mean": float(torch.cat([part.norm(dim=1) for part in moved]).mean())}


def generate(
    source: EvaluatedModel,
    attack: AttackSpec | CustomAttack,
    *,
    samples: int = CHUNK,
    index: Tensor | None = None,
    seed: int = 0,
    rounded: bool = True,
    batch_size: int = CHUNK,
) -> AdversarialSet:
    """Attack a source on its sample of the test set, or on the test images at ``index``.

    Args:
        source: Model that the attacker owns.
        attack: A spec, or a custom attack.
        samples: Images, among those that the source classifies correctly.
        index: Which test images instead, ``(N,)``.
        seed: Seed of the sample and of random attacks.
        rounded: Round to 8 bits, as the released code does: images are scored as they would be saved.
        batch_size: Images attacked at once, at most 250. For the attacks of this library only time and memory depend on it;
            AutoAttack and custom attacks may draw other random numbers for another size.

    Raises:
        InputError: If the attack returns something other than images in [0, 1] and its ball, or changes the source.

    Example:
        >>> from defective.data import ImageSet
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
        >>> data = ImageSet("noise", "test", torch.rand(5, 3, 2, 2), torch.zeros(5, dtype=torch.long), ("a", "b"))
        >>> source = EvaluatedModel.of("linear", model, data)
        >>> made = generate(source, AttackSpec.parse("fgsm:eps=8/255"), index=torch.arange(5))
        >>> made.x_adv.dtype, made.fooled.shape
        (torch.uint8, torch.Size([5]))
    """
    check_counts(batch_size=batch_size)
    index, batch_size = source.sample(samples, seed=seed) if index is None else index, int(batch_size)
    named = attack.canonical if isinstance(attack, AttackSpec) else [attack.name, attack.version]
    depends = {"attack": named, "seed": seed, "rounded": rounded, "eps": _radius(attack)}
    if isinstance(attack, CustomAttack) or attack.name == "autoattack":
        depends["batch_size"] = batch_size
    if isinstance(attack, AttackSpec):
        depends |= source.computed

    chunks = []
    for number, part in enumerate(index.split(CHUNK)):
        # The name stays, also where words change: stored adversarial examples depend on it.
        numbered = named_generator(seed, f"craft/{number}").initial_seed()
        compute = partial(_generate, source, part, attack, numbered, rounded, batch_size)
        chunks.append(Chunk(source.inputs("generate", part, chunk=number, **depends), len(part), compute))
    made = source.run(Measurement(f"{attack} on {source.name}", chunks, storable=bool(attack.version)))
    x, y = source.data.take(index)
    settings = {"seed": seed, "samples": samples, "rounded": rounded}
    return AdversarialSet(
        x, y.cpu(), made["x_adv"], made["predicted"], index, source.name, str(attack), settings, source.fingerprint
    )


def _radius(attack: AttackSpec | CustomAttack) -> float | None:
    return attack.eps if isinstance(attack, CustomAttack) else attack.parameters.get("eps")


def _generate(
    source: EvaluatedModel,
    index: Tensor,
    attack: AttackSpec | CustomAttack,
    seed: int,
    rounded: bool,
    batch_size: int,
    advance: Advance,
) -> Tensors:
    """Adversarial images of one chunk, and the source's predictions on them before they are rounded."""
    x, y = source.data.take(index)
    device, eps = device_of(source.model), _radius(attack)
    # A custom attack may inspect the model.
    model = source.fast if isinstance(attack, AttackSpec) else source.model
    devices = [device] if device.type == "cuda" else []
    images, predicted = [], []
    # Custom attacks draw from global generators, if they draw, and so may a model.
    with naming(f"{attack} on {source.name}"), unchanged(model), _seeded(seed, devices):
        quoting = reported("the attack failed", model=False)
        function = (
            from_spec(attack, seed=seed, surrogate=source.surrogate) if isinstance(attack, AttackSpec) else quoting(attack.attack)
        )
        for x_batch, y_batch in zip(x.split(batch_size), y.split(batch_size), strict=True):
            clean = as_images(x_batch.to(device))
            # A copy: what an attack does to its images in place must not pass for clean.
            x_adv = _checked(function(model, clean.clone(), y_batch.to(device)), clean, eps)
            predicted.append(logits(source.model, x_adv).argmax(1))
            images.append((quantize(x_adv, clean, eps) * 255).round().to(torch.uint8).cpu() if rounded else x_adv.cpu())
            advance(len(y_batch))
    return {"x_adv": torch.cat(images), "predicted": torch.cat(predicted)}


@contextmanager
def _seeded(seed: int, devices: list[torch.device]) -> Iterator[None]:
    """Seed the global generators of torch, NumPy and Python, and put their states back."""
    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - it is the generator that others draw from
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(of_python)
            np.random.set_state(of_numpy)  # noqa: NPY002


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Refuse an attack that writes weights or buffers; put modes, gradients, ``requires_grad`` and torch's switch for gradients back."""
    before = {name: tensor.detach().clone() for name, tensor in _tensors(model)}
    parameters = [(each, each.requires_grad, None if each.grad is None else each.grad.clone()) for each in model.parameters()]
    with evaluating(model), torch.enable_grad():
        try:
            yield
        finally:
            for parameter, requires_grad, gradient in parameters:
                if parameter.requires_grad != requires_grad:
                    parameter.requires_grad_(requires_grad)
                parameter.grad = gradient
    # By their values: torch's counters of writes see neither ``.data`` nor tensors that replace others.
    after = dict(_tensors(model))
    if after.keys() != before.keys() or not all(_same(before[name], after[name]) for name in before):
        raise InputError("the attack changed the model's weights or running statistics: attack a copy, in eval mode")


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return chain(model.named_parameters(), model.named_buffers())


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether both hold the same values, or else the same bits."""
    # nan is not equal to itself, and torch.equal knows dense tensors on one device alone.
    comparable = one.device == other.device and one.layout == other.layout == torch.strided
    return (comparable and torch.equal(one, other)) or digest_of([one]) == digest_of([other])


def _checked(made: object, clean: Tensor, eps: float | None) -> Tensor:
    """What an attack returned, as images like the clean ones, in [0, 1] and in the ball."""
    if not isinstance(made, Tensor):
        kind = type(made).__name__
        raise InputError(f"the attack returned {kind}, not images: return only the images, for example attack(...)[1] of Foolbox")
    made = made.detach().to(clean)
    if made.shape != clean.shape:
        raise InputError(f"the attack returned shape {tuple(made.shape)} for images {tuple(clean.shape)}")
    if not torch.isfinite(made).all() or made.min() < -1e-6 or made.max() > 1 + 1e-6:
        raise InputError("the attack returned images that are not in [0, 1]")
    # Not in float64, which not every device has.
    moved = float((made.float() - clean.float()).abs().max())
    if eps is not None and moved > eps + 1e-5:
        raise InputError(f"the attack exceeded its radius: it changed a pixel by {moved:.4g}, eps is {eps:.4g}")
    return made
