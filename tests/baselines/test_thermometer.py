import pytest
import torch
from torch import nn

from defective import InputError, build, create_model, defect_, defects, list_models
from defective.baselines import Thermometer, drop_, drops, thermometer_

LEVELS = (2, 3, 16, 256)


def reference(x, levels):
    """The definition, entry by entry."""
    rows = []
    for c in range(x.shape[1]):
        level = (x[:, c] * levels).floor().clamp(max=levels - 1)
        rows += [(level >= entry).to(x.dtype) for entry in range(levels)]
    return torch.stack(rows, 1)


@pytest.mark.parametrize("levels", LEVELS)
def test_the_code_is_the_definition(levels, generator):
    x = torch.rand(2, 3, 5, 4, generator=generator, dtype=torch.float64)
    x[0, 0, 0] = torch.tensor([0.0, 1.0, 0.5, 1 / levels])
    code = Thermometer(levels)(x)
    assert code.shape == (2, 3 * levels, 5, 4) and code.dtype == torch.float64
    assert torch.equal(code, reference(x, levels))
    # A rounding error outside [0, 1] makes no other level.
    assert Thermometer(levels).level_of(torch.tensor([[[[-1e-5, 1 + 1e-5]]]])).flatten().tolist() == [0, levels - 1]


@pytest.mark.parametrize("levels", LEVELS)
def test_relaxed_certain_levels_are_the_code(levels, generator):
    code = Thermometer(levels)
    x = torch.rand(2, 3, 5, 4, generator=generator)
    lowest = (code.level_of(x) - 2).clamp_min(0)
    higher = torch.arange(1, 4).view(-1, 1, 1)
    tails = (code.level_of(x)[:, :, None] >= lowest[:, :, None] + higher).float()
    assert torch.equal(code.relaxed(lowest, tails), code(x))
    assert torch.equal(code.relaxed(code.level_of(x), tails[:, :, :0]), code(x))


def test_relaxed_holds_the_chance_of_each_level_or_more_and_has_a_gradient(generator):
    lowest = torch.randint(0, 5, (2, 3, 5, 6), generator=generator)
    p = torch.rand(2, 3, 3, 5, 6, generator=generator, dtype=torch.float64)
    beyond = lowest[:, :, None] + torch.arange(3).view(-1, 1, 1) > 4
    p = p.masked_fill(beyond, 0)
    p = (p / p.sum(2, keepdim=True)).requires_grad_()

    def relaxed(p):
        return Thermometer(5).relaxed(lowest, torch.stack([p[:, :, k:].sum(2) for k in (1, 2)], 2))

    every_level = torch.arange(5).view(-1, 1, 1)
    chance = sum(((lowest + k)[:, :, None] >= every_level) * p[:, :, k, None] for k in range(3))
    torch.testing.assert_close(relaxed(p), chance.flatten(1, 2))
    assert torch.autograd.gradcheck(relaxed, (p,))


