"""What turns an exhibit into jobs: a scale, data sets, recipes, seeds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from defective.specs import AttackSpec, DecisionJob, GenerateJob, NetSpec, Recipe, TrainJob


@dataclass(frozen=True)
class Scale:
    """How much to do, each amount with what it is in words. Sample sizes at ``paper`` are those of Appendix A."""

    name: str
    adversarial: Annotated[int, "adversarial examples of FGSM, PGD and their like, at most (Table 2: twice as many)"] = 5000
    cw: Annotated[int, "adversarial examples of CW, at most"] = 1000
    cw_steps: Annotated[int, "steps of CW for each constant"] = 1000
    cw_search: Annotated[int, "constants that CW tries"] = 30
    # Logits of small models that are trained for a few epochs lie closer together.
    cw_confidence: Annotated[float, "share of the paper's confidence that CW asks for"] = 1.0
    decision: Annotated[int, "images for the boundary attack, at most"] = 500
    # As Foolbox 1, the paper's; Foolbox 3 tries 1 and asks for far fewer decisions.
    directions: Annotated[int, "directions that the boundary attack tries at each step"] = 25
    noise: Annotated[int, "images under Gaussian noise, at most"] = 5000
    shuffle: Annotated[int, "images with shuffled patches, at most"] = 4000
    confidence: Annotated[float, "least confidence of the models in shuffled images"] = 0.99
    gallery: Annotated[int, "images in a gallery"] = 10
    # 0: as the recipe. An epoch of adversarial training costs eight others.
    slow_epochs: Annotated[int, "at most so many epochs of ResNet-50 and DenseNet-121"] = 0
    adversarial_epochs: Annotated[int, "epochs of adversarial training"] = 0

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
        data: Kind of data set (``cifar10``, ``mnist``, ``tiny-imagenet``, ``imagenet``) to the name of the set used for it.
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

    def substitute(self, target: TrainJob, share: float) -> TrainJob:
        """A plain ResNet-18 that the attacker trains on the target's answers on a share of the training images."""
        kind = next(kind for kind, name in self.data.items() if name == target.data)
        return self.source("resnet18", data=kind).model_copy(update={"queried": target, "share": share})

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
