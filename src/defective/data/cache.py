"""A cache of decoded images, so that they are decoded once."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from defective.data.folder import files_below
from defective.data.notice import notice
from defective.data.sets import ImageSet
from defective.errors import InputError
from defective.files import cache_folder, left_behind, read_tensors, write_tensors

# Increased when the same files would be read as other pixels or labels.
VERSION = 3
_TEMPORARY = "temporary-"


def fingerprint(path: Path, *settings: object) -> str:
    """Identify a file or folder by the names, sizes and modification times of its files, and by how it is read."""
    files = [path] if path.is_file() else files_below(path)
    digest = hashlib.sha256(repr((VERSION, str(path.resolve()), *settings)).encode())
    for file in files:
        # A link to nothing has no size.
        status = file.stat() if file.exists() else file.lstat()
        digest.update(os.fsencode(file.relative_to(path)) + f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def restore(name: str, key: str) -> dict[str, ImageSet] | None:
    """The data set stored under this key, or None; :func:`store` writes a corrupt one anew."""
    file = _file(name, key)
    with suppress(InputError, KeyError, TypeError):
        tensors, about = read_tensors(file)
        splits = [split for split in ("train", "test") if f"{split}.x" in tensors]
        classes = tuple(about["classes"])
        return {split: ImageSet(name, split, tensors[f"{split}.x"], tensors[f"{split}.y"], classes) for split in splits}
    return None


def store(name: str, key: str, sets: dict[str, ImageSet]) -> None:
    """Store a decoded data set under this key, if the cache can be written."""
    tensors = {f"{split}.{part}": getattr(each, part) for split, each in sets.items() for part in ("x", "y")}
    try:
        write_tensors(_file(name, key), tensors, {"classes": list(sets["test"].classes)})
    except OSError as error:
        notice(f"the decoded images of {name} could not be cached, the next command decodes them again: {error}")


def _file(name: str, key: str) -> Path:
    # File systems allow 255 bytes, of which a temporary name takes 40.
    return cache_folder(f"decoded/{name[:40]}-{key}.safetensors")


@contextmanager
def locked(path: Path, doing: str) -> Iterator[None]:
    """Let one process at a time work on a file or folder; the lock ends with the process, however that ends."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_lock(path))
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        notice(f"{path}: another process is {doing} it, waiting for that one")
        held = lock.acquire()
    with held:
        yield


def _lock(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


@contextmanager
def unpacking(kept: Path) -> Iterator[Path]:
    """A new folder for the images that are to lie in ``kept``, for one process at a time; unless it is moved there, it is removed."""
    prune()
    folder = kept.with_name(_TEMPORARY + kept.name)
    with locked(folder, "unpacking"):
        try:
            # A process that was killed may have left it.
            shutil.rmtree(folder, ignore_errors=True)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def prune(*, everything: bool = False) -> tuple[int, int]:
    """Remove what killed processes left in the cache; with ``everything`` also decoded and unpacked images, which are recreated.

    Downloaded files stay, and what is being unpacked; no command may be reading unpacked images. Returned are the number of files
    removed, and their bytes.
    """
    from filelock import FileLock, Timeout

    folder = cache_folder()
    unpacked = list(folder.glob("unpacked/[!.]*"))
    temporary = [path for path in unpacked if path.name.startswith(_TEMPORARY)]
    left = left_behind(folder / "decoded")
    if everything:
        left += [path for path in unpacked if path not in temporary] + list(folder.glob("decoded/[!.]*.safetensors"))
    sizes = [size for path in left for size in _removed(path)]
    for path in temporary:
        # Locked: another process may be unpacking there, or begin to.
        with suppress(Timeout), FileLock(_lock(path), timeout=0):
            sizes += _removed(path)
    return len(sizes), sum(sizes)


def _removed(path: Path) -> list[int]:
    """Remove a file or a folder, which another process may be removing too; the bytes of each file that was there."""
    sizes = []
    with suppress(FileNotFoundError):
        for file in files_below(path) if path.is_dir() else (path,):
            sizes.append(file.lstat().st_size)
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return sizes