def test_under_autocast_the_code_has_its_dtype_and_the_same_bits(generator):
    x = torch.rand(2, 3, 4, 4, generator=generator, requires_grad=True)
    plain = Thermometer(16)(x)
    with torch.autocast("cpu", torch.bfloat16):
        cast = Thermometer(16)(x)
    assert cast.dtype == torch.bfloat16 and torch.equal(cast.float(), plain)
    weights = torch.randint(-4, 5, plain.shape, generator=generator)
    (expected,) = torch.autograd.grad((plain * weights).sum(), x)
    (found,) = torch.autograd.grad((cast * weights.bfloat16()).sum(), x)
    assert found.dtype == torch.float32 and torch.equal(found, expected)


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_backward_is_that_of_the_smooth_stand_in(levels, layout, generator):
    x = torch.rand(2, 3, 5, 4, generator=generator, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(2, 3 * levels, 5, 4, generator=generator, dtype=torch.float64)
    soft = (x.unsqueeze(2) - torch.arange(levels).view(-1, 1, 1) / levels).clamp(0, 1).flatten(1, 2)
    (expected,) = torch.autograd.grad((soft * weight).sum(), x)
    (found,) = torch.autograd.grad((Thermometer(levels)(x) * weight).sum(), x)
    torch.testing.assert_close(found, expected)
    (ones,) = torch.autograd.grad(Thermometer(levels)(x).sum(), x)
    assert torch.equal(ones, (x * levels).ceil())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_it_compiles(generator):
    torch.manual_seed(0)
    model = nn.Sequential(Thermometer(4), nn.Conv2d(12, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = torch.rand(4, 3, 8, 8, generator=generator).requires_grad_()
    gradients = [torch.autograd.grad(each(x)[:, 0].sum(), x)[0] for each in (model, torch.compile(model, backend="aot_eager"))]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("chans", [1, 3])
def test_every_built_in_model_takes_it(name, chans):
    torch.manual_seed(0)
    model = create_model(name, in_chans=chans, image_size=28, width_mult=0.0625)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    thermometer_(model, 16)
    after = model.state_dict()
    changed = [key for key in after if after[key].shape != before[key].shape]
    assert len(changed) == 1 and changed[0].endswith((".conv.weight", "conv1.weight"))
    assert after[changed[0]].shape[1] == 16 * chans
    assert set(before) - set(after) == {"normalize.mean", "normalize.std"}
    rest = set(after) - {changed[0], changed[0].replace("weight", "bias")}
    assert all(torch.equal(after[key], before[key]) for key in rest)
    # The default of a convolution: uniform within one over the square root of what an output reads.
    bound = (16 * chans * 9) ** -0.5
    assert 0.5 * bound < after[changed[0]].abs().max() <= bound
    assert model.architecture.image_shape == (chans, 28, 28) and model.architecture.thermometer == 16
    x = torch.rand(2, chans, 28, 28, requires_grad=True)
    model(x).sum().backward()
    assert (x.grad != 0).any() and all(parameter.grad is not None for parameter in model.parameters())


def test_masks_and_drops_on_the_first_convolution_stay():
    model = create_model("densenet121", width_mult=0.125)
    defect_(model, 0.5, blocks=[0], placement="text")
    drop_(model, 0.9, kind="dropout", sites=["stem.conv"])
    mask = model.stem.conv.defect_mask
    thermometer_(model, 8)
    assert model.stem.conv.defect_mask is mask and len(defects(model)) == len(drops(model)) == 1
    assert (model.stem(model.normalize(torch.rand(1, 3, 32, 32)))[~mask] == 0).all()


def test_a_changed_model_loses_its_spec():
    model = build("vgg19", width_mult=0.0625)
    thermometer_(model, 4)
    assert model.spec is None


REFUSALS = {
    "no built-in model": (lambda: thermometer_(nn.Conv2d(3, 2, 1), 16), "put the code in front by hand"),
    "ensemble": (lambda: thermometer_(build("vgg19/en", width_mult=0.0625), 16), "Ensemble is not a built-in model"),
    "twice": (lambda: thermometer_(build("vgg19/therm4", width_mult=0.0625), 8), "thermometer of 4 levels already"),
    "one level": (lambda: thermometer_(create_model("vgg19", width_mult=0.0625), 1), "1 levels"),
    "too many": (lambda: Thermometer(257), "257"),
    "levels as text": (lambda: Thermometer("16"), "'16' levels"),
    "half a level": (lambda: Thermometer(2.5), "2.5"),
    "no batch": (lambda: Thermometer(4)(torch.rand(3, 8, 8)), r"\(3, 8, 8\)"),
    "uint8": (lambda: Thermometer(4)(torch.zeros(1, 3, 8, 8, dtype=torch.uint8)), "uint8"),
    "tails of other pixels": (
        lambda: Thermometer(4).relaxed(torch.zeros(1, 3, 2, 2, dtype=torch.long), torch.rand(1, 3, 5, 2, 3)),
        r"\(N, C, K, H, W\)",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case):
    act, said = REFUSALS[case]
    with pytest.raises(InputError, match=said) as caught:
        act()
    assert "\n" not in str(caught.value)
