"""Measurements through a store: stored chunks are read, the others computed and stored."""

import hashlib
import json
import time
from contextlib import suppress

from defective.errors import InputError
from defective.evaluation.measurement import Chunk, Measurement, Tensors, join
from defective.experiments.store import Store
from defective.files import cache_folder, read_tensors, write_tensors
from defective.progress import Advance, check_deadline, progress_bar


class StoredRun:
    """Executes the measurements of :func:`defective.evaluation.evaluate` and of jobs; a killed process resumes.

    Chunks are stored in ``chunks``, by the hash of their inputs. ``seconds`` is the computing time of all chunks used so far, each counted
    once, whenever it was computed.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> run = StoredRun(Store(Path(tempfile.mkdtemp())))
        >>> sums = [Measurement("", [Chunk({"sum": 3}, 1, lambda advance, n=n: {"x": torch.tensor([n])})]) for n in (6, 7)]
        >>> [run(each)["x"].item() for each in sums]
        [6, 6]
    """

    def __init__(self, store: Store) -> None:
        self.store = store
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
        with progress_bar(measurement.description, measurement.size, unit=measurement.unit) as advance:

            def count(n: int) -> None:
                nonlocal done
                done += n
                advance(n)

            for chunk in measurement.chunks:
                parts.append(self._tensors(chunk, count, measurement.storable))
                end += chunk.size
                # It was stored already, or ended early.
                count(end - done)
        return join(parts)

    def _tensors(self, chunk: Chunk, count: Advance, storable: bool) -> Tensors:
        if storable:
            key = hashlib.sha256(json.dumps(chunk.inputs, sort_keys=True).encode()).hexdigest()[:32]
            file = self.store.folder / "chunks" / key[:2] / f"{key}.safetensors"
            # Missing, or written or corrupted by something else than this library, which writes whole files or none.
            with suppress(InputError, KeyError, TypeError, ValueError):
                tensors, about = read_tensors(file)
                self.seconds += float(about["seconds"]) if key not in self._counted else 0.0
                self._counted.add(key)
                return tensors
            check_deadline()
        started = time.perf_counter()
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in chunk.compute(count).items()}
        seconds = time.perf_counter() - started
        self.seconds += seconds
        if storable:
            write_tensors(file, tensors, {**chunk.inputs, "seconds": seconds})
            self._counted.add(key)
        return tensors
