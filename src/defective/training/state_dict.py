"""State dicts that other programs wrote: files of ``torch.save`` and of safetensors, loaded without running code."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from defective.errors import InputError
from defective.files import check_path
from defective.inference import quoted
from defective.mask_state import KEY, attach_masks_, load_weights_
from defective.surgery import defects

# Files of torch.save begin with one of these: a zip archive, or a pickle as before torch 1.6.
_TORCH = (b"PK\x03\x04", b"\x80")
# Where trainers keep the weights in a checkpoint, and what wrappers put before each name.
_WITHIN = ("state_dict", "model_state_dict", "model", "net")
_WRAPPERS = ("module.", "_orig_mod.")


def is_torch_file(path: Path) -> bool:
    """Whether a file begins as those of ``torch.save`` do."""
    with path.open("rb") as file:
        head = file.read(9)
    # A file of safetensors begins with the length of its header in eight bytes, which may be any, then the header.
    return head.startswith(_TORCH) and head[8:] != b"{"


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The weights in a file of ``torch.save`` or safetensors, on the CPU; of a trainer's checkpoint the state dict inside it.

    Read with ``weights_only=True``. What DDP and ``torch.compile`` put before each name is taken off.
    """
    check_path(str(path))
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    found = _read_torch(path) if is_torch_file(path) else _read_safetensors(path)
    while isinstance(found, Mapping) and (key := next((key for key in _WITHIN if isinstance(found.get(key), Mapping)), None)):
        found = found[key]
    if not isinstance(found, Mapping) or not found or not all(isinstance(key, str) for key in found):
        what = "an empty dict" if isinstance(found, Mapping) and not found else f"a {type(found).__name__}"
        raise InputError(f"{path} holds {what}, not a state dict: write it with torch.save(model.state_dict(), file)")
    state = {key: tensor for key, tensor in found.items() if key != "n_averaged"}
    for prefix in _WRAPPERS:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    other = next((key for key, value in state.items() if not isinstance(value, Tensor)), None)
    if other is not None:
        raise InputError(
            f"{path} is not a state dict, it has {other[:80]!r} of type {type(state[other]).__name__}: write it with "
            "torch.save(model.state_dict(), file)"
        )
    return state


def load_state_dict_(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load weights, and masks if there are any, into a model or the one module in it that they fit."""
    shorter = _without_first_name(state)
    weights = shorter if _target(model, state) is None and _target(model, shorter) is not None else state
    target = fitting(model, weights)
    if not defects(target) and any(name.endswith(f".{KEY}") for name in weights):
        attach_masks_(target, weights)
    load_weights_(target, weights)


def fitting(model: nn.Module, names: Collection[str]) -> nn.Module:
    """The model, or the one module in it, whose state dict has these names, masks aside."""
    target = _target(model, names)
    if target is None:
        found, needed = _names(names), _names(model.state_dict())
        parts = [f"{what}: {_few(names)}" for what, names in (("missing", needed - found), ("unknown", found - needed)) if names]
        raise InputError(f"the weights are of another model ({'; '.join(parts)})")
    return target


def _target(model: nn.Module, names: Collection[str]) -> nn.Module | None:
    wanted = _names(names)
    return next((each for each in (model, *model.children()) if wanted and _names(each.state_dict()) == wanted), None)


def names_in(path: Path) -> set[str]:
    """Names of the tensors in a file of safetensors."""
    with safe_open(path, "pt") as stored:
        return set(stored.keys())


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch's own message advises to run the code in the file.
        reason = quoted(error).partition(". ")[0]
        raise InputError(
            f"{path} cannot be read with weights_only=True, which runs no code ({reason}): it is corrupt, or holds more than tensors; "
            "write it with torch.save(model.state_dict(), file)"
        ) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise InputError(f"{path} is corrupt, or a file of neither torch.save nor safetensors: {quoted(error)}") from error


def _names(state: Collection[str]) -> set[str]:
    return {name for name in state if name.rpartition(".")[2] != KEY}


def _without_first_name(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same under shorter names, if all begin with the same one, as ``model.conv1.weight``; else nothing."""
    first = {name.partition(".")[0] for name in state}
    return {name.partition(".")[2]: tensor for name, tensor in state.items()} if len(first) == 1 else {}


def _few(names: set[str]) -> str:
    return f"{min(names)[:80]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}"
