"""JSON documents of a store: written whole, read once as long as they do not change, checked by their schema."""

import errno
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeVar

from pydantic_core import from_json

from defective.errors import InputError
from defective.experiments.schema import JsonObject, format_error
from defective.files import write_text

T = TypeVar("T")


def write_json(path: Path, document: JsonObject) -> None:
    """Write a JSON document, whole or not at all."""
    write_text(path, json.dumps(document, indent=1))


def sealed(name: str, document: JsonObject) -> JsonObject:
    """The document with the name of what it is about and a checksum, which :func:`unsealed` compares.

    Example:
        >>> unsealed("train-0", sealed("train-0", {"seconds": 1.5}))
        {'seconds': 1.5}
    """
    return {**document, "job": name, "checksum": _checksum(name, document)}


def unsealed(name: str, document: JsonObject) -> JsonObject:
    """The document that was sealed.

    Raises:
        ValueError: If it was changed since, or is about something else.
    """
    inner = {key: value for key, value in document.items() if key not in ("job", "checksum")}
    if document.get("job") != name:
        raise ValueError("it is the result of another job")
    if document.get("checksum") != _checksum(name, inner):
        raise ValueError("its checksum is wrong")
    return inner


def _checksum(name: str, document: JsonObject) -> int:
    return zlib.crc32(json.dumps([name, document], sort_keys=True, allow_nan=False).encode())


class JsonFiles:
    """Reads documents; one whose file is as it was is not read again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], Any]] = {}

    def read(self, path: Path | str, check: Callable[[JsonObject], T]) -> T | None:
        """What ``check`` makes of the document of a file; None if there is no such file.

        Raises:
            InputError: If it is no JSON object, or the check raises a ValueError.
        """
        file = str(path)
        try:
            stat = os.stat(file)  # noqa: PTH116 - ten thousands of files
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise InputError(f"{file} is a link to itself: remove it") from None
        state = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        known = self._known.get(file)
        if known is None or known[0] != state:
            try:
                # A pipe would be waited at for ever, a device read without end.
                known = (state, _parse(file, check) if S_ISREG(stat.st_mode) else ValueError("it is not a file"))
            except FileNotFoundError:
                return None
            self._known[file] = known
        found: T | ValueError = known[1]
        if isinstance(found, ValueError):
            folder, name = os.path.split(file)
            whole = folder if name in ("spec.json", "result.json") else "it"
            raise InputError(f"{file} is corrupt ({found}): move {whole} out of the store, and it will be made again")
        return found


def _parse(file: str, check: Callable[[JsonObject], T]) -> T | ValueError:
    """What the check makes of the document, or what is wrong with it, in one line."""
    try:
        # Limits depth and digits, and refuses half characters.
        document = from_json(Path(file).read_bytes(), allow_inf_nan=False)
        return check(document) if isinstance(document, dict) else ValueError("no JSON object")
    except ValueError as error:
        # Its text alone: the error would keep the document, and all that is wrong with it.
        return ValueError(format_error(error))
