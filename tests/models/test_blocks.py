"""The wiring of single blocks, where the released code's layout is easily got wrong."""

import math

import torch
from torch import nn

from defective import create_model
from defective.models.densenet import DenseLayer
from defective.models.senet import SEBlock


def test_new_features_of_a_dense_layer_go_in_front(generator):
    layer = DenseLayer(6, 2).eval()
    x = torch.rand(2, 6, 4, 4, generator=generator)
    z = layer(x)
    assert torch.equal(z[:, 2:], x)
    assert not torch.equal(z[:, :2], x[:, :2])


def test_a_projection_of_an_se_block_takes_the_activated_input_an_identity_the_raw_one(generator):
    x = torch.rand(2, 4, 8, 8, generator=generator) - 0.5
    for stride in (1, 2):
        block = SEBlock(4, 4, stride).eval()
        nn.init.zeros_(block.conv2.weight)
        activated = block.norm1(x).relu()
        expected = x if stride == 1 else nn.functional.conv2d(activated, block.shortcut.weight, stride=2)
        torch.testing.assert_close(block(x), expected)


def test_convolutions_of_the_wide_net_are_drawn_by_fan_out():
    torch.manual_seed(0)
    net = create_model("wrn32_4")
    for conv in (net.stages["3"][1].conv1, net.stages["2"][0].shortcut.conv, net.stages["3"][4].conv2):
        expected = math.sqrt(2 / (conv.kernel_size[0] ** 2 * conv.out_channels))
        assert abs(float(conv.weight.detach().std()) / expected - 1) < 0.05
