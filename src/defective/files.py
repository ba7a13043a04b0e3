"""Read and write files: whole or not at all, tensors as safetensors, never pickle."""

import json
import logging
import os
import re
import secrets
import tempfile
import time
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from stat import S_IMODE
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialized
from safetensors.torch import save_file
from torch import Tensor

from defective.errors import InputError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write(temporary)`` and move the result to ``path``; after a crash or a full disk ``path`` is as it was.

    A link there stays and what it names is written; permissions of a file stay.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        # safetensors puts a file in its place that only its owner may read; a store on a shared folder needs the usual permissions.
        temporary.touch(exist_ok=False)
        usual = S_IMODE((path if path.exists() else temporary).stat().st_mode)
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


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8, as :func:`write_whole`."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def left_behind(folder: Path) -> list[Path]:
    """The temporary files of :func:`write_whole` directly in a folder that no process has touched for an hour: theirs were killed."""
    old = time.time() - 3600
    return [file for file in folder.glob(".*.*-????????") if file.is_file() and file.stat().st_mtime < old]


def check_path(text: str) -> None:
    """Refuse text that is no path on any system."""
    with suppress(UnicodeEncodeError):
        if b"\0" not in os.fsencode(text):
            return
    raise InputError(f"{text!a} is not a path: it holds a NUL character or half a character")


def check_folder(path: Path) -> None:
    """Refuse an output folder that does not exist and cannot be made, before work starts."""
    check_path(str(path))
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path} is a broken link: remove it, or choose another folder")
    nearest = next(each for each in (path, *path.absolute().parents) if each.exists())
    what = str(path) if nearest == path else f"{path} cannot hold results: {nearest}"
    if not nearest.is_dir():
        raise InputError(f"{what} is a file, not a folder")
    if not os.access(nearest, os.W_OK):
        raise InputError(f"{what} is not writable: choose another folder")
    try:
        # Permissions do not tell all: an administrator has every right, also where the file system takes no files.
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise InputError(f"{what} cannot be written ({error.strerror})") from None


def check_file(path: Path) -> None:
    """Refuse a path for one file as :func:`check_folder` does for a folder."""
    check_path(str(path))
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is a device or pipe, not a file: choose another name")
    check_folder(path.parent)


def cache_folder(name: str = "") -> Path:
    """Where downloads and decoded images are stored, or a path in it: ``$DEFECTIVE_CACHE``, or ``defective`` in the user's cache folder.

    Where that folder cannot be written, it is a temporary one, removed when the process ends, after one warning.

    Args:
        name: A file or folder below it: where that is there, it is read, and the folder need not be written.
    """
    from platformdirs import user_cache_path

    chosen = os.environ.get("DEFECTIVE_CACHE")
    try:
        # Both ask for the home folder, which a user in a container may not have.
        folder = Path(chosen).expanduser() if chosen else user_cache_path("defective")
        if not name or not (folder / name).exists():
            check_folder(folder)
    except (RuntimeError, InputError) as error:
        folder = Path(_temporary_cache(str(error)).name)
    return folder / name


@lru_cache
def _temporary_cache(reason: str) -> tempfile.TemporaryDirectory[str]:
    logging.getLogger("defective").warning("no cache folder: %s; set DEFECTIVE_CACHE to another folder", reason)
    return tempfile.TemporaryDirectory(prefix="defective-")


