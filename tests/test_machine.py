import pytest
import torch
from torch import nn

from defective.machine import bare


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(2, 2))


def test_the_net_inside_a_wrapper_is_found(net):
    assert bare(net) is net
    assert bare(nn.DataParallel(net)) is net
    assert bare(torch.compile(nn.DataParallel(net), backend="eager")) is net
