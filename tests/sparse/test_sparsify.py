"""What goes into sparsify stays as it is, and what comes out is a model of its own."""

import copy
import threading

import pytest
import torch
from torch import nn

from defective import InputError, attacks, build, defect_, evaluation, save
from defective.inference import dtype_of
from defective.sparse import SparseNet, lower, sparsify
from hand_nets import Net, assert_same, conv, images, mask, trained
from problems import pickled

X = images()


@pytest.fixture
def model():
    model = trained(
        nn.Sequential(
            conv(), nn.BatchNorm2d(8), nn.ReLU(), conv(8, 8), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 5)
        )
    )
    defect_(model, 0.1, sites=["1", "4"], example_inputs=X)
    return model


def storages(model):
    return {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers()) if tensor.numel()}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_model_is_untouched_and_shares_nothing(model, precision):
    model.train()
    model[5].eval()
    model[3].weight.requires_grad_(False)
    model[4].register_forward_hook(lambda module, args, output: None)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    hooks = [list(module._forward_hooks.items()) for module in model.modules()]
    modes = [module.training for module in model.modules()]
    wanted = [parameter.requires_grad for parameter in model.parameters()]
    state, x = torch.get_rng_state(), X.clone()
    fast = sparsify(model, x, precision=precision)
    fast(x)
    assert torch.equal(x, X) and torch.equal(torch.get_rng_state(), state)
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [list(module._forward_hooks.items()) for module in model.modules()] == hooks
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == wanted
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not storages(model) & storages(fast)


def test_it_is_frozen(model):
    fast = sparsify(model.train(), X)
    assert isinstance(fast, SparseNet)
    assert list(fast.parameters()) == []
    assert not any(module.training for module in fast.modules())
    assert fast.eval() is fast
    with pytest.raises(InputError, match="frozen: train the model it was made from"):
        fast.train()
    with pytest.raises(InputError, match="frozen"):
        nn.Sequential(fast).train()


def reloaded(fast):
    """Another model of the same masks, given the state of this one."""
    other = copy.deepcopy(fast)
    for buffer in other.buffers():
        buffer.zero_()
    assert other.load_state_dict(fast.state_dict()).missing_keys == []
    return other


@pytest.mark.parametrize("how", [copy.deepcopy, pickled, reloaded])
def test_it_survives(how):
    x = images(2, (3, 16, 16))
    fast = sparsify(trained(build("resnet18/0.1-bottom-therm16", width_mult=0.0625, image_size=16)), x)
    other = how(fast)
    assert_same(other, fast, x)
    assert other.choices == fast.choices
    assert not storages(fast) & storages(other)


