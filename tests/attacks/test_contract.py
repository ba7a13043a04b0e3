"""What holds for every attack: shape, dtype, range and budget, a model left as it was, images attacked as if they were alone."""

import pytest
import torch
from torch import nn

from defective import InputError
from defective.baselines import Thermometer
from every_attack import ATTACKS, EPS, RANDOM, UNBOUNDED
from problems import seeded


@pytest.fixture
def x():
    return torch.rand(6, 3, 8, 8, generator=seeded(1), dtype=torch.float64)


@pytest.fixture
def model(request, small_net):
    """``small_net``, for lspga behind a thermometer."""
    if request.node.callspec.params["name"] != "lspga":
        return small_net
    return nn.Sequential(nn.Conv2d(48, 4, 3, padding=1).double(), *small_net[1:]).insert(0, Thermometer(16))


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_shape_dtype_range_and_budget_are_kept(name, dtype, model, x):
    model, x = model.to(dtype), x.to(dtype)
    y = model(x).argmax(1)
    x_adv = ATTACKS[name](model, x, y, seeded(3))
    change = (x_adv.double() - x.double()).abs()
    assert x_adv.shape == x.shape and x_adv.dtype == dtype and not x_adv.requires_grad
    assert x_adv.min() >= 0 and x_adv.max() <= 1 and change.max() > 0
    if name in UNBOUNDED:
        moved = change.flatten(1).amax(1) > 0
        assert (model(x_adv).argmax(1) != y)[moved].all()
    else:
        assert 0.8 * EPS < change.max() <= EPS + (1e-12 if dtype == torch.float64 else 1e-7)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_model_is_left_as_it_was_found(name, model, x):
    y = torch.arange(6) % 5
    model.train()
    norm = next(module for module in model if isinstance(module, nn.BatchNorm2d)).eval()
    first, last = (module for module in model if isinstance(module, nn.Conv2d))
    first.weight.requires_grad_(False)
    last.weight.grad = torch.ones_like(last.weight)
    running = norm.running_mean.clone()
    with torch.no_grad():
        ATTACKS[name](model, x, y, seeded(3))
    assert model.training and not norm.training
    assert not first.weight.requires_grad and first.bias.requires_grad
    assert first.bias.grad is None and (last.weight.grad == 1).all()
    assert torch.equal(norm.running_mean, running)
    assert not any(module._forward_hooks for module in model)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_image_does_not_feel_its_batch(name, model, x):
    y = model(x).argmax(1)
    together = ATTACKS[name](model, x, y, seeded(3))
    generator, sizes = seeded(3), [1, 3, 2]
    parts = [ATTACKS[name](model, a, b, generator) for a, b in zip(x.split(sizes), y.split(sizes), strict=True)]
    torch.testing.assert_close(together, torch.cat(parts), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ATTACKS)
def test_inference_mode_and_the_default_device_change_nothing(name, model, x):
    """Tensors on a default device of ``meta`` would hold no numbers."""
    y = model(x).argmax(1)
    expected = ATTACKS[name](model, x, y, seeded(3))
    with torch.inference_mode():
        assert torch.equal(ATTACKS[name](model, x.clone(), y.clone(), seeded(3)), expected)
    with torch.device("meta"):
        found = ATTACKS[name](model, x, y, seeded(3))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_default_dtype_and_the_type_of_labels_change_nothing(name, model, x):
    y = model(x).argmax(1)
    expected = ATTACKS[name](model, x, y, seeded(3))
    torch.set_default_dtype(torch.float64)
    try:
        found = ATTACKS[name](model, x, y, seeded(3))
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found, expected)
    assert torch.equal(ATTACKS[name](model, x, y.to(torch.uint16), seeded(3)), expected)


@pytest.mark.parametrize("name", RANDOM)
def test_the_draws_belong_to_the_generator(name, model, x):
    y = model(x).argmax(1)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (ATTACKS[name](model, x, y, seeded(seed)) for seed in (5, 5, 6))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(ATTACKS[name](model, x, y, None), one)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_function_in_place_of_a_model_is_refused(name, x):
    with pytest.raises(InputError, match=r"^the model is function, not a torch\.nn\.Module: wrap it in a module with a forward$"):
        ATTACKS[name](lambda images: images.flatten(1), x, torch.arange(6) % 5, seeded(3))


BAD = {
    "0-255 images": (lambda x, y: (x * 255, y), "divide by 255"),
    "uint8 images": (lambda x, y: ((x * 255).byte(), y), "divide by 255"),
    "nan": (lambda x, y: (x * float("nan"), y), "nan"),
    "one image": (lambda x, y: (x[0], y), r"\(3, 8, 8\)"),
    "labels too few": (lambda x, y: (x, y[:3]), r"\(3,\)"),
    "float labels": (lambda x, y: (x, y.double()), "float64"),
    "label too large": (lambda x, y: (x, y + 5), "the model knows 5 classes"),
    "negative label": (lambda x, y: (x, y - 5), "the model knows 5 classes"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", ATTACKS)
def test_bad_images_and_labels_are_refused(name, case, model, x):
    change, said = BAD[case]
    with pytest.raises(InputError, match=said):
        ATTACKS[name](model, *change(x, torch.arange(6) % 5), seeded(3))
