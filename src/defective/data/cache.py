"""Keep decoded images, so that the second load takes no decoding."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from defective.data.folder import files_below
from defective.data.notice import notice
from defective.data.sets import ImageSet
from defective.errors import InputError
from defective.files import cache_folder, read_tensors, write_tensors

# Counts up when the same files are read as other pixels or labels.
VERSION = 3
# Seconds after which a temporary file that nobody has written to was left behind.
LEFT_BEHIND = 3600
_TEMPORARY = "temporary-"


def fingerprint(path: Path, *settings: object) -> str:
    """Identify a file or folder by names, sizes and times of change of all it holds, together with how it is read."""
    files = [path] if path.is_file() else files_below(path)
    digest = hashlib.sha256(repr((VERSION, str(path.resolve()), *settings)).encode())
    for file in files:
        # A link to nothing has no size.
        status = file.stat() if file.exists() else file.lstat()
        digest.update(os.fsencode(file.relative_to(path)) + f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def restore(name: str, key: str) -> dict[str, ImageSet] | None:
    """The data set stored under this key, or None; a corrupt file is removed."""
    file = _file(name, key)
    if not file.exists():
        return None
    try:
        tensors, about = read_tensors(file)
        splits = [split for split in ("train", "test") if f"{split}.x" in tensors]
        classes = tuple(about["classes"])
        sets = {split: ImageSet(name, split, tensors[f"{split}.x"], tensors[f"{split}.y"], classes) for split in splits}
        return {**sets, "test": sets["test"]}
    except (InputError, KeyError, TypeError):
        file.unlink(missing_ok=True)
        return None


def store(name: str, key: str, sets: dict[str, ImageSet]) -> None:
    """Keep a decoded data set under this key, if the cache can be written."""
    tensors = {f"{split}.{part}": getattr(each, part) for split, each in sets.items() for part in ("x", "y")}
    try:
        write_tensors(_file(name, key), tensors, {"classes": list(sets["test"].classes)})
    except OSError as error:
        notice(f"the decoded images of {name} are not kept, the next command decodes them again: {error}")


def _file(name: str, key: str) -> Path:
    # File systems allow 255 bytes, of which a temporary name takes 40.
    place = f"decoded/{name[:40]}-{key}.safetensors"
    return cache_folder(place) / place


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder in the cache for unpacked images, which is removed at the end; what a killed process left there goes first."""
    from filelock import FileLock

    place = cache_folder() / "unpacked"
    place.mkdir(parents=True, exist_ok=True)
    prune()
    folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=place))
    # The system releases it when the process ends, however it ends.
    lock = FileLock(folder / "lock")
    try:
        with lock:
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prune(*, everything: bool = False) -> tuple[int, int]:
    """Remove what killed processes left in the cache; with ``everything`` the decoded and unpacked images too, which are made again.

    Downloaded files stay. What a process is using stays, too.

    Returns:
        How many files were removed, and their bytes.
    """
    folder = cache_folder()
    old = time.time() - LEFT_BEHIND
    left = [place for place in folder.glob(f"unpacked/{_TEMPORARY}*") if not _in_use(place)]
    # As write_whole calls what it has not finished.
    left += [file for file in folder.glob("decoded/.*.safetensors.*") if file.stat().st_mtime < old]
    if everything:
        left += [place for place in folder.glob("unpacked/*") if not place.name.startswith(_TEMPORARY)]
        left += folder.glob("decoded/[!.]*.safetensors")
    found = [file for place in left for file in (files_below(place) if place.is_dir() else (place,))]
    sizes = [file.lstat().st_size for file in found if file.name != "lock"]
    for place in left:
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    return len(sizes), sum(sizes)


def _in_use(folder: Path) -> bool:
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / "lock", timeout=0):
            return False
    except Timeout:
        return True
