import pytest
import torch
from torch import nn

from defective import machine
from defective.machine import bare, compiled

CUDA = torch.device("cuda")


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(2, 2))


@pytest.fixture
def triton(monkeypatch):
    limit = torch._dynamo.config.recompile_limit
    monkeypatch.setattr(machine, "has_triton", lambda: True)
    monkeypatch.setattr(machine.shutil, "which", lambda name: name == "gcc")
    monkeypatch.setattr(machine.Path, "exists", lambda path: path.name == "Python.h")
    yield
    torch._dynamo.config.recompile_limit = limit


@pytest.mark.usefixtures("triton")
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
def test_nets_are_compiled_on_a_gpu_alone(net):
    assert compiled(net, torch.device("cpu")) is net
    assert bare(compiled(net, CUDA)) is net and compiled(net, CUDA) is not net
    assert torch._dynamo.config.recompile_limit >= 256


@pytest.mark.usefixtures("triton")
@pytest.mark.parametrize(("where", "missing"), [("", "has_triton"), ("shutil", "which"), ("Path", "exists")])
def test_nothing_is_compiled_without_what_that_needs(net, where, missing, monkeypatch):
    monkeypatch.setattr(getattr(machine, where) if where else machine, missing, lambda *_: False)
    assert compiled(net, CUDA) is net


def test_the_net_inside_a_wrapper_is_found(net):
    assert bare(net) is net
    assert bare(nn.DataParallel(net)) is net
    assert bare(torch.compile(nn.DataParallel(net), backend="eager")) is net
