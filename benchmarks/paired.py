"""Time contestants in turn, so that a machine whose speed drifts is as slow for one as for the other."""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import torch

Clock = Callable[[], float]
Seconds = dict[str, list[float]]


def in_turn(
    contestants: Mapping[str, Callable[[], object]],
    repeats: int,
    *,
    warm: bool = True,
    device: torch.device | None = None,
    clock: Clock = time.perf_counter,
) -> Seconds:
    """Seconds that each contestant takes, A B A B ... so many times, after one turn of each that does not count.

    Args:
        contestants: Name to what is to be timed.
        repeats: Turns of each that count.
        warm: Whether to take the turn that does not count; without it the caller has taken one.
        device: Is waited for before the clock is read, if it is a GPU.
        clock: Wall clock in seconds.

    Example:
        >>> ticks = iter([0, 3, 3, 5, 5, 8, 8, 10])
        >>> in_turn({"a": int, "b": int}, 2, clock=lambda: float(next(ticks)))
        {'a': [3.0, 3.0], 'b': [2.0, 2.0]}
    """

    def now() -> float:
        if device is not None and device.type == "cuda":
            torch.cuda.synchronize(device)
        return clock()

    for act in contestants.values() if warm else ():
        act()
    taken: Seconds = {name: [] for name in contestants}
    was_on = gc.isenabled()
    gc.disable()
    gc.collect()
    # What is there already need not be looked through before each turn.
    gc.freeze()
    try:
        for _ in range(repeats):
            for name, act in contestants.items():
                gc.collect()
                started = now()
                act()
                taken[name].append(now() - started)
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()
    return taken


def ratios(upper: Sequence[float], lower: Sequence[float]) -> dict[str, Any]:
    """Quotients pair by pair: their median, the lowest and the highest of them, and all.

    Example:
        >>> ratios([2.0, 9.0, 4.0], [1.0, 3.0, 2.0])
        {'median': 2.0, 'low': 2.0, 'high': 3.0, 'values': [2.0, 3.0, 2.0]}
    """
    values = [a / b for a, b in zip(upper, lower, strict=True)]
    return {"median": median(values), "low": min(values), "high": max(values), "values": values}


def fastest(seconds: Seconds, names: Sequence[str]) -> str:
    """The one of ``names`` with the lowest median.

    Example:
        >>> fastest({"a": [3.0, 1.0, 3.0], "b": [2.0, 2.0, 2.0]}, ["a", "b"])
        'b'
    """
    return min(names, key=lambda name: median(seconds[name]))
