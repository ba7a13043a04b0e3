"""Layers on live rows against the dense operations they stand for."""

import pytest
import torch
from torch import nn

from defective.sparse.layers import Gather, LiveProduct, Place, Scale, Scatter
from defective.sparse.pattern import conv_pattern, positions


@pytest.mark.parametrize("keep", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("to", ["live", "values", "both"])
def test_derivatives_of_a_product(keep, to):
    generator = torch.Generator().manual_seed(0)
    live_in, live_out = (torch.rand(2, 4, 3, generator=generator) < keep for _ in range(2))
    found = conv_pattern(nn.Conv2d(2, 2, 3, padding=1), live_in, live_out)
    product = LiveProduct(found)
    live = torch.randn(found.columns, 3, generator=generator, dtype=torch.float64, requires_grad=to != "values")
    values = torch.randn(len(found.col), generator=generator, dtype=torch.float64, requires_grad=to != "live")
    assert product(live, values).shape == (int(live_out.sum()), 3)
    if keep:
        assert torch.autograd.gradcheck(product, (live, values))
    else:
        product(live, values).sum().backward()


def test_a_product_is_exact_under_autocast():
    live_in = torch.rand(2, 4, 4) < 0.5
    found = conv_pattern(nn.Conv2d(2, 2, 3, padding=1), live_in, live_in)
    live, values = torch.randn(found.columns, 3, requires_grad=True), torch.randn(len(found.col), requires_grad=True)
    product = LiveProduct(found)
    exact = product(live, values)
    with torch.autocast("cpu", torch.bfloat16):
        again = product(live, values)
        again.sum().backward()
    assert again.dtype == torch.float32
    assert torch.equal(again, exact)
    assert live.grad.dtype == values.grad.dtype == torch.float32


@pytest.mark.parametrize("keep", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gather_and_scatter_keep_the_live_and_zero_the_dead(keep, layout):
    mask = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0)) < keep
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    rows = Gather(positions(mask))(x)
    assert rows.shape == (int(mask.sum()), 2)
    assert torch.equal(rows, x.permute(2, 3, 1, 0)[mask.permute(1, 2, 0)])
    back = Scatter(positions(mask), (3, 4, 5), None)(rows)
    assert torch.equal(back, torch.where(mask, x, 0))
    back.sum().backward()
    assert torch.equal(x.grad, mask.double().expand_as(x))


def test_gather_is_float32_at_least_and_scatter_what_it_is_told():
    rows = torch.arange(4)
    assert Gather(rows)(torch.zeros(1, 1, 2, 2, dtype=torch.bfloat16)).dtype == torch.float32
    assert Gather(rows)(torch.zeros(1, 1, 2, 2, dtype=torch.float64)).dtype == torch.float64
    assert Scatter(rows, (1, 2, 2), torch.bfloat16)(torch.zeros(4, 1)).dtype == torch.bfloat16


@pytest.mark.parametrize("inplace", [False, True])
def test_place_adds_rows_where_they_belong(inplace):
    whole, part = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[10.0], [20.0]])
    place = Place([torch.arange(3), torch.tensor([1])], [torch.arange(3), torch.tensor([2])], 3)
    place.inplace = inplace
    assert place.whole == 0
    assert torch.equal(place(whole, part), torch.tensor([[1.0], [2.0], [23.0]]))
    assert torch.equal(whole[2], torch.tensor([23.0 if inplace else 3.0]))


def test_place_without_a_whole_operand():
    place = Place([torch.tensor([0]), torch.tensor([0, 1])], [torch.tensor([2]), torch.tensor([0, 2])], 4)
    assert place.whole is None
    assert place(torch.tensor([[1.0]]), torch.tensor([[10.0], [20.0]])).flatten().tolist() == [10, 0, 21, 0]


def test_a_permutation_of_all_rows_is_no_whole_operand():
    place = Place([torch.tensor([0, 1])], [torch.tensor([1, 0])], 2)
    assert place(torch.tensor([[1.0], [2.0]])).flatten().tolist() == [2, 1]


def test_scale():
    layer = Scale(torch.tensor([2.0, 3.0]), torch.tensor([1.0, -1.0]))
    assert torch.equal(layer(torch.tensor([[1.0, 2.0], [3.0, 4.0]])), torch.tensor([[3.0, 5.0], [8.0, 11.0]]))
