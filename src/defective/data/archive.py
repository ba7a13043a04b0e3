"""Unpack an archive without trusting it."""

import errno
import gzip
import io
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path, PureWindowsPath
from typing import IO, cast

from defective.errors import InputError
from defective.files import check_path

_ENDING = re.compile(r"\.(zip|tar|tar\.gz|tgz|tar\.xz)\Z", re.IGNORECASE)
# ImageNet has 1.3 million files, and images hardly shrink in an archive: more than this is an attempt to fill the disk.
MAX_MEMBERS = 4_000_000
MAX_RATIO = 50
FREE_SIZE = 64 << 20
# tarfile reads a name as long as its header says into memory; files are read in smaller pieces.
MAX_READ = 16 << 20


def check_source(name: str, path: str) -> Path:
    """The folder or archive at ``path``, which messages call ``name``."""
    check_path(path)
    root = Path(path)
    # The home of a user nobody knows stays as it is written, and is reported as missing.
    with suppress(RuntimeError):
        root = root.expanduser()
    if not root.exists():
        raise InputError(f"{name}: there is no such file or folder")
    if root.is_file() and not _ENDING.search(root.name):
        raise InputError(f"{root} is neither a folder nor an archive (.zip, .tar, .tar.gz, .tar.xz)")
    return root


def stem(path: Path) -> str:
    """The name of a path without the ending of an archive: the name of the data set in it."""
    return _ENDING.sub("", path.name)


def unpack(path: Path, into: Path) -> None:
    """Unpack the regular files of ``path`` below ``into``, a folder that is new or empty.

    Raises:
        InputError: If the archive is corrupt, holds a link, a device, or a name that leads outside, or unpacks to more than
            ``MAX_MEMBERS`` files or ``MAX_RATIO`` times its size; nothing stays behind then.
    """
    members = _zip_members if path.name.lower().endswith(".zip") else _tar_members
    try:
        into.mkdir(parents=True, exist_ok=True)
        with closing(members(path)) as found:
            for number, (name, source) in enumerate(found):
                if number == MAX_MEMBERS:
                    raise InputError(f"{path} holds more than {MAX_MEMBERS:,} files and folders, the most that are unpacked")
                if source is not None:
                    with source:
                        file_path = into.joinpath(*_parts(path, name))
                        file_path.parent.mkdir(parents=True, exist_ok=True)
                        with file_path.open("wb") as file:
                            shutil.copyfileobj(source, file, 1 << 20)
    except BaseException as error:
        shutil.rmtree(into, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(error.errno, error.strerror, str(into)) from None
        if not _is_corruption(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise InputError(f"{path} cannot be unpacked, it is corrupt, cut off or encrypted: {reason}") from None


def _is_corruption(error: BaseException) -> bool:
    if isinstance(error, OSError):
        # gzip reports corruption without a number; the numbers are an impossible offset, two entries of one name, and a long name.
        return error.errno in (None, errno.EINVAL, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)
    return isinstance(error, Exception) and not isinstance(error, InputError | MemoryError)


def _parts(path: Path, name: str) -> tuple[str, ...]:
    # Windows' rules are stricter: both slashes separate folders, and C: leads elsewhere. tarfile's data filter knows them only there.
    parts = PureWindowsPath(name)
    if parts.anchor or ".." in parts.parts or not parts.parts:
        raise InputError(f"{path}: {name!r} leads outside the folder it is unpacked into; this archive is not safe")
    return parts.parts


def _check_regular(path: Path, name: str, regular: bool) -> None:
    if not regular:
        raise InputError(f"{path}: {name!r} is a link or a device; only regular files are unpacked")


def _check_size(path: Path, size: int) -> None:
    if size > FREE_SIZE and size > (packed := path.stat().st_size) * MAX_RATIO:
        raise InputError(
            f"{path} unpacks to more than {max(FREE_SIZE, packed * MAX_RATIO):,} bytes, the most for an archive of {packed:,}: "
            "unpack it yourself if you trust it, and name the folder"
        )


def _zip_members(path: Path) -> Generator[tuple[str, IO[bytes] | None], None, None]:
    """Name and content of each file, None for the content of a folder. ``zipfile`` reads no more of a file than its entry says."""
    with zipfile.ZipFile(path) as archive:
        _check_size(path, sum(info.file_size for info in archive.infolist()))
        for info in archive.infolist():
            if not info.filename:
                raise InputError(f"{path} holds a file without a name; this archive is not safe")
            _check_regular(path, info.filename, info.is_dir() or stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG))
            yield info.filename, None if info.is_dir() else archive.open(info)


def _tar_members(path: Path) -> Generator[tuple[str, IO[bytes] | None], None, None]:
    with path.open("rb") as packed:
        start = packed.read(6)
    opened = gzip.open if start.startswith(b"\x1f\x8b") else lzma.open if start == b"\xfd7zXZ\0" else open
    with cast(IO[bytes], opened(path, "rb")) as file, tarfile.open(fileobj=_Bounded(file, path), mode="r:") as archive:
        for member in archive:
            _check_regular(path, member.name, member.isdir() or (member.isfile() and not member.issparse()))
            yield member.name, archive.extractfile(member)
        # tarfile takes any unreadable header for the end, which is a block of zeros.
        assert archive.fileobj is not None
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("no end mark after the last whole file")
        # The checksum of a compressed archive is only compared at its very end.
        while archive.fileobj.read(1 << 20):
            pass


class _Bounded(io.RawIOBase):
    """The unpacked bytes of a tar file; long headers, and all beyond the size that :func:`_check_size` allows, are not read."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self.file, self.path = file, path

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_READ:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        content = self.file.read(size)
        _check_size(self.path, self.file.tell())
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        _check_size(self.path, offset)
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()
