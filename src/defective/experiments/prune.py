"""Prune a store: remove what no report needs and no process is using."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from defective.experiments.store import Store

# Where files lie that are written whole: hidden until they are.
_FOLDERS = ("data", "failed", "jobs", "chunks", "plans", "locks", "corrupt")
# Seconds within which a process may still be at a file: at one that it writes, or at the other chunks of a measurement.
_AT_WORK = 3600.0


def prune(store: Store, *, days: float, dry_run: bool = False) -> tuple[int, int]:
    """Remove chunks of no job, unfinished jobs that no process is at, and files that were being written when a process was killed.

    What was touched within so many days stays, and so do finished jobs, records of failures, which are small, and locks: another
    process may have just opened one. Nothing says who uses chunks of no job, so those of the last hour stay too.

    Returns:
        Number of bytes, and of files and directories.
    """
    now = time.time()
    before = now - 86_400 * days
    found = [file for part in _FOLDERS for file in (store.folder / part).rglob("*") if file.is_file()]
    begun = [file for file in found if file.name.startswith(".") or file.is_relative_to(store.folder / "chunks")]
    paths = [file for file in begun if _touched(file) < min(before, now - _AT_WORK)]
    freed = sum(map(_size, paths))
    if not dry_run:
        for path in paths:
            path.unlink(missing_ok=True)
    for name in store.unfinished():
        path = store.folder / "running" / name
        with store.locked(name) as mine:
            if mine and _touched(path) < before:
                freed += _size(path)
                paths.append(path)
                if not dry_run:
                    shutil.rmtree(path, ignore_errors=True)
    return freed, len(paths)


def _touched(path: Path) -> float:
    return max((each.st_mtime for each in _stats(path)), default=0.0)


def _size(path: Path) -> int:
    return sum(each.st_size for each in _stats(path) if S_ISREG(each.st_mode))


def _stats(path: Path) -> Iterator[os.stat_result]:
    """Of all that lies there; what another process has removed meanwhile is left out."""
    for file in (path, *path.rglob("*")):
        with suppress(FileNotFoundError):
            yield file.stat()
