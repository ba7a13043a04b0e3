import importlib
import os
import sys

import pytest
import torch
from torch import nn

from defective import machine, waiting
from defective.machine import memory_format, resolve_precision, shortest, unwrap_model

# Before the tests' own takes its place.
FASTER = machine._faster_in_bf16


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(2, 2))


def test_the_net_inside_a_wrapper_is_found(model):
    assert unwrap_model(model) is model
    assert unwrap_model(nn.DataParallel(model)) is model
    assert unwrap_model(torch.compile(nn.DataParallel(model), backend="eager")) is model
    assert unwrap_model(nn.DataParallel(torch.compile(model, backend="eager"))) is model
    # The name of a part makes no wrapper.
    assert unwrap_model(whole := nn.ModuleDict({"module": model})) is whole


@pytest.fixture
def processor(monkeypatch, cache):
    """Make this machine one with some flags, on which training in float32 and in bfloat16 takes so many seconds."""

    def become(flags, *seconds):
        timed = []
        monkeypatch.setattr(machine, "_cpu_info", lambda key: flags)
        monkeypatch.setattr(
            machine, "shortest", lambda works, repeats: ([work() for work in works] and timed.append(1)) or [*seconds]
        )
        FASTER.cache_clear()
        return timed

    monkeypatch.setattr(machine, "_faster_in_bf16", FASTER)
    yield become
    FASTER.cache_clear()


@pytest.mark.parametrize(
    ("flags", "seconds", "chosen"),
    [
        ("avx2 avx512_bf16", (2.0, 1.0), "bf16"),
        ("amx_bf16", (2.0, 1.0), "bf16"),
        ("amx_bf16", (1.0, 2.0), "fp32"),
        ("avx512f", (2.0, 1.0), "fp32"),
        ("", (2.0, 1.0), "fp32"),
    ],
)
def test_a_cpu_computes_in_bf16_if_it_multiplies_so_and_is_faster(processor, flags, seconds, chosen):
    timed = processor(flags, *seconds)
    assert resolve_precision(torch.device("cpu")) == chosen and len(timed) == ("bf16" in flags)
    assert [resolve_precision(torch.device("cpu"), each) for each in ("fp32", "bf16")] == ["fp32", "bf16"]


def test_a_processor_is_timed_once(processor, cache):
    assert processor("amx_bf16", 2.0, 1.0) == [] and resolve_precision(torch.device("cpu")) == "bf16"
    # Another command, on a busy machine.
    timed = processor("amx_bf16", 1.0, 2.0)
    assert resolve_precision(torch.device("cpu")) == "bf16" and timed == []
    [file] = cache.rglob("*.json")
    file.write_text("{")
    assert resolve_precision(torch.device("cpu")) == "bf16", "known to this process"
    timed = processor("amx_bf16", 1.0, 2.0)
    assert resolve_precision(torch.device("cpu")) == "fp32" and timed == [1]
    assert processor("avx512_bf16", 2.0, 1.0) == [] and resolve_precision(torch.device("cpu")) == "bf16"


def test_works_are_done_in_turn_and_the_shortest_time_counts(monkeypatch):
    ticks = iter([0, 9, 0, 9, 0, 3, 0, 2, 0, 1, 0, 4, 0, 2, 0, 5])
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(ticks))
    done = []
    assert shortest([lambda: done.append("a"), lambda: done.append("b")]) == [1, 2]
    assert done == ["a", "b"] * 4


@pytest.mark.parametrize(
    ("conv", "layout"),
    [
        (nn.Conv2d(4, 8, 1, stride=2), torch.contiguous_format),
        (nn.Conv2d(32, 32, 1, stride=(1, 2), groups=4), torch.contiguous_format),
        (nn.Conv2d(16, 32, 1, stride=2), torch.channels_last),
        (nn.Conv2d(4, 8, 1), torch.channels_last),
        (nn.Conv2d(4, 8, 3, stride=2), torch.channels_last),
    ],
)
def test_channels_come_last_but_where_a_cpu_writes_outside_its_memory(conv, layout):
    model = nn.Sequential(nn.Conv2d(3, conv.in_channels, 3), nn.ReLU(), conv)
    assert memory_format(model, torch.device("cpu")) == layout
    assert memory_format(model, torch.device("cuda")) == torch.channels_last


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("defective", {}, "20000"),
        ("defective", {"GOMP_SPINCOUNT": "7"}, "7"),
        ("defective", {"OMP_WAIT_POLICY": "ACTIVE"}, None),
        ("pytest", {}, None),
    ],
)
def test_threads_of_the_command_wait_less_long_unless_told(name, given, expected, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name])
    for variable in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        # Set first, so that it is put back.
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    importlib.reload(waiting)
    assert os.environ.get("GOMP_SPINCOUNT") == expected
