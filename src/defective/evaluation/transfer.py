"""Transfer attacks: adversarial sets scored on targets. Per-image outcomes first, rates second."""

from dataclasses import dataclass

import torch
from pydantic import ConfigDict
from torch import Tensor

from defective.data import index_hash
from defective.data.sets import digest_of
from defective.errors import InputError
from defective.evaluation.adversarial import AdversarialSet
from defective.evaluation.evaluated_model import EvaluatedModel, naming
from defective.evaluation.measurement import Advance, Chunk, Measurement, Tensors
from defective.evaluation.metrics import predictions
from defective.evaluation.threat_model import ThreatModel
from defective.specs import Document
from defective.statistics import Rate
from defective.text import choices


class TransferCell(Document):
    """Rates of one adversarial set on one target, by denominator (:meth:`Outcome.rate`).

    Attributes:
        target, source, attack, threat_model: As in :class:`Outcome` and :class:`AdversarialSet`.
        images, source_fooled: Images attacked, and those that fooled the source.
        seed, samples, rounded: How the set was generated.
        defense: Rate by denominator.
        sample: Hash of which test images these are.
        change: Size of the perturbations, see :meth:`AdversarialSet.changes`.
    """

    # What else the settings of an adversarial set hold.
    model_config = ConfigDict(extra="allow")

    target: str
    source: str
    attack: str
    threat_model: ThreatModel
    images: int
    source_fooled: int
    seed: int | None = None
    samples: int | None = None
    rounded: bool | None = None
    defense: dict[str, Rate]
    sample: str
    change: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """Per-image outcomes of one adversarial set on one target: its predictions on the clean and the adversarial images, both ``(N,)``.

    ``threat_model`` says what the attacker, who owns the source, knows about the target.
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
        """Whether the attacker did not have the target's weights."""
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

    def cell(self) -> TransferCell:
        """The rates by all three denominators, without the images."""
        return TransferCell(
            target=self.target,
            source=self.adversarial.source,
            attack=self.adversarial.attack,
            threat_model=self.threat_model,
            images=len(self.adversarial.y),
            source_fooled=int(self.adversarial.fooled.sum()),
            **self.adversarial.settings,
            defense={name: self.rate(name) for name in ("paper", "target-correct", "all")},
            sample=index_hash(self.adversarial.index),
            change=self.adversarial.changes(),
        )


def eligible_images(denominator: str, clean_correct: Tensor, fooled: Tensor) -> Tensor:
    """The images that are counted by a denominator, see :meth:`Outcome.rate`; all bool ``(N,)``."""
    known = {"paper": clean_correct & fooled, "target-correct": clean_correct, "all": torch.ones_like(clean_correct)}
    if denominator not in known:
        raise InputError(f"no denominator {denominator!r}{choices(denominator, known)}")
    return known[denominator]


def score(target: EvaluatedModel, adversarial: AdversarialSet, threat_model: ThreatModel = "black-box") -> Outcome:
    """Let a target classify an adversarial set and its clean images.

    Raises:
        InputError: Naming the target, if it does not fit the images.
    """

    def predict(advance: Advance) -> Tensors:
        with naming(target.name):
            sets = {"clean": adversarial.x, "attacked": adversarial.x_adv}
            return {name: predictions(target.model, x, adversarial.y, batch_size=target.batch_size) for name, x in sets.items()}

    inputs = target.inputs("score", adversarial.index, images=digest_of([adversarial.x_adv]))
    found = target.run(Measurement("", [Chunk(inputs, len(adversarial.y), predict)]))
    if adversarial.fingerprint == target.fingerprint:
        # Also where the images come from a file and their source is not at hand.
        threat_model = "white-box"
    return Outcome(target.name, adversarial, found["clean"], found["attacked"], threat_model)
