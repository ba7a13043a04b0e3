"""Read and write files: whole or not at all, tensors as safetensors, never pickle."""

import json
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from defective.errors import InputError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write(temporary)`` and move the result to ``path``; after a crash or a full disk ``path`` is as it was.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "a.txt"
        >>> write_whole(target, lambda temporary: temporary.write_text("done"))
        >>> target.read_text()
        'done'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        # safetensors puts a file in its place that only its owner may read; a store on a shared folder needs the usual permissions.
        usual = _made(temporary)
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(usual)
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    except SafetensorError as error:
        # A full disk is an error of safetensors' own kind, with the system's number in its text.
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _made(path: Path) -> int:
    """Make an empty file; return the permissions that the system gave it, as the umask or the folder has it."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def check_folder(path: Path) -> None:
    """Refuse a place for results where no folder is and none can be made: better said before the work than after it.

    Raises:
        InputError: If the path or a part of it is a file, or must not be written.
    """
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise InputError(f"{path} cannot hold results: {nearest} is a file, not a folder")
    if not os.access(nearest, os.W_OK):
        raise InputError(f"{path} cannot hold results: {nearest} must not be written")


def check_file(path: Path) -> None:
    """Refuse a place for one file as :func:`check_folder` does for a folder."""
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file")
    check_folder(path.parent)


def cache_folder() -> Path:
    """Where downloads and decoded images are kept: ``$DEFECTIVE_CACHE``, or ``defective`` in the user's cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("DEFECTIVE_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("defective")


def write_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write tensors, of any device and layout, and a JSON document to one safetensors file, whole or not at all."""
    metadata = {"defective": json.dumps(about, sort_keys=True)}
    plain = _apart(tensors)
    write_whole(path, lambda temporary: save_file(plain, temporary, metadata))


def _apart(shared: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, none of them sharing memory with another, which safetensors refuses."""
    tensors: dict[str, Tensor] = {}
    seen = set()
    for name, tensor in shared.items():
        tensor = tensor.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        tensors[name] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return tensors


def read_tensors(path: Path, names: Collection[str] | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`write_tensors` wrote, or those of the tensors that are named and there.

    Raises:
        InputError: If the file is missing, corrupt or not ours.
    """
    with _opened(path) as (stored, about):
        there = set(stored.keys()).intersection(stored.keys() if names is None else names)
        return {name: stored.get_tensor(name) for name in sorted(there)}, about


def read_about(path: Path) -> dict[str, Any]:
    """Read the document alone, as :func:`read_tensors`."""
    with _opened(path) as (_, about):
        return about


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    missing = InputError(f"{path}: there is no such file")
    if not path.is_file():
        raise missing
    try:
        with safe_open(path, "pt") as stored:
            about = json.loads((stored.metadata() or {})["defective"])
            if not isinstance(about, dict):
                raise InputError(f"{path} is corrupt: its metadata is no JSON object")
            yield stored, about
    except FileNotFoundError:
        # It went a moment ago, as the state of a run that ends does.
        raise missing from None
    except KeyError:
        raise InputError(f"{path} was not written by defective") from None
    except InputError:
        raise
    except (SafetensorError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is corrupt or no safetensors file: {error}") from None
