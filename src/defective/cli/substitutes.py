"""``--source substitute:SHARE``: a source that is trained on the predictions of the model under attack."""

import hashlib
from dataclasses import dataclass
from typing import Self

from torch import nn

from defective.data import Data
from defective.errors import InputError
from defective.evaluation import EvaluatedModel
from defective.files import cache_folder
from defective.inference import device_of
from defective.specs import NetSpec
from defective.training.checkpoint import load
from defective.training.recipes import recipe_for
from defective.training.substitute import answered
from defective.training.train import train

PREFIX = "substitute:"


@dataclass(frozen=True)
class Substitute:
    """Which model is trained on which share of the predictions."""

    share: float
    model: NetSpec
    recipe: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``substitute:SHARE[,model=MODEL][,recipe=RECIPE]``.

        Example:
            >>> str(Substitute.parse("substitute:0.1,model=vgg19"))
            'substitute:0.1,model=vgg19,recipe=tiny'
        """
        number, *settings = text.removeprefix(PREFIX).split(",")
        values = {"model": "resnet18", "recipe": "tiny"}
        for setting in settings:
            name, _, value = setting.partition("=")
            if name not in values or not value:
                raise InputError(f"{text!r}: cannot read {setting!r}; write {PREFIX}0.1,model=vgg19,recipe=small")
            values[name] = value
        try:
            share = float(number)
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            raise InputError(f"{text!r}: {number!r} is not a share of the training images in (0, 1]")
        recipe_for(values["recipe"], "", (3, 32, 32))
        return cls(share, NetSpec.parse(values["model"]), values["recipe"])

    def __str__(self) -> str:
        return f"{PREFIX}{self.share:g},model={self.model},recipe={self.recipe}"


def train_substitutes(
    wanted: list[Substitute], targets: dict[str, nn.Module], training: Data, test: Data, *, seed: int, device: str | None
) -> dict[str, nn.Module]:
    """A substitute of each target, by name; one that an earlier command trained is in the cache folder."""
    found: dict[str, nn.Module] = {}
    for substitute in wanted:
        alone = all(each == substitute for each in wanted if each.share == substitute.share)
        called = f"{PREFIX}{substitute.share:g}" if alone else str(substitute)
        recipe = recipe_for(substitute.recipe, training.name, training.image_shape)
        for name, target in targets.items():
            fingerprint = EvaluatedModel.of(name, target, test).fingerprint
            about = f"{substitute}, seed {seed}, {fingerprint}, {training.digest}, {recipe.key}"
            out = cache_folder() / "substitutes" / hashlib.sha256(about.encode()).hexdigest()[:16]
            queried = answered(target, training, substitute.share, name=f"the model {fingerprint}", seed=seed)
            train(substitute.model, queried, test, recipe, out, seed=seed, device=device)
            found[f"{called} of {name}"] = load(out).to(device_of(target))
    return found
