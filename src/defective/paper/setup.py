"""What turns an exhibit into jobs: a scale, data sets, recipes, seeds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from defective.specs import AttackSpec, DecisionJob, GenerateJob, NetSpec, Recipe, TrainJob


@dataclass(frozen=True)
class Scale:
    """How much to do. Sample sizes at ``paper`` are those of Appendix A.

    Attributes:
        name: ``"tiny"``, ``"small"``, ``"fast"`` or ``"paper"``.
        adversarial: Images for FGSM and PGD (5,000; Table 2 takes the whole test set).
        cw: Images for CW (1,000).
        cw_steps, cw_search: Steps of CW for each constant, and constants tried (1,000 and 30).
        cw_confidence: Share of the paper's confidence that CW asks for: logits of small models that are trained for a few epochs lie
            closer together.
        decision: Images for the boundary attack (500).
        directions: Directions it tries at each of its 5,000 steps at most: 25 as Foolbox 1, the paper's, or 1 as Foolbox 3, which asks
            for far fewer decisions.
        noise: Images for Gaussian noise (5,000).
        shuffle: Images to shuffle (4,000).
        confidence: Least confidence of every model in them (0.99).
        gallery: Images shown.
        slow_epochs: Epochs of ResNet-50 and DenseNet-121 instead of the recipe's; 0: as the recipe.
        adversarial_epochs: Epochs of adversarial training, each of which costs eight; 0: as the recipe.
    """

    name: str
    adversarial: int = 5000
    cw: int = 1000
    cw_steps: int = 1000
    cw_search: int = 30
    cw_confidence: float = 1.0
    decision: int = 500
    directions: int = 25
    noise: int = 5000
    shuffle: int = 4000
    confidence: float = 0.99
    gallery: int = 10
    slow_epochs: int = 0
    adversarial_epochs: int = 0

    def column_label(self, column: str) -> str:
        """What stands above a column: its name, and beside CW's the confidence that was asked for, where it is another.

        Example:
            >>> SCALES["tiny"].column_label("CW40"), SCALES["paper"].column_label("CW40")
            ('CW40 (at confidence 10)', 'CW40')
        """
        confidence = re.fullmatch(r"CW(\d+)", column)
        if confidence is None or self.cw_confidence == 1:
            return column
        return f"{column} (at confidence {int(confidence[1]) * self.cw_confidence:g})"


SCALES = {
    "tiny": Scale(
        "tiny",
        adversarial=1000,
        cw=50,
        cw_steps=100,
        cw_search=6,
        cw_confidence=0.25,
        decision=50,
        directions=1,
        noise=1000,
        shuffle=1000,
        confidence=0.9,
        slow_epochs=3,
        adversarial_epochs=2,
    ),
    "small": Scale(
        "small",
        adversarial=2000,
        cw=200,
        cw_steps=200,
        cw_search=9,
        cw_confidence=0.5,
        directions=1,
        noise=2000,
        shuffle=2000,
        confidence=0.9,
    ),
    "fast": Scale("fast", cw=500, cw_search=9),
    "paper": Scale("paper"),
}
_SLOW = ("resnet50", "densenet121")


def target_seed(replicate: int) -> int:
    """Seed of the targets of a repetition; its sources have the next one."""
    return 2 * replicate


@dataclass(frozen=True)
class Setup:
    """One way to measure exhibits: makes the jobs that their cells name.

    Attributes:
        scale: How much to do.
        data: Kind of data set (``cifar10``, ``mnist``, ``tiny-imagenet``, ``imagenet``) to the name of the set that stands for it.
        recipes: Kind of data set to the recipe of this scale.
        replicate: Which of several repetitions with other seeds.
    """

    scale: Scale
    data: Mapping[str, str]
    recipes: Mapping[str, Recipe]
    replicate: int = 0

    def target(
        self, net: str, *, data: str = "cifar10", seed: int | None = None, mask_seed: int | None = None, **recipe: object
    ) -> TrainJob:
        """A model under attack; ``recipe`` changes fields of the scale's recipe."""
        spec = NetSpec.parse(net)
        seed = target_seed(self.replicate) if seed is None else seed
        if self.scale.slow_epochs and spec.arch in _SLOW:
            recipe = {"epochs": min(self.scale.slow_epochs, self.recipes[data].epochs)} | recipe
        if self.scale.adversarial_epochs and recipe.get("adversarial"):
            recipe = {"epochs": self.scale.adversarial_epochs} | recipe
        return TrainJob(
            net=spec,
            data=self.data[data],
            recipe=self.recipes[data].changed(**recipe),
            seed=seed,
            mask_seed=seed if mask_seed is None else mask_seed,
        )

    def source(self, net: str, *, data: str = "cifar10", mask_seed: int | None = None) -> TrainJob:
        """A model the attacker owns."""
        return self.target(net, data=data, seed=target_seed(self.replicate) + 1, mask_seed=mask_seed)

    def substitute(self, target: TrainJob, share: float, *, net: str = "resnet18") -> TrainJob:
        """A plain model that the attacker trains on the target's answers on a share of the training images."""
        kind = next(kind for kind, name in self.data.items() if name == target.data)
        return self.source(net, data=kind).model_copy(update={"queried": target, "share": share})

    def generate(
        self, *sources: TrainJob, attack: str, samples: int | None = None, among: tuple[TrainJob, ...] = (), **more: object
    ) -> GenerateJob:
        """An attacked sample; several sources are fused."""
        spec = AttackSpec.parse(attack)
        count = samples or (self.scale.cw if spec.name == "cw" else self.scale.adversarial)
        return GenerateJob(sources=sources, attack=spec, samples=count, among=among, seed=self.replicate, **more)  # type: ignore[arg-type]

    def cw(self, confidence: int) -> str:
        """The CW attack of Appendix A.8 at this scale."""
        return f"cw:confidence={confidence * self.scale.cw_confidence:g},steps={self.scale.cw_steps},search_steps={self.scale.cw_search}"

    def decide(self, target: TrainJob, *, among: tuple[TrainJob, ...]) -> DecisionJob:
        """The boundary attack of Appendix A.4 on a target, on images that it and others classify correctly."""
        attack = AttackSpec.parse(f"boundary:steps=5000,directions={self.scale.directions}")
        return DecisionJob(target=target, attack=attack, samples=self.scale.decision, seed=self.replicate, among=among)
