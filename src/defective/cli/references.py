"""Turn what a user names on the command line into models."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from defective.errors import InputError
from defective.machine import choose_device
from defective.training.checkpoint import load


def open_models(references: Sequence[str], device: str | None) -> dict[str, nn.Module]:
    """Open checkpoints, folders of ``defective train`` and ``module:factory`` references, on one device, by name."""
    place = choose_device(device)
    models: dict[str, nn.Module] = {}
    for reference in references:
        if reference in models:
            raise InputError(f"{reference} is named twice")
        models[reference] = open_model(reference).to(place)
    return {_short(reference, references): model for reference, model in models.items()}


def open_model(reference: str) -> nn.Module:
    """Open one checkpoint, or call ``module:factory`` (also looked for in the current folder).

    Raises:
        InputError: If there is no such file, module or factory, or the factory returns no module.
    """
    if Path(reference).exists():
        return load(reference)
    module_name, colon, factory_name = reference.partition(":")
    if not colon:
        raise InputError(f"{reference!r} is neither a checkpoint nor module:factory")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except (ImportError, ValueError) as error:
        raise InputError(f"{reference!r} is no file, and as module:factory it cannot be imported: {error}") from None
    except AttributeError:
        raise InputError(f"module {module_name!r} has no {factory_name!r}") from None
    model = factory()
    if not isinstance(model, nn.Module):
        raise InputError(f"{reference}() returned {type(model).__name__}, not a torch.nn.Module")
    return model.eval()


def _short(reference: str, references: Sequence[str]) -> str:
    """The last part of a path, or the whole where that would not tell two apart."""
    name = Path(reference).name
    return name if sum(Path(other).name == name for other in references) == 1 else reference
