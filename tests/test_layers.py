import pytest
import torch
from torch.autograd.functional import jacobian

from defective import DefectMask, InputError, sample_mask


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
