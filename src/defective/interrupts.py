"""End an interrupted command with one line and exit code 130, from its first moment on.

Imported first by the package, because loading torch takes seconds. It has no effect where the package is used as a library.
"""

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from types import FrameType
from typing import Any

_Handler = Callable[[int, FrameType | None], Any] | int | None
STOPPED = 130
_stopped: list[bool] = []
# Windows knows no SIGHUP.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def is_command() -> bool:
    """Whether this process is ``defective`` or ``python -m defective``, which has no name yet while the package is loaded."""
    name = Path(sys.argv[0]).stem if sys.argv else ""
    return name == "defective" or (name == "-m" and "defective" in sys.orig_argv)


@contextmanager
def interruptible() -> Iterator[None]:
    """Signals that ask to stop raise ``KeyboardInterrupt``, so that locks and temporary files are removed; a second one exits at once."""
    again: list[Timer] = []
    hook = sys.unraisablehook

    def interrupt(number: int, frame: FrameType | None) -> None:
        _handle(_leave)
        again.append(Timer(0.1, os.kill, (os.getpid(), number)))
        raise KeyboardInterrupt

    def unraisable(failure: "sys.UnraisableHookArgs") -> None:
        """Raised in a finalizer, where Python discards exceptions: the signal is sent again."""
        if failure.exc_type is not KeyboardInterrupt:
            hook(failure)
            return
        try:
            _handle(interrupt)
            again[-1].start()
        except KeyboardInterrupt:
            # On a busy machine it can come before this function ends, where Python discards it as well.
            unraisable(failure)

    before = _handle(interrupt)
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        for timer in again:
            timer.cancel()
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(handler: _Handler) -> dict[int, _Handler]:
    """Set the handler of all signals but those that the caller of the process ignores, as nohup does; return the earlier ones."""
    before: dict[int, _Handler] = {}
    for number in _SIGNALS:
        # None: it was not set by Python.
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            try:
                before[number] = signal.signal(number, handler)
            except ValueError:
                # Not the main thread.
                return {}
    return before


def _leave(number: int, frame: FrameType | None) -> None:
    # Not an exception: modules that are being loaded make others of it.
    os.write(2, b"error: interrupted\n")
    os._exit(STOPPED)


def stopped() -> int:
    """Exit code of a command that was interrupted, which its process will end with."""
    _stopped.append(True)
    return STOPPED


def _end() -> None:
    """Keep the exit code: ``python -m`` ends by SIGINT if an interrupt ever left code made from text, as dataclasses are, though caught."""
    if _stopped:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(STOPPED)


if is_command():
    _handle(_leave)
    # What is registered first is called last.
    atexit.register(_end)