def write_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write tensors, of any device and layout, and a JSON document to one safetensors file, whole or not at all.

    The file carries a checksum of each tensor and of the document, which reading compares.
    """
    plain = _apart(tensors)
    # One key, as safetensors gives several no fixed order.
    metadata = {"defective": json.dumps([about, _checksums(plain, about)], sort_keys=True)}
    if _is_utf8(path):
        write_whole(path, lambda temporary: save_file(plain, temporary, metadata))
    else:
        write_whole(path, lambda temporary: temporary.write_bytes(serialized(plain, metadata)))


def _is_utf8(path: Path) -> bool:
    """Whether the name of a file is text, as safetensors wants it."""
    with suppress(UnicodeDecodeError):
        return bool(os.fsencode(path).decode("utf-8"))
    return False


@contextmanager
def _named_in_utf8(path: Path) -> Iterator[Path]:
    """The path of an existing file, or another that leads there, as safetensors wants it."""
    if _is_utf8(path):
        yield path
    else:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder, "file.safetensors")
            link.symlink_to(path.absolute())
            yield link


def _checksums(tensors: dict[str, Tensor], about: dict[str, Any]) -> dict[str, int]:
    """CRC-32 of name, dtype, shape and bytes of each tensor, and under the empty name that of the document."""
    sums = {f"tensor {name}": _checksum(name, tensor) for name, tensor in tensors.items()}
    return sums | {"document": zlib.crc32(json.dumps(about, sort_keys=True).encode())}


def _checksum(name: str, tensor: Tensor) -> int:
    start = zlib.crc32(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
    return zlib.crc32(tensor.contiguous().view(-1).view(torch.uint8).numpy().data, start)


def _apart(shared: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, none of them sharing memory with another, which safetensors refuses."""
    tensors: dict[str, Tensor] = {}
    seen = set()
    for name, tensor in shared.items():
        tensor = tensor.detach().cpu().resolve_conj().contiguous()
        address = tensor.untyped_storage().data_ptr()
        tensors[name] = tensor.clone() if address in seen else tensor
        seen.add(address)
    return tensors


def read_tensors(path: Path, names: Collection[str] | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`write_tensors` wrote, or those of the tensors that are named and there."""
    with _opened(path) as (stored, about, sums):
        there = set(stored.keys()).intersection(stored.keys() if names is None else names)
        if {f"tensor {name}" for name in stored.keys()} != sums.keys() - {"document"}:  # noqa: SIM118 - no dict
            raise InputError(f"{path} is corrupt: it holds other tensors than were written")
        tensors = {name: stored.get_tensor(name) for name in sorted(there)}
        for name, tensor in tensors.items():
            if sums[f"tensor {name}"] != _checksum(name, tensor):
                raise InputError(f"{path} is corrupt: {name} is not what was written (its checksum is wrong)")
        return tensors, about


def is_foreign(path: Path) -> bool:
    """Whether a file is one of safetensors that :func:`write_tensors` did not write."""
    try:
        with safe_open(path, "pt") as stored:
            return "defective" not in (stored.metadata() or {})
    except (SafetensorError, OSError):
        return False


def read_about(path: Path) -> dict[str, Any]:
    """Read the document alone, as :func:`read_tensors`."""
    with _opened(path) as (_, about, _):
        return about


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, Any], dict[str, int]]]:
    """The open file, its document, and the checksums of its tensors."""
    check_path(str(path))
    missing = InputError(f"{path}: there is no such file")
    if not path.is_file():
        raise missing
    try:
        with _named_in_utf8(path) as named, safe_open(named, "pt") as stored:
            yield stored, *_document(path, (stored.metadata() or {}).get("defective"))
    except FileNotFoundError:
        # It went a moment ago, as the state of a run that ends does.
        raise missing from None
    except SafetensorError as error:
        raise InputError(f"{path} is corrupt, or a file of neither torch.save nor safetensors: {error}") from None


def _document(path: Path, text: str | None) -> tuple[dict[str, Any], dict[str, int]]:
    if text is None:
        raise InputError(f"{path} was not written by defective")
    try:
        document = json.loads(text)
        about, sums = document if isinstance(document, list) and len(document) == 2 else ({}, None)
        written = _checksums({}, about)["document"]
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is corrupt, or a file of neither torch.save nor safetensors: {error}") from None
    if not isinstance(about, dict) or not isinstance(sums, dict):
        raise InputError(f"{path} is corrupt: its document does not have the form that defective writes")
    if sums.get("document") != written:
        raise InputError(f"{path} is corrupt: its document is not what was written (its checksum is wrong)")
    return about, sums
