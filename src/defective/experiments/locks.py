"""Locks of a store: one process at a time, and a note beside each lock for those who wait."""

import logging
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
from defective.progress import time_is_up

# Seconds between two looks at a lock that is waited for.
_PATIENCE = 1.0


@contextmanager
def locked(folder: Path, name: str, *, patience: float = 0.0) -> Iterator[bool]:
    """Hold ``NAME.lock`` inside the block, ``NAME.json`` beside it saying which process does; False if another keeps it so long."""
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


@contextmanager
def awaited(folder: Path, name: str) -> Iterator[None]:
    """Hold a lock inside the block once no other process does; a wait is reported once, and ends with the time budget.

    Raises:
        InputError: If the time budget is over before.
    """
    reported = False
    while True:
        with locked(folder, name, patience=_PATIENCE) as mine:
            if mine:
                yield
                return
        waits = f"{folder / name}.lock: waiting, {owner(folder, name)}"
        if time_is_up():
            raise InputError(f"{waits}; the time budget is over: end that process, or start this command again later")
        if not reported:
            logging.getLogger("defective").warning("%s", waits)
            reported = True


def owner(folder: Path, name: str) -> str:
    """Which process holds a lock and since when, in words."""
    with suppress(InputError):
        found = JsonFiles().read(folder / f"{name}.json", Owner.check)
        if found is not None:
            return f"process {found['pid']} on {found['host']} has been at it since {found['since']}"
    return "another process is at it"
