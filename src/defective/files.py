"""Write a file whole or not at all."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write(temporary)`` and move the result to ``path``; after a crash or a full disk ``path`` is as it was.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "a.txt"
        >>> write_whole(target, lambda temporary: temporary.write_text("done"))
        >>> target.read_text()
        'done'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Where downloads and decoded images are kept: ``$DEFECTIVE_CACHE``, or ``defective`` in the user's cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("DEFECTIVE_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("defective")
