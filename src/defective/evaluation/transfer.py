"""Transfer attacks: adversarial sets scored on targets. Per-image outcomes first, rates second."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from defective.errors import InputError
from defective.evaluation.adversarial import AdversarialSet
from defective.evaluation.evaluated_model import EvaluatedModel, digest_of, naming
from defective.evaluation.measurement import Advance, Chunk, Measurement, Tensors
from defective.evaluation.metrics import predictions
from defective.evaluation.threat_model import ThreatModel
from defective.statistics import Rate


@dataclass(frozen=True)
<<<<<<< HEAD
class Crafted:
    """Images attacked on one source.

    Attributes:
        x: Clean images, uint8 or float, ``(N, C, H, W)``.
        y: True labels ``(N,)``.
        x_adv: Attacked images: uint8 if rounded, else float in [0, 1].
        predicted: The source's prediction on the attacked image before rounding, ``(N,)``.
        index: Where the images lie in the test set, ``(N,)``.
        source: Name of the source.
        attack: The attack in words.
        settings: How it was made: seed, samples asked for, rounded to 8 bits or not.
        fingerprint: Hash of the source, to know it again where it is a target too; empty if unknown.
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

    def renamed(self, source: str) -> "Crafted":
        """The same images under another name of their source."""
        return replace(self, source=source)

    def changes(self) -> dict[str, float]:
        """How far the images were moved, in [0, 1] units: the largest change of a pixel, and the mean L2 length over the images."""
        if len(self.y) == 0:
            return {"linf_max": 0.0, "l2_mean": 0.0}
        parts = zip(self.x.split(500), self.x_adv.split(500), strict=True)
        moved = [(as_images(x_adv.cpu()) - as_images(x.cpu())).flatten(1) for x, x_adv in parts]
        largest = max(float(part.abs().max()) for part in moved)
        return {"linf_max": largest, "l2_mean": float(torch.cat([part.norm(dim=1) for part in moved]).mean())}


def craft(
    source: nn.Module,
    x: Tensor,
    y: Tensor,
    attack: Attack,
    *,
    eps: float | None = None,
    rounded: bool = True,
    batch_size: int = 250,
    source_name: str = "source",
    attack_name: str = "attack",
    index: Tensor | None = None,
) -> Crafted:
    """Attack ``source`` on all images, batch by batch.

    Args:
        source: Classifier the attacker owns.
        x: Images ``(N, C, H, W)``, uint8 or floats in [0, 1].
        y: Labels ``(N,)``.
        attack: Any callable ``(model, x, y) -> x_adv`` on float images in [0, 1].
        eps: Radius of the L-infinity ball, where the attack has one: checked, and kept when rounding.
        rounded: Round to 8 bits, as the released code does: what could be saved as an image is what is scored.
        batch_size: Images attacked at once; only time and memory depend on it.
        index: Where the images lie in the test set, to be kept with the result.

    Raises:
        InputError: If the attack returns another shape, nan, values outside [0, 1] or outside the ball.

    Example:
        >>> from defective import attacks
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
        >>> x, y = torch.rand(5, 3, 2, 2), torch.zeros(5, dtype=torch.long)
        >>> made = craft(model, x, y, lambda m, x, y: attacks.fgsm(m, x, y, eps=8 / 255), eps=8 / 255)
        >>> made.x_adv.dtype, made.fooled.shape
        (torch.uint8, torch.Size([5]))
    """
    check_labels(x, y)
    with progress_bar(f"{attack_name} on {source_name}", len(x), unit="images") as advance:
        x_adv, predicted = attack_batches(source, x, y, attack, eps=eps, rounded=rounded, batch_size=batch_size, advance=advance)
    where = torch.arange(len(y)) if index is None else index
    return Crafted(x, y.cpu(), x_adv, predicted, where, source_name, attack_name, {"rounded": rounded})


def attack_batches(
    source: nn.Module,
    x: Tensor,
    y: Tensor,
    attack: Attack,
    *,
    eps: float | None,
    rounded: bool,
    batch_size: int,
    advance: Callable[[int], object],
) -> tuple[Tensor, Tensor]:
    """Attacked images, and what the source takes them for before they are rounded."""
    device = device_of(source)
    images, predictions = [], []
    for x_batch, y_batch in zip(x.split(batch_size), y.split(batch_size), strict=True):
        clean = as_images(x_batch.to(device))
        # A copy: what an attack does to its images in place must not pass for clean.
        made = attack(source, clean.clone(), y_batch.to(device))
        if not isinstance(made, Tensor):
            raise InputError(
                f"the attack returned {type(made).__name__}, not images: take them out of it, as attack(...)[1] of Foolbox"
            )
        made = made.detach().to(clean)
        _verify(made, clean, eps)
        predictions.append(logits(source, made).argmax(1))
        images.append((quantize(made, clean, eps) * 255).round().to(torch.uint8).cpu() if rounded else made.cpu())
        advance(len(y_batch))
    return torch.cat(images), torch.cat(predictions)