@pytest.mark.parametrize("around", [lambda model: torch.compile(model, backend="eager"), nn.DataParallel])
def test_what_is_wrapped_by_torch_is_the_model_inside(model, around):
    fast = sparsify(around(model), X)
    assert_same(fast, model, X)
    assert [choice.layer for choice in fast.choices] == ["0", "3"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("wrong", [lambda factor, shift: (factor * 2, shift), lambda factor, shift: (factor, shift + 1)])
def test_a_model_that_is_lowered_wrongly_is_refused(model, monkeypatch, precision, wrong):
    right = lower._affine
    monkeypatch.setattr(lower, "_affine", lambda norm: wrong(*right(norm)))
    with pytest.raises(InputError, match=r"differs from the model: logits by .* use the model itself"):
        sparsify(model, X, precision=precision)


def test_what_is_right_for_the_example_alone_is_refused(model, monkeypatch):
    # As if a layer had been taken for a constant: the example, all pixels alike, shows no difference.
    x = torch.full((1, 3, 8, 8), 0.5, dtype=torch.float64)
    monkeypatch.setattr(SparseNet, "forward", lambda fast, images: model(x).expand(len(images), -1))
    with pytest.raises(InputError, match="differs from the model"):
        sparsify(model, x)


def test_images_are_not_rounded_to_bfloat16():
    # Between 0.75 and 0.7501 there is no number in bfloat16.
    layers = {"a": conv(bias=False), "m": mask(), "h": nn.Linear(8, 4)}
    model = trained(Net(lambda model, x: model.h(model.m(model.a((x - 0.75) * 1e6)).mean((2, 3))), **layers)).float()
    x = torch.full((1, 3, 8, 8), 0.7501)
    fast = sparsify(model, x, precision="bf16")
    assert dtype_of(fast) is None
    torch.testing.assert_close(fast(x), model(x).detach(), rtol=2e-2, atol=2e-2)
    assert not fast(x).allclose(fast(torch.full_like(x, 0.75)), rtol=0, atol=1)
    assert evaluation.accuracy(fast, x, model(x).argmax(1)) == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_logits_have_the_type_of_the_images(model, dtype):
    fast = sparsify(model.to(dtype), X)
    assert fast(X.to(dtype)).dtype == dtype
    assert fast.dtype == torch.promote_types(dtype, torch.float32)


def test_the_default_dtype_changes_nothing(model):
    wanted = sparsify(model.float(), X.float(), timed_images=0)(X.float())
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(sparsify(model, X.float(), timed_images=0)(X.float()), wanted)
        sparsify(model, X.float(), timed_images=2)
    finally:
        torch.set_default_dtype(before)


LAYOUTS = [
    *(images(5)[:count] for count in (0, 1, 5)),
    *(X.transpose(2, 3), X.to(memory_format=torch.channels_last), X.float(), X[:1].expand(2, -1, -1, -1)),
]


@pytest.mark.parametrize("x", LAYOUTS, ids=lambda x: f"{x.dtype} {tuple(x.stride())}")
def test_batches_of_any_size_and_images_of_any_layout(model, x):
    fast = sparsify(model, X)
    fast.images_at_once = 2
    wanted = model(x.double().contiguous()).detach()
    torch.testing.assert_close(fast(x).double(), wanted, rtol=0, atol=1e-5 if x.dtype == torch.float32 else 1e-12)


def test_a_last_image_by_itself_keeps_its_axis():
    model = nn.Sequential(conv(), nn.ReLU(), conv(8, 8), nn.AdaptiveAvgPool2d(1), Squeeze(), nn.Linear(8, 5))
    defect_(trained(model), 0.1, sites=["0", "2"], example_inputs=X)
    fast = sparsify(model, X, timed_images=0)
    fast.images_at_once = 3
    assert_same(fast, model, images(4), 1e-12)


class Squeeze(nn.Module):
    def forward(self, x):
        return x.squeeze()


class Viewed(nn.Module):
    def forward(self, x):
        return x.view(size=(x.size(0), -1))


class Failing(nn.Module):
    def forward(self, x):
        return x.view(dtype=torch.int64).view(dtype=x.dtype)


def test_keywords_of_view_are_kept_and_other_failures_are_reported():
    for last, fails in ((Viewed(), False), (Failing(), True)):
        model = nn.Sequential(conv(), nn.ReLU(), conv(8, 8), last, nn.Flatten(), nn.Linear(512, 5))
        defect_(trained(model), 0.1, sites=["0", "2"], example_inputs=X)
        if not fails:
            assert_same(sparsify(model, X), model, X, 1e-12)
            continue
        with pytest.raises(InputError, match=r"^the sparsified model failed: "):
            sparsify(model, X)


def test_a_model_without_masks_parameters_or_convolutions():
    for model in (nn.Flatten(), nn.Sequential(nn.Flatten(), nn.Linear(192, 4))):
        fast = sparsify(model, X)
        assert fast.choices == []
        assert_same(fast, model, X.float(), 1e-6)


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.* is deprecated:DeprecationWarning")
def test_what_cannot_be_sparsified_or_done_with_the_result_is_refused(model):
    locked = copy.deepcopy(model)
    locked.lock = threading.Lock()
    for args, message in (
        (("resnet18", X), "the model is str, not a torch.nn.Module"),
        ((nn.Sequential(torch.jit.trace(conv().double(), X)), X), "a TorchScript model cannot be sparsified"),
        ((conv().to("meta"), X), "no weights: it is on the meta device"),
        ((model, [1]), "images are list, not a tensor"),
        ((model, X * 2), r"not in \[0, 1\]"),
        ((model, X * float("nan")), "nan"),
        ((model, X[0]), r"not \(N, C, H, W\)"),
        ((model, torch.zeros(0, 3, 8, 8)), "at least one image"),
        ((model, torch.rand(1, 3, 9, 9)), r"mask is for activations \(8, 8, 8\) but got \(8, 9, 9\)"),
        ((model, torch.rand(1, 4, 8, 8)), r"cannot take images of shape \(N, 4, 8, 8\)"),
        ((trained(nn.Sequential(conv(), mask(shape=(8, 4, 4)))), X), r"\(8, 4, 4\).*\(8, 8, 8\)"),
        ((trained(Net(lambda model, x: (model.a(x), x), a=conv())), X), r"returned tuple for \d+ images, not logits"),
        ((trained(Net(lambda model, x: model.a(x).flatten(1).long(), a=conv())), X), "logits are torch.int64"),
        ((locked, X), r"Sequential cannot be copied, and copy.deepcopy\(model\) must work: TypeError: cannot pickle"),
        ((sparsify(model, X), X), "sparsified already"),
    ):
        with pytest.raises(InputError, match=message):
            sparsify(*args)
    with pytest.raises(InputError, match=r"no precision 'fp16'; did you mean bf16\? There are fp32, bf16"):
        sparsify(model, X, precision="fp16")
    fast = sparsify(model, X)
    for shape in ((2, 3, 8, 7), (2, 1, 8, 8), (3, 8, 8)):
        with pytest.raises(InputError, match=r"example_inputs were \(N, 3, 8, 8\)"):
            fast(torch.rand(shape, dtype=torch.float64))
    for change in (nn.Module.half, nn.Module.bfloat16):
        with pytest.raises(InputError, match='precision="bf16"'):
            change(fast)
    with pytest.raises(InputError, match="save the model that it was made from"):
        save(fast, "never.safetensors")


def test_it_can_be_made_and_attacked_inside_inference_mode(model):
    with torch.inference_mode():
        x = images()
        fast = sparsify(model, x)
        y = fast(x).argmax(1)
        x_adv = attacks.fgsm(fast, x, y, eps=0.1)
    assert torch.allclose(x_adv, attacks.fgsm(model, images(), y.clone(), eps=0.1))
