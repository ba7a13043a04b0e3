"""Turn what a user names on the command line into models and attacks."""

import hashlib
import importlib
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from defective.attacks import from_spec
from defective.errors import InputError
from defective.evaluation import CustomAttack
from defective.machine import choose_device, out_of_memory
from defective.models import Ensemble
from defective.models.public import cifar10_model
from defective.sites import image_shape
from defective.specs import ATTACK_DEFAULTS, AttackSpec
from defective.text import as_text
from defective.training.checkpoint import load


def open_models(groups: Sequence[Sequence[str]], device: str | None) -> list[dict[str, nn.Module]]:
    """Open checkpoints, folders of ``defective train`` and ``module:factory`` references, on one device.

    For each group name to model: the last part of the reference, or all of it where that would not tell two apart. A reference in
    several groups is opened once and has the same name in all.

    Raises:
        InputError: If a reference cannot be opened or is twice in a group.
    """
    place = choose_device(device)
    lasts = Counter(map(_last, {reference for group in groups for reference in group}))
    opened: dict[Path | str, tuple[str, nn.Module]] = {}
    found: list[dict[str, nn.Module]] = []
    for group in groups:
        found.append({})
        for reference in group:
            key, last = _identity(reference), _last(reference)
            if key not in opened:
                opened[key] = as_text(last if lasts[last] == 1 else reference), open_model(reference).to(place)
            name, model = opened[key]
            if name in found[-1]:
                raise InputError(f"{reference} is named twice")
            found[-1][name] = model
    return found


def open_model(reference: str) -> nn.Module:
    """Open one checkpoint, call ``module:factory`` (also looked for in the current folder), or fuse several joined by ``+``.

    ``cifar10-model`` is the network of that package, which this project did not train.

    Raises:
        InputError: If there is no such file, module or factory, the factory fails, or it returns no module.
    """
    if not reference.strip():
        raise InputError("an empty name: name a checkpoint, a folder of train or module:factory, on each side of a +")
    if Path(reference).exists():
        return load(reference)
    if reference == "cifar10-model":
        return cifar10_model()
    if "+" in reference:
        members = [open_model(member) for member in reference.split("+")]
        shapes = {shape for member in members if (shape := image_shape(member))}
        if len(shapes) > 1:
            raise InputError(f"{reference} joins models for images of shapes {' and '.join(map(str, sorted(shapes)))}")
        return Ensemble(members).eval()
    if ":" not in reference:
        raise InputError(f"{reference!r} is neither a checkpoint nor module:factory")
    model = _call(reference, _find(reference, "factory"))
    if not isinstance(model, nn.Module):
        raise InputError(f"{reference}() returned {type(model).__name__}, not a torch.nn.Module")
    return model.eval()


def open_attack(text: str) -> AttackSpec | CustomAttack:
    """An attack by name with its numbers, or ``module:function``, any callable ``(model, x, y) -> x_adv`` of the user's own.

    Raises:
        InputError: If there is neither such an attack nor such a function, or the attack's package is not installed.
    """
    name, colon, function = text.partition(":")
    if name in ATTACK_DEFAULTS or not colon or "=" in function:
        spec = AttackSpec.parse(text)
        # A package that is missing is reported now.
        from_spec(spec)
        return spec
    found = _find(text, "attack")
    # The folder's other modules too: what the attack does may stand in one that it imports.
    here = {file for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None)) and _local(file)}
    here |= {file} if (file := getattr(sys.modules[name], "__file__", None)) else set()
    digest = hashlib.sha256(b"".join(Path(file).read_bytes() for file in sorted(here)))

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Any:
        return _call(text, lambda: found(model, x, y))

    return CustomAttack(text, attack, getattr(found, "eps", None), digest.hexdigest()[:16])


def _local(file: str) -> bool:
    path = Path(file).resolve()
    return path.is_file() and path.is_relative_to(Path.cwd()) and "site-packages" not in path.parts


def _find(reference: str, what: str) -> Callable[..., Any]:
    """The function that ``module:name`` names."""
    module_name, _, name = reference.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise InputError(f"{reference!r} is no file, and as module:{what} it cannot be imported: {_reason(error)}") from error
    found = getattr(module, name, None)
    if not callable(found):
        lacks = "has no" if found is None else "has no function"
        raise InputError(f"module {module_name!r} {lacks} {name!r}")
    return found  # type: ignore[no-any-return]


def _call(reference: str, factory: Callable[..., Any]) -> Any:
    try:
        return factory()
    except (Exception, SystemExit) as error:
        if out_of_memory(error):
            raise
        raise InputError(f"{reference}() failed: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """An error of the user's own code, with the line it comes from in place of a traceback."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    foreign = where.filename != __file__ and not where.filename.startswith("<frozen")
    place = f" ({Path(where.filename).name}, line {where.lineno})" if foreign else ""
    return f"{type(error).__name__}: {error}{place}"


def _identity(reference: str) -> Path | str:
    path = Path(reference)
    if not path.exists():
        return "+".join(str(_identity(part)) for part in reference.split("+")) if "+" in reference else reference
    return (path / "model.safetensors" if path.is_dir() else path).resolve()


def _last(reference: str) -> str:
    parts = [reference] if Path(reference).exists() else reference.split("+")
    return "+".join(Path(part).name for part in parts)
