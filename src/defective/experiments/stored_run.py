"""Measurements through a store: stored chunks are read, the others computed and stored."""

import hashlib
import json
import time
from contextlib import suppress
from pathlib import Path

from defective.errors import InputError
from defective.evaluation.measurement import Chunk, Measurement, Tensors, join
from defective.experiments.store import Store
from defective.files import cache_folder, read_tensors, write_tensors
from defective.progress import check_deadline, progress_bar


class StoredRun:
    """Executes the measurements of :func:`defective.evaluation.evaluate` and of jobs; a killed process resumes.

    Chunks are stored in ``chunks`` of the store, by the hash of their inputs; those of a job in ``unfinished``, a folder that is deleted
    when the job is finished. Predictions on the test set, which many jobs share, belong to no job. ``seconds`` is the computing time of all
    chunks used so far, each counted once, whenever it was computed.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> run = StoredRun(Store(Path(tempfile.mkdtemp())))
        >>> sums = [Measurement("", [Chunk({"sum": 3}, 1, lambda advance, n=n: {"x": torch.tensor([n])})]) for n in (6, 7)]
        >>> [run(each)["x"].item() for each in sums]
        [6, 6]
    """

    def __init__(self, store: Store) -> None:
        self.chunks = store.folder / "chunks"
        self.unfinished: Path | None = None
        self.seconds = 0.0
        self._counted: set[Path] = set()

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
                file = self._file(chunk) if measurement.storable else None
                tensors = self._read(file) if file else None
                if tensors is None:
                    started = time.perf_counter()
                    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in chunk.compute(count).items()}
                    self._write(file, chunk, tensors, time.perf_counter() - started)
                parts.append(tensors)
                end += chunk.size
                # It was stored already, or ended early.
                count(end - done)
        return join(parts)

    def _file(self, chunk: Chunk) -> Path:
        key = hashlib.sha256(json.dumps(chunk.inputs, sort_keys=True).encode()).hexdigest()[:32]
        place = self.chunks if self.unfinished is None or chunk.inputs["measurement"] == "predict" else self.unfinished
        return place / key[:2] / f"{key}.safetensors"

    def _read(self, file: Path) -> Tensors | None:
        # Missing, or written or corrupted by something else than this library, which writes whole files or none.
        with suppress(InputError, KeyError, TypeError, ValueError):
            tensors, about = read_tensors(file)
            self.seconds += float(about["seconds"]) if file not in self._counted else 0.0
            self._counted.add(file)
            return tensors
        check_deadline()
        return None

    def _write(self, file: Path | None, chunk: Chunk, tensors: Tensors, seconds: float) -> None:
        self.seconds += seconds
        if file is not None:
            write_tensors(file, tensors, {**chunk.inputs, "seconds": seconds})
            self._counted.add(file)
