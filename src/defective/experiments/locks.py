"""Locks of a store: one process at a time, and a note beside each lock for those who wait."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from defective.errors import InputError
from defective.experiments.json_files import JsonFiles, write_json
from defective.experiments.schema import Owner


@contextmanager
def locked(folder: Path, name: str, *, patience: float = 0.0) -> Iterator[bool]:
    """Hold ``NAME.lock`` inside the block, ``NAME.json`` beside it saying which process does; False if another keeps it that long."""
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        yield False
        return
    note = folder / f"{name}.json"
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    try:
        # The lock holds without it.
        with suppress(OSError):
            write_json(note, {"pid": os.getpid(), "host": socket.gethostname(), "since": since})
        yield True
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def owner(folder: Path, name: str) -> str:
    """Which process holds a lock and since when, in words."""
    with suppress(InputError):
        found = JsonFiles().read(folder / f"{name}.json", Owner.check)
        if found is not None:
            return f"process {found['pid']} on {found['host']} has been at it since {found['since']}"
    return "another process is at it"
