import pytest
import torch
from torch.autograd import forward_ad
from torch.autograd.functional import jacobian

from defective import DefectMask, InputError, sample_mask

# The first use of forward-mode derivatives makes torch compile its own rules by a way it calls outdated.
FORWARD_MODE = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


@pytest.fixture
def mask(generator):
    return sample_mask((3, 5, 4), 0.4, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_equation_5(mask, dtype, generator):
    z = torch.randn(2, 3, 5, 4, generator=generator, dtype=torch.float64).to(dtype)
    out = DefectMask(mask)(z)
    assert out.dtype == dtype
    assert torch.equal(out, z * mask)


def test_dead_neurons_swallow_inf_and_nan(mask):
    z = torch.full((1, 3, 5, 4), float("nan"), dtype=torch.float64)
    z[:, 1] = float("inf")
    z = torch.where(mask, torch.ones_like(z), z).requires_grad_()
    out = DefectMask(mask)(z)
    assert torch.equal(out, mask.double().unsqueeze(0))
    out.backward(torch.full_like(out, float("inf")))
    assert (z.grad[0][~mask] == 0).all()
    assert (z.grad[0][mask] == float("inf")).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.int32])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_result_and_its_gradient_are_those_of_where_to_the_last_bit(mask, dtype, layout, generator):
    z = torch.randn(2, 3, 5, 4, generator=generator)
    z[0, 0], z[0, 1], z[1, 2] = float("nan"), -0.0, -float("inf")
    z = (torch.nan_to_num(z) if dtype == torch.int32 else z).to(dtype).contiguous(memory_format=layout)
    before = z.clone()
    out = DefectMask(mask)(z)
    assert out.dtype == dtype and bits(out) == bits(torch.where(mask, z, 0)) and bits(z) == bits(before)
    if dtype.is_floating_point:
        (gradient,) = torch.autograd.grad(DefectMask(mask)(z.requires_grad_()), z, before)
        assert gradient.dtype == dtype and bits(gradient) == bits(out)


def bits(tensor):
    return tensor.detach().contiguous().numpy().tobytes() if tensor.dtype != torch.bfloat16 else bits(tensor.view(torch.int16))


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
    assert torch.equal(torch.func.jacrev(layer)(z[0, :1]), torch.func.jacfwd(layer)(z[0, :1]))
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(layer(forward_ad.make_dual(z[0], z[1]))).tangent
    assert torch.equal(tangent, z[1] * mask)


def test_the_jacobian_is_the_mask(mask):
    z = torch.randn(1, 3, 5, 4, dtype=torch.float64)
    derivative = jacobian(DefectMask(mask), z).view(60, 60)
    assert torch.equal(derivative, torch.diag(mask.flatten().double()))


def test_training_and_evaluation_agree(mask):
    z = torch.randn(2, 3, 5, 4)
    layer = DefectMask(mask)
    assert torch.equal(layer.train()(z), layer.eval()(z))


def test_the_mask_is_in_the_state_dict_and_is_never_cast(mask):
    layer = DefectMask(mask).half().to(memory_format=torch.channels_last)
    assert list(layer.state_dict()) == ["defect_mask"]
    assert layer.defect_mask.dtype == torch.bool
    assert torch.equal(layer.defect_mask[0], mask)
    assert list(layer.parameters()) == []


def test_another_image_size_is_refused(mask):
    with pytest.raises(InputError, match=r"\(3, 5, 4\).*\(3, 6, 4\)"):
        DefectMask(mask)(torch.zeros(1, 3, 6, 4))


@pytest.mark.parametrize("bad", [torch.ones(3, 5, 4), torch.ones(1, 3, 5, 4, dtype=torch.bool)])
def test_what_is_no_mask_is_refused(bad):
    with pytest.raises(InputError, match="bool"):
        DefectMask(bad)
