import pytest
import torch
from torch import nn

from defective.machine import unwrap_model


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(2, 2))


def test_the_net_inside_a_wrapper_is_found(model):
    assert unwrap_model(model) is model
    assert unwrap_model(nn.DataParallel(model)) is model
    assert unwrap_model(torch.compile(nn.DataParallel(model), backend="eager")) is model
