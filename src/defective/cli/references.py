"""Turn what a user names on the command line into models and attacks."""

import hashlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from defective.cli.console import warn
from defective.cli.factories import Factory, no_such_file
from defective.cli.user_code import call, find
from defective.cli.weights import Builders, Sizes, open_file
from defective.data import Data
from defective.errors import InputError
from defective.evaluation import CustomAttack
from defective.evaluation.inputs import as_attacks
from defective.inference import reported
from defective.machine import choose_device
from defective.models import Ensemble
from defective.models.public import cifar10_model
from defective.sites import image_shape
from defective.specs import ATTACK_DEFAULTS, AttackSpec
from defective.text import as_text


def open_models(
    groups: Sequence[Sequence[str]], device: str | None, *, models: Sequence[str] | None = None, sizes: Sizes = dict
) -> list[dict[str, nn.Module]]:
    """For each group of references name to model, on one device; ``models`` are the values of ``--model``.

    A reference in several groups is opened once. Its name is its last part, or all of it where that would not tell two apart.
    """
    torch_device = choose_device(device)
    references = dict.fromkeys(reference for group in groups for reference in group)
    builders = Builders(models, chain.from_iterable(map(members_of, references)))
    lasts = Counter(map(_last, references))
    opened: dict[str, tuple[str, nn.Module]] = {}
    found: list[dict[str, nn.Module]] = []
    for group in groups:
        found.append({})
        for reference in group:
            key, last = _identity(reference), _last(reference)
            if key not in opened:
                model = open_model(reference, builders, sizes)
                with reported(f"{reference} cannot be moved to {torch_device}"):
                    model = model.to(torch_device)
                opened[key] = as_text(last if lasts[last] == 1 else reference), model
            name, model = opened[key]
            if name in found[-1]:
                raise InputError(f"{reference} is named twice")
            found[-1][name] = model
    builders.check_used()
    return found


def warn_of_other_classes(models: Mapping[str, nn.Module], data: Data) -> None:
    """A line for each model that was trained on as many classes of other names."""
    for name, model in models.items():
        known = (getattr(model, "notes", None) or {}).get("classes")
        if known and len(known) == len(data.classes) and list(known) != list(data.classes):
            at = next(at for at, pair in enumerate(zip(known, data.classes, strict=True)) if pair[0] != pair[1])
            warn(f"{name} was trained on other classes: class {at} was {known[at]!r}, and is {data.classes[at]!r} in {data.name}")


def open_model(reference: str, builders: Builders | None = None, sizes: Sizes = dict) -> nn.Module:
    """The model of a file or folder, ``module:factory``, ``timm:NAME``, the package ``cifar10-model``, or of several joined by ``+``."""
    if not reference.strip():
        raise InputError("an empty name: name a checkpoint, a folder of train or module:factory, on each side of a +")
    if Path(reference).exists():
        return open_file(reference, builders or Builders(), sizes)[0]
    if reference == "cifar10-model":
        return cifar10_model()
    if "+" in reference:
        members = [open_model(member, builders, sizes) for member in members_of(reference)]
        shapes = {shape for member in members if (shape := image_shape(member))}
        if len(shapes) > 1:
            raise InputError(f"{reference} joins models for images of shapes {' and '.join(map(str, sorted(shapes)))}")
        return Ensemble(members).eval()
    if ":" not in reference:
        raise InputError(no_such_file(reference))
    return Factory.find(reference)()


def members_of(reference: str) -> list[str]:
    """The references that are joined by ``+``; of anything else itself."""
    return [reference] if Path(reference).exists() else reference.split("+")


def open_attack(text: str) -> AttackSpec | CustomAttack:
    """An attack by name with its numbers, or ``module:function``, any callable ``(model, x, y) -> x_adv`` of the user's own."""
    name, colon, function = text.partition(":")
    if name in ATTACK_DEFAULTS or not colon or "=" in function:
        return as_attacks([text])[0]
    found = find(text, "attack")
    # Other modules too: what the attack does may stand in one that it imports, now or when it is called.
    modules = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    files = {path for file in modules if file and _local(path := Path(file).resolve())}
    if own := getattr(sys.modules[name], "__file__", None):
        files |= {Path(own).resolve(), *filter(Path.is_file, Path(own).resolve().parent.glob("*.py"))}
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files)))

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Any:
        return call(text, lambda: found(model, x, y))

    return CustomAttack(text, attack, getattr(found, "eps", None), digest.hexdigest()[:16])


def _local(file: Path) -> bool:
    return file.is_file() and file.is_relative_to(Path.cwd()) and "site-packages" not in file.parts


def _identity(reference: str) -> str:
    """Equal for references that lead to one model."""
    files = ((part, Path(part, "model.safetensors") if Path(part).is_dir() else Path(part)) for part in members_of(reference))
    return "+".join(str(file.resolve()) if file.exists() else part for part, file in files)


def _last(reference: str) -> str:
    # In a reference to code a slash is no folder.
    return "+".join(part if ":" in part and not Path(part).exists() else Path(part).name for part in members_of(reference))
