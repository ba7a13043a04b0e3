"""Devices, precision and a description of this machine."""

import ctypes
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from defective._version import __version__
from defective.errors import InputError
from defective.files import cache_folder, write_text
from defective.text import choices

Precision = Literal["auto", "fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
# Messages of the CPU allocator of torch and of its libraries, whose errors have no class of their own.
_CPU_MEMORY = (
    "not enough memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "out of memory",
    "bad_alloc",
    "can't start new thread",
    # A library that is loaded late, such as Pillow's; torch itself was there.
    "failed to map segment from shared object",
)


def choose_device(name: str | None = None) -> torch.device:
    """The named device, or the accelerator if there is one, else the CPU.

    Raises:
        InputError: If there is no such device here.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        device = None
    if device is None or device.type == "meta":
        known = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        raise InputError(f"no device {name!r} here; there is {', '.join(kind for kind, here in known.items() if here)}")
    return device


def resolve_precision(device: torch.device, precision: str = "auto") -> str:
    """``"bf16"`` where the hardware multiplies bfloat16 (AMX, AVX512-bf16, recent GPUs), else ``"fp32"``, unless told.

    A CPU must also be faster in it: see :func:`_faster_in_bf16`.
    """
    if precision not in PRECISIONS:
        raise InputError(f"no precision {precision!r}{choices(precision, PRECISIONS)}")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    flags = {*_cpu_info("flags").split()}
    able = device.type == "cpu" and bool(flags & {"amx_bf16", "avx512_bf16"})
    return "bf16" if able and _faster_in_bf16(_cpu_info("model name"), " ".join(sorted(flags)), torch.__version__) else "fp32"


@cache
def _faster_in_bf16(*processor: str) -> bool:
    """Whether a convolution is trained faster in bfloat16 here.

    Timed once for each processor and version of torch, and kept in the cache folder: with timings of every command, of a machine that
    is busy now and then, the numbers of a run would change.
    """
    file = cache_folder() / "precision" / f"{hashlib.sha256(repr(processor).encode()).hexdigest()[:16]}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(file.read_text("utf-8"))
        return float(kept["bf16"]) < float(kept["fp32"])
    conv: nn.Conv2d = nn.Conv2d(64, 64, 3, padding=1)
    conv = conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.ones(32, 64, 16, 16).contiguous(memory_format=torch.channels_last)

    def train(precision: str) -> None:
        with torch.enable_grad(), autocast(x.device, precision):
            conv(x).sum().backward()

    fp32, bf16 = shortest([partial(train, "fp32"), partial(train, "bf16")], repeats=10)
    with suppress(OSError):
        write_text(file, json.dumps({"fp32": fp32, "bf16": bf16}))
    return bf16 < fp32


def memory_format(model: nn.Module, device: torch.device) -> torch.memory_format:
    """Channels last, which convolutions are fastest in, but for models that a CPU cannot train so.

    The weight gradient of a 1 x 1 convolution with a stride and few input channels writes outside its memory there, and ends the
    process or is wrong, on processors without AVX512 (oneDNN 3.12, https://github.com/uxlfoundation/oneDNN/issues/6035).
    """
    strided = (
        each for each in model.modules() if isinstance(each, nn.Conv2d) and each.kernel_size == (1, 1) and each.stride != (1, 1)
    )
    if device.type == "cpu" and any(each.in_channels // each.groups < 16 for each in strided):
        return torch.contiguous_format
    return torch.channels_last


def shortest(works: Sequence[Callable[[], object]], repeats: int = 3) -> list[float]:
    """The shortest of several times of each, in seconds, after one that is not counted.

    They are run in turn, so that what else the machine does meets all of them; it can only lengthen a time.
    """
    found: list[list[float]] = [[] for _ in works]
    for _ in range(1 + repeats):
        for work, seconds in zip(works, found, strict=True):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
    return [min(seconds[1:]) for seconds in found]


def inference_precision(device: torch.device) -> str:
    """Precision of products in a float32 model: ``"tf32"`` where convolutions on a GPU may round to it, else ``"fp32"``."""
    return "tf32" if device.type == "cuda" and torch.backends.cudnn.allow_tf32 else "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Autocast to bfloat16 if ``precision`` says so; weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, that of its threads, a device's, or torch's allocator's on the CPU.

    Example:
        >>> out_of_memory(MemoryError()), out_of_memory(RuntimeError("shapes differ"))
        (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # oneDNN's whole message; where it lacks an operation, it says of what more.
    ended = str(error) == "could not create a primitive" or any(words in str(error) for words in _CPU_MEMORY)
    return isinstance(error, RuntimeError | ImportError) and ended


def check_model(model: object) -> None:
    """Refuse what is not a module, such as a function."""
    if not isinstance(model, nn.Module):
        raise InputError(f"the model is {type(model).__name__}, not a torch.nn.Module: wrap it in a module with a forward")


def unwrap_model(model: nn.Module) -> nn.Module:
    """The model inside what torch.compile, DataParallel and DDP wrap, in whatever order; what is no module is refused."""
    check_model(model)
    while True:
        inner = model.module if isinstance(model, nn.DataParallel | DistributedDataParallel) else getattr(model, "_orig_mod", model)
        if inner is model:
            return model
        model = inner


def keep_freed_memory() -> None:
    """Let glibc keep large freed blocks for the rest of the process; elsewhere this does nothing.

    Otherwise each large activation is mapped anew, and page faults cost a sixth of a full-width training step in float32.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        # M_MMAP_MAX: map nothing by itself; M_TRIM_THRESHOLD and M_TOP_PAD: give nothing back, and fetch 128 MiB at a time.
        for parameter, value in ((-4, 0), (-1, 2**31 - 1), (-2, 2**27)):
            mallopt(parameter, value)


def describe_machine(device: torch.device, precision: str) -> dict[str, Any]:
    """Device, precision and versions, which are stored with every measured number."""
    name = _cpu_info("model name") or platform.processor() or platform.machine()
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    elif device.type == "cpu":
        threads = torch.get_num_threads()
        # Processors of one name may compute with vectors of different lengths.
        name = f"{name} ({torch.backends.cpu.get_cpu_capability()}), {threads} thread{'s' * (threads != 1)}"
    return {
        "device": name,
        "precision": precision,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "defective": __version__,
    }


def _cpu_info(key: str) -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8", "replace").splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")


def process_uptime() -> float:
    """Seconds since this process began, its imports included; 0 where the system does not say."""
    try:
        ticks = int(Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return 0.0


def rank_and_world_size() -> tuple[int, int]:
    """This process's rank and the number of processes that torchrun started; ``(0, 1)`` without it."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
