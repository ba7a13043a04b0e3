"""The sparse matrix of a convolution against the convolution itself."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from defective import InputError
from defective.sparse import pattern as module
from defective.sparse.layers import LiveConv, LiveProduct
from defective.sparse.pattern import conv_pattern, positions

pairs = st.tuples


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Rows are found a few at a time."""
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)


@st.composite
def convolutions(draw):
    """A convolution, the live neurons before and after it, and a generator."""
    groups = draw(st.integers(1, 3))
    kernel = draw(pairs(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(pairs(st.integers(1, 3), st.integers(1, 2)))
    padding = draw(st.one_of(st.sampled_from(["same", "valid"]), st.integers(0, 3), pairs(st.integers(0, 3), st.integers(0, 2))))
    stride = 1 if padding == "same" else draw(pairs(st.integers(1, 3), st.integers(1, 2)))
    ins, outs = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    size = draw(pairs(st.integers(1, 7), st.integers(1, 7)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    conv = nn.Conv2d(ins, outs, kernel, stride, padding, dilation, groups).double()
    try:
        shape = conv(torch.zeros(1, ins, *size, dtype=torch.float64)).shape[1:]
    except RuntimeError:
        assume(False)
    keep = st.sampled_from([0.0, 0.3, 1.0])
    live_in = torch.rand(ins, *size, generator=generator) < draw(keep)
    live_out = torch.rand(shape, generator=generator) < draw(keep)
    return conv, live_in, live_out, generator


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@given(convolutions())
@settings(max_examples=60, deadline=None)
def test_live_rows_are_those_of_the_dense_convolution(case):
    """The rows, and one product for each live input neuron in the window of a live output neuron."""
    conv, live_in, live_out, generator = case
    x = torch.randn(2, *live_in.shape, generator=generator, dtype=torch.float64)
    rows = x.permute(2, 3, 1, 0).flatten(0, 2)[positions(live_in)]
    layer = LiveConv(conv_pattern(conv, live_in, live_out), conv.weight, conv.bias[positions(live_out) % conv.out_channels])
    dense = conv(torch.where(live_in, x, 0)).detach()
    torch.testing.assert_close(layer(rows), dense.permute(2, 3, 1, 0).flatten(0, 2)[positions(live_out)], rtol=0, atol=1e-12)
    ones = F.conv2d(
        live_in.double()[None], torch.ones_like(conv.weight), None, conv.stride, conv.padding, conv.dilation, conv.groups
    )
    assert len(layer.values) == int(ones[0][live_out].sum())


def test_too_many_products_are_refused(monkeypatch):
    monkeypatch.setattr(torch, "bincount", lambda rows, minlength: torch.full((minlength,), 2**30))
    with pytest.raises(InputError, match=r"2,147,483,648 live products.*restore_"):
        conv_pattern(nn.Conv2d(1, 1, 1), torch.ones(1, 1, 2, dtype=torch.bool), torch.ones(1, 1, 2, dtype=torch.bool))


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
