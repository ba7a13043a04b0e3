"""Code that a user names on the command line as ``module:name``: found, called, its errors reported on one line."""

import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from defective.errors import InputError
from defective.machine import out_of_memory
from defective.text import nearest


def find(reference: str, what: str) -> Callable[..., Any]:
    """The function that ``module:name`` names; the module is looked for in the current folder too."""
    module_name, _, name = reference.partition(":")
    if module_name.endswith(".py"):
        dotted = module_name.removesuffix(".py").removeprefix("./").replace("/", ".")
        raise InputError(
            f"{reference!r}: name the module, not its file, as {dotted}:{name or what}, in the folder that it is below"
        )
    if not module_name or not name:
        raise InputError(f"{reference!r}: write module:{what}, with the name of a function of the module after the colon")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        lacking = isinstance(error, ModuleNotFoundError) and error.name == module_name
        near = nearest(module_name, [path.stem for path in Path.cwd().glob("*.py")]) if lacking else None
        meant = f"; did you mean {near}:{name}?" if near else ""
        raise InputError(
            f"{reference!r} is not a file, and as module:{what} it cannot be imported: {_reason(error)}{meant}"
        ) from error
    found = getattr(module, name, None)
    if isinstance(found, nn.Module):
        raise InputError(
            f"{reference} is a model, not a function that returns one: write def make(): return {name} into the module, and name "
            f"{module_name}:make"
        )
    if not callable(found):
        lacks = "has no" if found is None else "has no function"
        near = nearest(name, [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")])
        raise InputError(f"module {module_name!r} {lacks} {name!r}{f'; did you mean {module_name}:{near}?' if near else ''}")
    return found  # type: ignore[no-any-return]


def call(reference: str, function: Callable[..., Any]) -> Any:
    """What the function returns; its error is quoted, unless memory ran out."""
    try:
        return function()
    except (Exception, SystemExit) as error:
        if out_of_memory(error):
            raise
        raise InputError(f"{reference}() failed: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """An error of the user's own code, with the line it comes from in place of a traceback."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    ours = where.filename.startswith((str(Path(__file__).parent), "<frozen"))
    place = "" if ours else f" ({Path(where.filename).name}, line {where.lineno})"
    return f"{type(error).__name__}: {error}{place}"
