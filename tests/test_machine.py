import pytest
import torch
from torch import nn

from defective.machine import unwrap_model


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(2, 2))


def test_the_net_inside_a_wrapper_is_found(net):
    assert unwrap_model(net) is net
    assert unwrap_model(nn.DataParallel(net)) is net
    assert unwrap_model(torch.compile(nn.DataParallel(net), backend="eager")) is net