def _verify(made: Tensor, clean: Tensor, eps: float | None) -> None:
    if made.shape != clean.shape:
        raise InputError(f"the attack returned shape {tuple(made.shape)} for images {tuple(clean.shape)}")
    if not torch.isfinite(made).all() or made.min() < -1e-6 or made.max() > 1 + 1e-6:
        raise InputError("the attack returned images that are not in [0, 1]")
    # Not in float64, which not every device has.
    moved = float((made.float() - clean.float()).abs().max())
    if eps is not None and moved > eps + 1e-5:
        raise InputError(f"the attack left the ball: it moved a pixel by {moved:.4g}, eps is {eps:.4g}")


@dataclass(frozen=True)
=======
>>>>>>> engine
class Outcome:
    """Per-image outcomes of one adversarial set on one target.

    Attributes:
        target: Name of the target.
        adversarial: The adversarial set.
        clean_predicted: The target's predictions on the clean images ``(N,)``.
        adv_predicted: Its predictions on the adversarial images ``(N,)``.
        threat_model: What the attacker, who owns the source, knows of the target.
    """

    target: str
    adversarial: AdversarialSet
    clean_predicted: Tensor
    adv_predicted: Tensor
    threat_model: ThreatModel = "black-box"

    @property
    def clean_correct(self) -> Tensor:
        """Bool ``(N,)``: whether the target is correct on the clean image."""
        return self.clean_predicted == self.adversarial.y

    @property
    def adv_correct(self) -> Tensor:
        """Bool ``(N,)``: whether the target is correct on the adversarial image."""
        return self.adv_predicted == self.adversarial.y

    @property
    def white_box(self) -> bool:
        """Whether the images were generated on the target itself."""
        return self.threat_model == "white-box"

    @property
    def transferred(self) -> bool:
        """Whether the attacker had to do without the target's weights."""
        return not self.threat_model.startswith("white-box")

    def eligible(self, denominator: str) -> Tensor:
        """Bool ``(N,)``: the images that are counted, see :meth:`rate`."""
        return eligible_images(denominator, self.clean_correct, self.adversarial.fooled)

    def rate(self, denominator: str = "paper") -> Rate:
        """Share of adversarial images still classified correctly.

        Args:
            denominator: ``"paper"``: the target was correct and the source was fooled; ``"target-correct"``: the target was correct;
                ``"all"``: every image (Table 2).
        """
        return Rate.among(self.adv_correct, self.eligible(denominator))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: all three rates with their counts and intervals."""
        return {
            "target": self.target,
            "source": self.adversarial.source,
            "attack": self.adversarial.attack,
            "threat_model": self.threat_model,
            "images": len(self.adversarial.y),
            "source_fooled": int(self.adversarial.fooled.sum()),
            **self.adversarial.settings,
            "defense": {name: self.rate(name).as_dict() for name in ("paper", "target-correct", "all")},
        }


def eligible_images(denominator: str, clean_correct: Tensor, fooled: Tensor) -> Tensor:
    """The images that are counted by a denominator, see :meth:`Outcome.rate`; all bool ``(N,)``."""
    choices = {"paper": clean_correct & fooled, "target-correct": clean_correct, "all": torch.ones_like(clean_correct)}
    if denominator not in choices:
        raise InputError(f"no denominator {denominator!r}; there are {', '.join(choices)}")
    return choices[denominator]


def score(target: EvaluatedModel, adversarial: AdversarialSet, threat_model: ThreatModel = "black-box") -> Outcome:
    """Let a target classify an adversarial set and its clean images.

    Raises:
        InputError: Naming the target, if it does not fit the images.
    """

    def predict(advance: Advance) -> Tensors:
        with naming(target.name):
            sets = {"clean": adversarial.x, "attacked": adversarial.x_adv}
            return {name: predictions(target.model, x, adversarial.y) for name, x in sets.items()}

    inputs = target.inputs("score", adversarial.index, images=digest_of([adversarial.x_adv]))
    found = target.run(Measurement("", [Chunk(inputs, len(adversarial.y), predict)]))
    if adversarial.fingerprint == target.fingerprint:
        # Also where the images come from a file and their source is not at hand.
        threat_model = "white-box"
    return Outcome(target.name, adversarial, found["clean"], found["attacked"], threat_model)
