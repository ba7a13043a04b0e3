"""A measurement as a value: its inputs, and a pure function that computes it chunk by chunk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from defective.progress import Progress, silent

Tensors = dict[str, Tensor]
Advance = Callable[[int], object]


@dataclass(frozen=True)
class Chunk:
    """Part of a measurement that is computed as one unit.

    ``inputs`` are plain values of everything that the result depends on: equal inputs, equal result. ``compute`` reports its progress,
    ``size`` in all, to the callable that it is given.
    """

    inputs: Mapping[str, Any]
    size: int
    compute: Callable[[Advance], Tensors]


@dataclass(frozen=True)
class Measurement:
    """Something to measure, in chunks whose tensors are joined along their first axis.

    Without a ``description`` it has no progress bar; ``unit`` is what the bar counts. It is ``storable`` if equal inputs are sure to
    give an equal result, so that a stored one may be used.
    """

    description: str
    chunks: Sequence[Chunk]
    unit: str = "images"
    storable: bool = True

    @property
    def size(self) -> int:
        """Sum over the chunks."""
        return sum(chunk.size for chunk in self.chunks)


# Executes a measurement: the default computes it, another may read a store first.
Run = Callable[[Measurement], Tensors]


def compute(measurement: Measurement, progress: Progress = silent) -> Tensors:
    """Execute a measurement in memory.

    Example:
        >>> halves = [Chunk({"of": n}, 1, lambda advance, n=n: {"x": torch.tensor([n])}) for n in (1, 2)]
        >>> compute(Measurement("numbers", halves))
        {'x': tensor([1, 2])}
    """
    with progress(measurement.description, measurement.size, unit=measurement.unit) as advance:
        return join([chunk.compute(advance) for chunk in measurement.chunks])


def join(parts: Sequence[Tensors]) -> Tensors:
    """Tensors of several chunks, joined along their first axis."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]} if parts else {}
