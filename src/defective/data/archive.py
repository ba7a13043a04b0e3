"""Unpack an archive without trusting it."""

import errno
import gzip
import io
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import IO, cast

from defective.errors import InputError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz")
# ImageNet has 1.3 million files, and images hardly shrink in an archive: what goes beyond these is made to fill a disk.
MAX_MEMBERS = 4_000_000
MAX_RATIO = 50
FREE_SIZE = 64 << 20
# tarfile reads a name as long as its header says into memory; files are read in smaller pieces.
MAX_READ = 16 << 20

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
        InputError: If the archive is corrupt, holds a link, a device, or a name that leads outside, or unpacks to more than
            ``MAX_MEMBERS`` files or ``MAX_RATIO`` times its size; nothing stays behind then.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
        if path.name.lower().endswith(".zip"):
            _unpack_zip(path, into, _Limits(path))
        else:
            _unpack_tar(path, into, _Limits(path))
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


class _Limits:
    """Counts what is unpacked; far more than an archive of images can hold is refused."""

    def __init__(self, path: Path) -> None:
        self.path, self.members, self.size = path, 0, 0
        self.most = max(FREE_SIZE, path.stat().st_size * MAX_RATIO)

    def one_more(self) -> None:
        self.members += 1
        if self.members > MAX_MEMBERS:
            raise InputError(f"{self.path} holds more than {MAX_MEMBERS:,} files and folders, the most that are unpacked")

    def check(self, size: int) -> None:
        if size > self.most:
            raise InputError(
                f"{self.path} unpacks to more than {self.most:,} bytes, the most for an archive of {self.path.stat().st_size:,}: "
                "unpack it yourself if you trust it, and name the folder"
            )

    def copy(self, source: IO[bytes], place: Path) -> None:
        with source, _naming_full_disk(place), place.open("wb") as file:
            while chunk := source.read(1 << 20):
                self.size += len(chunk)
                self.check(self.size)
                file.write(chunk)


@contextmanager
def _naming_full_disk(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename is None:
            raise OSError(error.errno, error.strerror, str(place)) from None
        raise


class _Bounded(io.RawIOBase):
    """The unpacked bytes of a tar file, of which no more than the limit are read: names and holes in its headers count, too."""

    def __init__(self, file: IO[bytes], limits: _Limits) -> None:
        self.file, self.limits = file, limits

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_READ:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        content = self.file.read(size)
        self.limits.check(self.file.tell())
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0:
            self.limits.check(offset)
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()


def _unpack_tar(path: Path, into: Path, limits: _Limits) -> None:
    with _uncompressed(path) as file, tarfile.open(fileobj=_Bounded(file, limits), mode="r:") as archive:
        for member in archive:
            limits.one_more()
            if member.isdir():
                continue
            if not member.isfile() or member.issparse():
                raise InputError(f"{path}: {member.name!r} is a link or a device; only regular files are unpacked")
            source = archive.extractfile(member)
            assert source is not None
            limits.copy(source, _place(path, member.name, into))
        _check_end(archive)


def _uncompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(path))
    return cast(IO[bytes], lzma.open(path)) if start == b"\xfd7zXZ\0" else path.open("rb")


def _check_end(archive: tarfile.TarFile) -> None:
    """Demand the block of zeros after the last member: tarfile takes any other unreadable header for the end, too."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("no end mark after the last whole file")
    # The checksum of a compressed archive is only compared at its very end.
    while archive.fileobj.read(1 << 20):
        pass


def _unpack_zip(path: Path, into: Path, limits: _Limits) -> None:
    with zipfile.ZipFile(path) as archive:
        limits.check(sum(info.file_size for info in archive.infolist()))
        for info in archive.infolist():
            limits.one_more()
            if not info.filename:
                raise InputError(f"{path} holds a file without a name; this archive is not safe")
            if info.is_dir():
                continue
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                raise InputError(f"{path}: {info.filename!r} is a link or a device; only regular files are unpacked")
            limits.copy(archive.open(info), _place(path, info.filename, into))


def _place(path: Path, name: str, into: Path) -> Path:
    # Windows rules are the stricter ones: both slashes part folders, and C: leads elsewhere.
    parts = PureWindowsPath(name)
    if parts.anchor or ".." in parts.parts or not parts.parts:
        raise InputError(f"{path}: {name!r} leads outside the folder it is unpacked into; this archive is not safe")
    place = into.joinpath(*parts.parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place
