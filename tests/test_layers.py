import pytest
import torch
from torch.autograd import forward_ad

from defective import DefectMask, InputError, sample_mask
from defective.layers import pattern_of
from defective.masks import MaskDraw

# The first use of forward-mode derivatives makes torch compile its own rules by a way it calls outdated.
FORWARD_MODE = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


@pytest.fixture
def mask(generator):
    return sample_mask((3, 5, 4), 0.4, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.int32])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_result_and_its_gradient_are_those_of_where(mask, dtype, layout, generator):
    z = (8 * torch.randn(2, 3, 5, 4, generator=generator)).to(dtype).contiguous(memory_format=layout)
    before = z.clone()
    out = DefectMask(mask)(z)
    assert out.dtype == dtype and torch.equal(out, torch.where(mask, z, 0)) and torch.equal(z, before)
    if dtype.is_floating_point:
        (gradient,) = torch.autograd.grad(DefectMask(mask)(z.requires_grad_()), z, before)
        assert gradient.dtype == dtype and torch.equal(gradient, out)


def test_a_finite_gradient_never_passes_a_masked_neuron_and_inf_becomes_nan(mask):
    z = torch.full((1, 3, 5, 4), float("inf"), dtype=torch.float64, requires_grad=True)
    out = DefectMask(mask)(z)
    assert (out[0][mask] == float("inf")).all() and out[0][~mask].isnan().all()
    out.backward(torch.ones_like(out))
    assert torch.equal(z.grad[0], mask.double())


def test_a_mask_leaves_the_meta_device_with_its_values():
    draw = MaskDraw("site", 0.4)
    layer = DefectMask(draw.sample((3, 5, 4)), draw=draw).to("meta").to_empty(device="cpu")
    assert torch.equal(layer.defect_mask[0], draw.sample((3, 5, 4)))
    with pytest.raises(InputError, match=r"meta.*attach_masks_"):
        DefectMask(draw.sample((3, 5, 4))).to("meta").to_empty(device="cpu")


@pytest.mark.parametrize("pattern", ["neuron", "channel", "shared"])
def test_the_pattern_of_a_mask_is_read_off_its_bits(pattern, generator):
    assert pattern_of(sample_mask((6, 5, 4), 0.5, pattern=pattern, generator=generator)) == pattern
    assert pattern_of(torch.ones(6, 5, 4, dtype=torch.bool)) == "neuron"


@FORWARD_MODE
def test_derivatives_of_higher_order(mask):
    layer = DefectMask(mask)
    z = torch.randn(1, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda z: layer(z.sin()).pow(3), z)
    assert torch.autograd.gradcheck(lambda z: layer(z).pow(2), z, check_forward_ad=True, check_batched_grad=True)


@FORWARD_MODE
def test_transformed_functions(mask):
    layer = DefectMask(mask)
    z = torch.randn(4, 2, 3, 5, 4, dtype=torch.float64)
    assert torch.equal(torch.vmap(layer)(z), z * mask)
    assert torch.equal(torch.func.grad(lambda z: layer(z).sum())(z[0]), mask.double().expand_as(z[0]))
    for jacobian in (torch.func.jacrev, torch.func.jacfwd):
        assert torch.equal(jacobian(layer)(z[0, :1]).view(60, 60), torch.diag(mask.flatten().double()))
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(layer(forward_ad.make_dual(z[0], z[1]))).tangent
    assert torch.equal(tangent, z[1] * mask)


def test_the_mask_is_in_the_state_dict_and_is_never_cast(mask):
    layer = DefectMask(mask).half().to(memory_format=torch.channels_last)
    assert list(layer.state_dict()) == ["defect_mask"]
    assert layer.defect_mask.dtype == torch.bool
    assert torch.equal(layer.defect_mask[0], mask)
    assert list(layer.parameters()) == []


@pytest.mark.parametrize("bad", [torch.ones(3, 5, 4), torch.ones(1, 3, 5, 4, dtype=torch.bool)])
def test_what_is_no_mask_is_refused(bad):
    with pytest.raises(InputError, match="bool"):
        DefectMask(bad)


@pytest.mark.parametrize("shape", [(1, 3, 6, 4), (2, 3, 1, 1), (3, 5, 4)])
def test_feature_maps_of_another_size_are_refused_and_never_broadcast(mask, shape):
    with pytest.raises(InputError, match=r"\(3, 5, 4\).*resize"):
        DefectMask(mask)(torch.zeros(shape))


def test_layers_of_one_mask_share_no_memory(mask):
    layers = torch.nn.ModuleList([DefectMask(mask), DefectMask(mask), DefectMask(mask[:1].expand(3, 5, 4))])
    state = {name: torch.full_like(each, name.startswith("1")) for name, each in layers.state_dict().items()}
    before = mask.clone()
    layers.load_state_dict(state)
    assert [int(layer.defect_mask.sum()) for layer in layers] == [0, 60, 0] and torch.equal(mask, before)


def test_a_cast_of_every_buffer_leaves_the_mask_bool(mask):
    assert DefectMask(mask).type(torch.float64).defect_mask.dtype == torch.bool
