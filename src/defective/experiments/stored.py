"""Measurements through a store: stored chunks are read, the others are computed and stored."""

import hashlib
import json
import time
from pathlib import Path

from defective.errors import InputError
from defective.evaluation.measurement import Chunk, Measurement, Tensors, join
from defective.experiments.store import Store
from defective.files import cache_folder, read_tensors, write_tensors
from defective.progress import Progress, check_deadline, progress_bar


class StoredRun:
    """Carries measurements out, as :func:`defective.evaluation.evaluate` and jobs are given it; a killed process resumes.

    Args:
        store: Where chunks lie, in ``chunks``, by the hash of their inputs.
        progress: Shows progress.

    Attributes:
        seconds: What the chunks used so far took to compute, whenever that was, each counted once.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> run = StoredRun(Store(Path(tempfile.mkdtemp())))
        >>> sums = [Measurement("", [Chunk({"sum": 3}, 1, lambda advance, n=n: {"x": torch.tensor([n])})]) for n in (6, 7)]
        >>> [run(each)["x"].item() for each in sums]
        [6, 6]
    """

    def __init__(self, store: Store, progress: Progress = progress_bar) -> None:
        self.store, self.progress = store, progress
        self.seconds = 0.0
        self._counted: set[str] = set()

    @classmethod
    def in_cache(cls) -> "StoredRun":
        """Through the store in the cache folder."""
        return cls(Store(cache_folder() / "store"))

    def __call__(self, measurement: Measurement) -> Tensors:
        """The tensors of a measurement.

        Raises:
            OutOfTime: If a chunk is not stored yet and to be stored, and the deadline has passed.
        """
        parts, end, done = [], 0, 0
        with self.progress(measurement.description, measurement.size, unit=measurement.unit) as advance:

            def count(n: int) -> None:
                nonlocal done
                done += n
                advance(n)

            for chunk in measurement.chunks:
                found = self._read(chunk) if measurement.storable else None
                if found is None:
                    started = time.perf_counter()
                    found = {name: tensor.detach().cpu().contiguous() for name, tensor in chunk.compute(count).items()}
                    self._add(chunk, found, time.perf_counter() - started, measurement.storable)
                parts.append(found)
                end += chunk.size
                # It was stored already, or ended early.
                count(end - done)
        return join(parts)

    def _read(self, chunk: Chunk) -> Tensors | None:
        """The stored tensors; None, if there is time to compute them, where none can be read."""
        key = _key(chunk)
        try:
            tensors, about = read_tensors(self._file(key))
        except InputError:
            # Missing, or corrupted by something else than this library, which writes whole files or none.
            check_deadline()
            return None
        self.seconds += about.get("seconds", 0.0) if key not in self._counted else 0.0
        self._counted.add(key)
        return tensors

    def _add(self, chunk: Chunk, tensors: Tensors, seconds: float, storable: bool) -> None:
        self.seconds += seconds
        if storable:
            key = _key(chunk)
            self._counted.add(key)
            write_tensors(self._file(key), tensors, {**chunk.inputs, "seconds": seconds})

    def _file(self, key: str) -> Path:
        return self.store.folder / "chunks" / key[:2] / f"{key}.safetensors"


def _key(chunk: Chunk) -> str:
    return hashlib.sha256(json.dumps(chunk.inputs, sort_keys=True).encode()).hexdigest()[:32]
