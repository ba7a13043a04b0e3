"""Unpack an archive without trusting it."""

import errno
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path, PureWindowsPath
from typing import IO

from defective.errors import InputError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz")

# RuntimeError: an encrypted zip file or one packed in a way that zipfile does not know. ValueError: a name that is no text.
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
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
    """Unpack the regular files of ``path`` below ``into``, a folder that is new or empty.

    Raises:
        InputError: If the archive is corrupt, or holds a link, a device, or a name that leads outside; nothing stays behind then.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
        if path.name.lower().endswith(".zip"):
            _unpack_zip(path, into)
        else:
            _unpack_tar(path, into)
    except BaseException as error:
        shutil.rmtree(into, ignore_errors=True)
        if isinstance(error, InputError) or not _is_damage(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise InputError(f"{path} cannot be unpacked, it is corrupt, cut off or encrypted: {reason}") from None


def _is_damage(error: BaseException) -> bool:
    if isinstance(error, OSError):
        # gzip and bz2 report damage without a number; the numbers are an impossible offset, two entries of one name, and a long name.
        return error.errno in (None, errno.EINVAL, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)
    return isinstance(error, _DAMAGED)


def _unpack_tar(path: Path, into: Path) -> None:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isdir():
                continue
            if not member.isfile():
                raise InputError(f"{path}: {member.name!r} is a link or a device; only regular files are unpacked")
            source = archive.extractfile(member)
            assert source is not None
            _copy(source, _place(path, member.name, into))
        _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """Demand the block of zeros after the last member: tarfile takes any other unreadable header for the end, too."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("no end mark after the last whole file")
    # The checksum of a compressed archive is only compared at its very end.
    while archive.fileobj.read(1 << 20):
        pass


def _unpack_zip(path: Path, into: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                raise InputError(f"{path}: {info.filename!r} is a link or a device; only regular files are unpacked")
            _copy(archive.open(info), _place(path, info.filename, into))


def _copy(source: IO[bytes], place: Path) -> None:
    with source, place.open("wb") as file:
        shutil.copyfileobj(source, file)


def _place(path: Path, name: str, into: Path) -> Path:
    # Windows rules are the stricter ones: both slashes part folders, and C: leads elsewhere.
    parts = PureWindowsPath(name)
    if parts.anchor or ".." in parts.parts or not parts.parts:
        raise InputError(f"{path}: {name!r} leads outside the folder it is unpacked into; this archive is not safe")
    place = into.joinpath(*parts.parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place
