import pytest
import torch
from torch import nn

from defective import machine
from defective.machine import memory_format, resolve_precision, shortest, unwrap_model


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(2, 2))


def test_the_net_inside_a_wrapper_is_found(model):
    assert unwrap_model(model) is model
    assert unwrap_model(nn.DataParallel(model)) is model
    assert unwrap_model(torch.compile(nn.DataParallel(model), backend="eager")) is model
    # The name of a part makes no wrapper.
    assert unwrap_model(whole := nn.ModuleDict({"module": model})) is whole


@pytest.mark.parametrize(
    ("flags", "chosen"), [("avx2 avx512_bf16", "bf16"), ("amx_bf16", "bf16"), ("avx512f", "fp32"), ("", "fp32")]
)
def test_a_cpu_computes_in_bf16_if_it_multiplies_so(monkeypatch, flags, chosen):
    monkeypatch.setattr(machine, "_cpu_info", lambda key: flags)
    assert resolve_precision(torch.device("cpu")) == chosen
    assert [resolve_precision(torch.device("cpu"), each) for each in ("fp32", "bf16")] == ["fp32", "bf16"]


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
