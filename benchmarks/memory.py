"""What masks add to the memory of a training step and of an attack's step."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from benchmarks.nets import batch, fresh
from benchmarks.paired import ratios
from benchmarks.settings import Found, Settings, absent, measured, wrong
from benchmarks.step import BATCH, DEFECTIVE, PLAIN, step
from defective.attacks import fgsm
from defective.build import build

KINDS = ("training", "attack")
ROOT = Path(__file__).parents[1]
# Where Linux lets a process forget the most memory it has had.
PEAK = Path("/proc/self/clear_refs")


def measure(settings: Settings) -> Found:
    """Row ``memory``."""
    count = settings.amount(BATCH, 8)
    x, y = batch(settings, count)
    saved = {name: saved_bytes(fresh(net, settings, x), x, y) for name, net in (("ours", DEFECTIVE), ("theirs", PLAIN))}
    check = "the same step twice keeps the same bytes"
    if saved["ours"] != saved_bytes(fresh(DEFECTIVE, settings, x), x, y):
        return {"lines": dict.fromkeys(("saved", *KINDS), wrong(check))}
    lines = {"saved": measured(check, ratios([saved["ours"]], [saved["theirs"]]), bytes=saved)}
    for kind in KINDS:
        if settings.device.type == "cpu" and not os.access(PEAK, os.W_OK):
            lines[kind] = absent(f"{PEAK} cannot be written here")
            continue
        peaks: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(settings.repeats):
            for who, net in (("ours", DEFECTIVE), ("theirs", PLAIN)):
                peaks[who].append(_peak_in_a_process(net, kind, settings.width, count, str(settings.device)))
        note = "net and step, above what the process held before"
        lines[kind] = measured(check, ratios(peaks["ours"], peaks["theirs"]), bytes=peaks, note=note)
    return {"lines": lines, "images": count}


def saved_bytes(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Bytes of all tensors that a training step keeps for its backward pass, each memory once, weights and images left out."""
    act = step(net, x, y, "fp32", eager=True)
    own = {tensor.untyped_storage().data_ptr() for tensor in (*net.parameters(), x, y)}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        act()
    return float(sum(kept.values()))


def _peak_in_a_process(net: str, kind: str, width: float, count: int, device: str) -> float:
    command = [sys.executable, "-m", "benchmarks.memory", net, kind, str(width), str(count), device]
    # Blocks above a small size go back to the system at once; else the peak depends on what the allocator happens to keep.
    frugal = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=frugal, cwd=ROOT)
    return float(json.loads(done.stdout)["bytes"])


def peak(net: str, kind: str, width: float, count: int, device: str) -> float:
    """Most bytes that a net and a step of it take at one time; to be asked for in a fresh process."""
    place = torch.device(device)
    for each in (PLAIN, DEFECTIVE):
        # What torch loads when it is first needed is no part of either net.
        _steps(each, 0.0625, 2, kind, place)
    gc.collect()
    before = _in_use(place)
    _steps(net, width, count, kind, place)
    return _most_in_use(place) - before


def _steps(net: str, width: float, count: int, kind: str, place: torch.device) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(count, 3, 32, 32, generator=generator).to(place), (torch.arange(count) % 10).to(place)
    model = build(net, width_mult=width).to(place)
    act = step(model, x, y, "fp32", eager=True) if kind == "training" else lambda: fgsm(model, x, y, eps=16 / 255)
    for _ in range(2):
        act()


def _in_use(place: torch.device) -> float:
    """Bytes in use now; the count of the most in use begins anew."""
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
        return float(torch.cuda.memory_allocated(place))
    # 5 sets the highest resident size back to the present one.
    PEAK.write_text("5")
    return _status("VmRSS")


def _most_in_use(place: torch.device) -> float:
    # Not the resource module's number: it counts what the parent of this process had.
    return float(torch.cuda.max_memory_allocated(place)) if place.type == "cuda" else _status("VmHWM")


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith(key))


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"bytes": peak(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), sys.argv[5])}))
