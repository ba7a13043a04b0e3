"""Turn what a user names on the command line into models."""

import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from defective.errors import InputError
from defective.machine import choose_device
from defective.training.checkpoint import load


def open_models(groups: Sequence[Sequence[str]], device: str | None) -> list[dict[str, nn.Module]]:
    """Open checkpoints, folders of ``defective train`` and ``module:factory`` references, on one device.

    Args:
        groups: References; one that is in several groups is opened once and has the same name in all.
        device: Torch device name.

    Returns:
        For each group, name to model. A name is the last part of the reference, or all of it where that would not tell two apart.

    Raises:
        InputError: If a reference cannot be opened or is twice in a group.
    """
    place = choose_device(device)
    references = list(dict.fromkeys(reference for group in groups for reference in group))
    models: dict[Path | str, nn.Module] = {}
    names: dict[Path | str, str] = {}
    for group in groups:
        seen: set[Path | str] = set()
        for reference in group:
            key = _identity(reference)
            if key in seen:
                raise InputError(f"{reference} is named twice")
            seen.add(key)
            if key not in models:
                models[key], names[key] = open_model(reference).to(place), _short(reference, references)
    return [{names[key]: models[key] for key in map(_identity, group)} for group in groups]


def open_model(reference: str) -> nn.Module:
    """Open one checkpoint, or call ``module:factory`` (also looked for in the current folder).

    Raises:
        InputError: If there is no such file, module or factory, the factory fails, or it returns no module.
    """
    if Path(reference).exists():
        return load(reference)
    module_name, colon, factory_name = reference.partition(":")
    if not colon:
        raise InputError(f"{reference!r} is neither a checkpoint nor module:factory")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise InputError(f"{reference!r} is no file, and as module:factory it cannot be imported: {_reason(error)}") from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        what = "has no" if factory is None else "has no function"
        raise InputError(f"module {module_name!r} {what} {factory_name!r}")
    try:
        model = factory()
    except (Exception, SystemExit) as error:
        raise InputError(f"{reference}() failed: {_reason(error)}") from error
    if not isinstance(model, nn.Module):
        raise InputError(f"{reference}() returned {type(model).__name__}, not a torch.nn.Module")
    return model.eval()


def _reason(error: BaseException) -> str:
    """An error of the user's own code, with the line it comes from in place of a traceback."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    foreign = where.filename != __file__ and not where.filename.startswith("<frozen")
    place = f" ({Path(where.filename).name}, line {where.lineno})" if foreign else ""
    return f"{type(error).__name__}: {error}{place}"


def _identity(reference: str) -> Path | str:
    path = Path(reference)
    if not path.exists():
        return reference
    return (path / "model.safetensors" if path.is_dir() else path).resolve()


def _short(reference: str, references: Sequence[str]) -> str:
    name = Path(reference).name
    return name if sum(Path(other).name == name for other in references) == 1 else reference
