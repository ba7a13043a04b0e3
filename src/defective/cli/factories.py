"""Models by reference: ``module:factory``, ``timm:NAME`` or a name in the grammar, each with arguments."""

import ast
import inspect
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from defective.build import build
from defective.cli.user_code import call, find
from defective.errors import InputError
from defective.inference import reported
from defective.models.from_timm import timm_model
from defective.specs import ARCHITECTURES, NetSpec
from defective.text import choices, nearest

TIMM = "timm:"
# Endings of files that hold weights.
_WEIGHTS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar")


@dataclass(frozen=True)
class Factory:
    """What builds a model: the reference as it was written, the function, and the arguments that the reference gives."""

    text: str
    function: Callable[..., Any]
    arguments: dict[str, Any]

    def __call__(self, **sizes: int) -> nn.Module:
        """The model, in eval mode; the function is given those of the sizes of the data that it has arguments for."""
        function = partial(self.function, **self._arguments(sizes))
        if isinstance(self.function, partial):
            # Not code of the user's: only arguments of another type are not refused by it.
            with reported(self.text):
                model = function()
        else:
            model = call(self.name, function)
        if not isinstance(model, nn.Module):
            raise InputError(f"{self.name}() returned {type(model).__name__}, not a torch.nn.Module")
        return model.eval()

    def _arguments(self, sizes: dict[str, int]) -> dict[str, Any]:
        try:
            signature = inspect.signature(self.function)
        except ValueError:
            # Some functions that are not written in Python do not say what they take.
            return self.arguments
        taken = {key: size for key, size in sizes.items() if key in signature.parameters} | self.arguments
        try:
            signature.bind(**taken)
        except TypeError as error:
            raise InputError(f"{self.name}: {error}; arguments are written {self.name},name=value") from error
        return taken

    @property
    def name(self) -> str:
        """The reference without its arguments."""
        return self.text.partition(",")[0]

    @classmethod
    def find(cls, text: str) -> "Factory":
        """Read ``module:factory``, ``timm:NAME`` or a name in the grammar, and ``,argument=value`` any number of times.

        Example:
            >>> Factory.find("resnet18,width_mult=0.25").arguments
            {'width_mult': 0.25}
        """
        name, *settings = re.split(r",(?=\s*[A-Za-z_]\w*=)", text)
        if "," in name and ":" in name:
            raise InputError(
                f"{text!r}: cannot read {name.partition(',')[2]!r}; write arguments as {name.partition(',')[0]},name=value"
            )
        arguments = dict(_argument(setting) for setting in settings)
        if name.startswith(TIMM):
            return cls(text, partial(timm_model, name.removeprefix(TIMM)), arguments)
        if ":" in name:
            return cls(text, find(name, "factory"), arguments)
        return cls(text, partial(build, parse_name(name)), arguments)


def parse_name(text: str) -> NetSpec:
    """A name in the grammar, unless it looks like a file that is not there."""
    arch = re.split("[/@]", text)[0]
    if arch in ARCHITECTURES or not text.strip():
        return NetSpec.parse(text)
    name, *settings = text[:200].split(",")
    if settings and all("=" in each for each in settings) and re.split("[/@]", name)[0] in ARCHITECTURES:
        options = " ".join(
            f"--{key.strip().replace('_', '-')} {value}" for key, _, value in (each.partition("=") for each in settings)
        )
        raise InputError(f"model {text[:200]!r} takes no arguments here: write {name} {options}")
    if text.endswith(_WEIGHTS) or ("/" in text and not nearest(arch, ARCHITECTURES)):
        raise InputError(no_such_file(text))
    raise InputError(
        f"model {text[:200]!r}: no such file or architecture{choices(arch, ARCHITECTURES)}; a model of yours is "
        f"module:factory, one of timm {TIMM}NAME"
    )


def no_such_file(reference: str) -> str:
    """Say of a reference that is no model what may have been meant."""
    if re.split("[/@]", reference)[0] in ARCHITECTURES:
        return (
            f"{reference!r} names an architecture, and no weights: train it first, as defective train {reference} --data DATA "
            "--out FOLDER, and name that folder"
        )
    path = Path(reference)
    near = None
    with suppress(OSError, ValueError):
        near = nearest(path.name, [each.name for each in path.parent.iterdir()])
    meant = f"; did you mean {path.parent / near}?" if near else ""
    return f"{reference[:300]!r}: no such file{meant or f'; name a checkpoint, a folder of train, module:factory or {TIMM}NAME'}"


def _argument(setting: str) -> tuple[str, Any]:
    name, _, value = setting.strip().partition("=")
    if not value:
        raise InputError(f"{setting!r} gives no value: write {name}=value")
    named = {"true": True, "false": False, "none": None}
    try:
        return name, named[value.lower()] if value.lower() in named else ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        # Text that is no Python value is itself, such as a path.
        return name, value
