"""What ``train`` starts from and ``describe`` shows: a built-in model, one of the user's, or weights in a file."""

import os
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from defective.build import build
from defective.cli.factories import Factory, parse_name
from defective.cli.weights import FROM, Builders, open_file
from defective.errors import InputError
from defective.specs import NetSpec, Recipe
from defective.text import as_text
from defective.training.own_model import Conversion, OwnModel


def conversion(defect: float | None, sites: list[str] | None) -> Conversion | None:
    """What ``--defect`` and ``--sites`` ask for together."""
    if defect is None and not sites:
        return None
    if defect is None:
        raise InputError("--sites needs --defect KEEP_PROB, the share of neurons kept there, for example --defect 0.3")
    if not sites:
        raise InputError(
            f"--defect {defect:g} needs --sites PATTERN, for example --sites BatchNorm2d; defective describe lists the sites of a model"
        )
    if not 0 <= defect <= 1:
        raise InputError(f"--defect {defect:g} lies outside [0, 1]: it is the share of neurons that are kept")
    return Conversion(keep_prob=defect, sites=tuple(sites))


def _is_name(text: str) -> bool:
    try:
        NetSpec.parse(text)
    except InputError:
        return False
    return True


@dataclass(frozen=True)
class Start:
    """A model before training: its reference, what builds it or the weights in a file, and what is made defective."""

    text: str
    source: NetSpec | Factory | Builders
    conversion: Conversion | None = None

    @classmethod
    def parse(cls, text: str, builder: str | None, conversion: Conversion | None) -> "Start":
        """Read a reference and the value of ``--model``."""
        # Unlike Path.exists it is False for what cannot be a path. A name is a name: a run may lie in a folder called like its model.
        if text.strip() and os.path.exists(text) and not _is_name(text):  # noqa: PTH110
            return cls(text, Builders(None if builder is None else [builder], (text,)), conversion)
        source = Factory.find(text) if ":" in text else parse_name(text)
        if builder is not None:
            raise InputError(f"--model {builder} builds the model of a file of weights, and {text!r} is not a file: leave it out")
        return cls(text, source, conversion)

    def opened(self, **sizes: int) -> tuple[nn.Module, dict[str, Any]]:
        """The model of a file or of the user's code, before it is converted, and what stands beside it in the file."""
        if isinstance(self.source, Factory):
            return self.source(**sizes), {}
        assert isinstance(self.source, Builders)
        found = open_file(self.text, self.source, lambda: sizes)
        self.source.check_used()
        return found

    def check(self, recipe: Recipe | None = None, *, mask_seed: int | None = None, **built_in: Any) -> None:
        """Refuse a recipe that is not for this model, and options that do nothing for it: ``built_in`` are for built-in ones."""
        given = [name for name, value in built_in.items() if value is not None]
        if given and not isinstance(self.source, NetSpec):
            raise InputError(f"--{given[0].replace('_', '-')} is for built-in models, given by name: leave it out for {self.text}")
        built = self.source if isinstance(self.source, NetSpec) else None
        masked = self.conversion is not None or (built is not None and built.masked)
        if mask_seed is not None and not masked:
            raise InputError(
                f"--mask-seed {mask_seed}: {self.text} has no masks to draw: name a defective model, add --defect "
                "and --sites, or leave it out"
            )
        if recipe is not None and built is not None:
            recipe.check_model(self.text, masked=masked, thermometer=bool(built.thermometer))

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe without what acts on built-in models alone: width, and new scales of norms."""
        built_in = isinstance(self.source, NetSpec)
        return recipe if built_in else recipe.model_copy(update={"width_mult": 1.0, "norm_scale_init": "one"})

    def model(self, recipe: Recipe, seed: int, mask_seed: int | None) -> NetSpec | OwnModel:
        """What :func:`defective.training.train.train` takes."""
        if not isinstance(self.source, NetSpec):
            files = self.source.by_file.values() if isinstance(self.source, Builders) else ()
            name = as_text("".join(f"{factory.text}{FROM}" for factory in files) + self.text)
            return OwnModel(name, lambda **sizes: self.opened(**sizes)[0], self.conversion)
        if self.conversion is None:
            return self.source
        make = partial(build, self.source, seed=seed, mask_seed=mask_seed, width_mult=recipe.width_mult)
        return OwnModel(str(self.source), make, self.conversion)
