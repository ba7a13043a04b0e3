"""Unpack an archive without trusting it."""

import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from defective.errors import InputError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz")

# RuntimeError and NotImplementedError: an encrypted zip file or one packed in a way that zipfile does not know.
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


def is_archive(path: Path) -> bool:
    """Whether the name ends like an archive that can be unpacked."""
    return path.name.lower().endswith(SUFFIXES)


def stem(path: Path) -> str:
    """A path's name without the endings of an archive: what a data set in it is called."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def unpack(path: Path, into: Path) -> None:
    """Unpack the regular files of ``path`` below the empty folder ``into``.

    Raises:
        InputError: If the archive is damaged, or holds a link, a device, or a name that leads outside; nothing stays behind then.
    """
    try:
        if path.name.lower().endswith(".zip"):
            _unpack_zip(path, into)
        else:
            _unpack_tar(path, into)
    except _DAMAGED as error:
        shutil.rmtree(into, ignore_errors=True)
        raise InputError(f"{path} cannot be unpacked, it is damaged, cut off or encrypted: {error}") from None
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


def _unpack_tar(path: Path, into: Path) -> None:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isdir():
                continue
            if not member.isfile():
                raise InputError(f"{path}: {member.name!r} is a link or a device; only regular files are unpacked")
            source = archive.extractfile(member)
            assert source is not None
            with source, _place(path, member.name, into).open("wb") as file:
                shutil.copyfileobj(source, file)


def _unpack_zip(path: Path, into: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            if (info.external_attr >> 16) & 0o170000 == 0o120000:
                raise InputError(f"{path}: {info.filename!r} is a link; only regular files are unpacked")
            with archive.open(info) as source, _place(path, info.filename, into).open("wb") as file:
                shutil.copyfileobj(source, file)


def _place(path: Path, name: str, into: Path) -> Path:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
        raise InputError(f"{path}: {name!r} leads outside the folder it is unpacked into; this archive is not safe")
    place = into / parts
    place.parent.mkdir(parents=True, exist_ok=True)
    return place
