"""Finished pieces of an evaluation on disk: what was done once is never done again."""

import hashlib
import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from defective._version import __version__
from defective.errors import InputError, OutOfTime
from defective.files import cache_folder, read_tensors, write_tensors
from defective.progress import time_is_up

Tensors = dict[str, Tensor]


class Work:
    """A folder of pieces, each a few tensors under the hash of the plain values that say what they are.

    Args:
        folder: Where to keep them; None keeps nothing.
        context: What every piece depends on besides the package's code and torch's version, as the kind of device.

    Attributes:
        seconds: What the pieces asked for so far took to make, whenever that was, each of them once.
        expected: Part to the seconds that a first piece of it is thought to take, before one like it was made or read.
        refused: Seconds that the piece is thought to take for which there was no time left; 0 if there was none or it is not known.

    Example:
        >>> import tempfile, torch
        >>> work = Work(Path(tempfile.mkdtemp()))
        >>> made = work.piece({"part": "sum", "of": 3}, lambda: {"sum": torch.tensor(6)})
        >>> work.piece({"part": "sum", "of": 3}, lambda: {"sum": torch.tensor(7)})["sum"]
        tensor(6)
    """

    def __init__(self, folder: Path | None = None, **context: Any) -> None:
        self.folder = folder
        self.context = {"code": _code(), "torch": torch.__version__, **context}
        self.seconds = 0.0
        self.expected: dict[str, float] = {}
        self.refused = 0.0
        self._counted: set[str] = set()
        self._took: dict[tuple[Any, ...], float] = {}

    @classmethod
    def in_cache(cls, device: torch.device) -> "Work":
        """Pieces in the cache folder; those made by other code, another torch or on another kind of device are not used."""
        return cls(cache_folder() / "pieces", device=device.type)

    def piece(self, what: dict[str, Any], make: Callable[[], Tensors]) -> Tensors:
        """The stored tensors of ``what``, or those that ``make`` returns, which are stored.

        Raises:
            OutOfTime: If there are none, they are to be stored, and the deadline has passed or would pass before a piece like it is
                made, as far as that is known or expected.
        """
        about = {**self.context, **what}
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
        like = (what.get("part"), what.get("model"), what.get("attack"))
        file = self.folder / key[:2] / f"{key}.safetensors" if self.folder else None
        if file is not None and file.exists():
            try:
                tensors, known = read_tensors(file)
                self.seconds += 0.0 if key in self._counted else known.get("seconds", 0.0)
                self._counted.add(key)
                self._took.setdefault(like, known.get("seconds", 0.0))
                return tensors
            except InputError:
                # Damaged by something else than us, who write whole or not at all: make it again.
                pass
        if file is not None:
            self._check_deadline(self._took.get(like, self.expected.get(what.get("part", ""), 0.0)))
        started = time.perf_counter()
        made = _plain(make())
        seconds = time.perf_counter() - started
        self.seconds += seconds
        self._took[like] = seconds
        self._counted.add(key)
        if file is not None:
            write_tensors(file, made, {**about, "seconds": seconds})
        return made

    def _check_deadline(self, ahead: float) -> None:
        if time_is_up(ahead):
            self.refused = ahead
            raise OutOfTime


def _plain(made: Tensors) -> Tensors:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in made.items()}


@cache
def _code() -> str:
    """The version and a hash of the package's source."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:16]}"
