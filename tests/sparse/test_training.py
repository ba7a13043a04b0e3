"""Training through live neurons is training of the dense model whose norms take their statistics over live neurons."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from defective import InputError, build, defect_, defects, save
from defective.attacks import fgsm
from defective.baselines import drop_
from defective.sparse import sparsify, train_live
from defective.sparse.training import LiveNorm
from defective.specs import Recipe
from defective.surgery import mask_layers
from defective.training.loop import fit
from trainings import some_shapes

X = torch.rand(6, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
Y = torch.arange(6)


class MaskedNorm(nn.Module):
    """Batch norm, written out, with statistics over the live neurons of each channel; its mask comes after it."""

    def __init__(self, norm, mask):
        super().__init__()
        self.norm, self.mask = norm, mask

    def forward(self, x):
        if not self.training:
            return torch.where(self.mask, self.norm(x), 0)
        seen = (len(x) * self.mask.sum((0, 2, 3))).double()
        mean = torch.where(self.mask, x, 0).sum((0, 2, 3)) / seen.clamp_min(1)
        centred = x - mean.view(1, -1, 1, 1)
        variance = torch.where(self.mask, centred.square(), 0).sum((0, 2, 3)) / seen.clamp_min(1)
        with torch.no_grad():
            unbiased = variance * seen / (seen - 1).clamp_min(1)
            for running, found in ((self.norm.running_mean, mean), (self.norm.running_var, unbiased)):
                running[seen > 0] += self.norm.momentum * (found - running)[seen > 0]
        normal = centred * (variance + self.norm.eps).rsqrt().view(1, -1, 1, 1)
        return torch.where(self.mask, normal * self.norm.weight.view(1, -1, 1, 1) + self.norm.bias.view(1, -1, 1, 1), 0)


def counting_live(model, live_norms):
    """A copy of the model whose masked norms are written out."""
    dense = copy.deepcopy(model)
    for name in live_norms:
        parent, _, key = name.rpartition(".")
        site = dense.get_submodule(name)
        setattr(dense.get_submodule(parent), key, MaskedNorm(site.module, site.after.mask.defect_mask))
    return dense


def live_norms(model, fast):
    """Names of the masked norms that ``fast`` computes on live rows."""
    trained = {id(module.norm.weight) for module in fast.body.modules() if isinstance(module, LiveNorm)}
    return [site for site in mask_layers(model) if id(model.get_submodule(site).weight) in trained]


@pytest.mark.parametrize("name", ["resnet18/0.2-bottom-sm", "wrn32_4/0.3-bottom", "resnet50/0.1-bottom"])
def test_a_step_is_that_of_the_dense_model_with_statistics_of_live_neurons(name):
    model = build(name, width_mult=0.125).double()
    fast = train_live(model, X.float()).train()
    masked = live_norms(model, fast)
    assert len(masked) > 1
    dense = counting_live(model, masked).train()
    for each in (fast, dense):
        F.cross_entropy(each(X), Y).backward()
    for own, wanted in zip(model.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(own.grad, wanted.grad, rtol=0, atol=1e-9)
    running = [[tensor for key, tensor in each.named_buffers() if "running" in key] for each in (model, dense)]
    for own, wanted in zip(*running, strict=True):
        torch.testing.assert_close(own, wanted, rtol=0, atol=1e-12)
    torch.testing.assert_close(fast(X), dense(X), rtol=0, atol=1e-9)


def test_channels_without_a_live_neuron_keep_their_statistics_and_spoil_nothing():
    model = build("resnet18/0.1-bottom", width_mult=0.125).double()
    model.stem.norm.defect_mask[:, 3] = False
    model.stem.norm.running_mean.fill_(5.0)
    fast = train_live(model, X).train()
    F.cross_entropy(fast(X), Y).backward()
    assert model.stem.norm.running_mean[3] == 5 and (model.stem.norm.running_mean[[0, 1, 2]] != 5).all()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    assert (model.stem.conv.weight.grad[3] == 0).all() and model.stem.norm.weight.grad[3] == 0


def test_in_eval_mode_it_is_the_model_itself_and_its_tensors_are_the_models_own():
    model = build("resnet18/0.1-bottom", width_mult=0.125).double()
    before = {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    fast = train_live(model, X)
    assert {name: tensor.data_ptr() for name, tensor in model.state_dict().items()} == before
    assert {id(p) for p in fast.parameters()} == {id(p) for p in model.parameters()}
    assert any(choice.live for choice in fast.choices)
    fast.train()(X)
    assert torch.equal(fast.eval()(X), model.eval()(X))
    fast.train()
    x_adv = fgsm(fast, X, Y, eps=0.03)
    assert fast.training and fast.body.training
    assert torch.equal(x_adv, fgsm(model, X, Y, eps=0.03))


def test_a_recipe_trains_so_and_the_model_learns():
    model = build("resnet18/0.3-bottom", width_mult=0.125)
    recipe = Recipe(name="test", width_mult=0.125, epochs=6, batch_size=50, lr=0.05, neurons="live")
    history = fit(model, some_shapes(300), recipe, precision="bf16", device="cpu")
    assert history[-1]["train_loss"] < 0.8 * history[0]["train_loss"] and not model.training
    assert len(defects(model)) == 10


def test_a_model_that_would_gain_nothing_and_several_processes_are_refused(monkeypatch):
    recipe = Recipe(name="test", width_mult=0.0625, epochs=1, neurons="live")
    with pytest.raises(InputError, match="no layer of VGG would be faster"):
        fit(build("vgg19", width_mult=0.0625), some_shapes(20), recipe, device="cpu")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="neurons live trains in one process"):
        fit(build("resnet18/0.1-bottom", width_mult=0.0625), some_shapes(20), recipe, device="cpu")


class Scaled(nn.Module):
    """A model whose forward uses a parameter and a buffer of its own."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.full((8, 1, 1), 2.0))
        self.register_buffer("shift", torch.full((8, 1, 1), 0.5))
        self.conv, self.norm, self.next, self.head = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3), nn.Linear(8, 4)

    def forward(self, x):
        z = self.next(F.relu(self.norm(self.conv(x))))
        return self.head((z * self.gain + self.shift).mean((2, 3)))


def test_parameters_that_a_forward_uses_itself_are_trained():
    model = Scaled()
    defect_(model, 0.1, sites=["norm"], example_inputs=torch.zeros(1, 3, 32, 32))
    fast = train_live(model, X.float()).train()
    assert any(choice.live for choice in fast.choices)
    fast(X.float()).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters()) and model.gain.grad.abs().min() > 0


class Overlooked(nn.Module):
    """A sum in place that torch.fx takes for a new name."""

    def forward(self, x):
        z = y = x * 2
        y += x
        return z


def test_what_it_cannot_follow_is_said():
    model, overlooked = Scaled(), Scaled()
    for each in (model, overlooked):
        defect_(each, 0.1, sites=["norm"], example_inputs=torch.zeros(1, 3, 32, 32))
    overlooked.head = Overlooked()
    for wrong, options, message in (
        ((overlooked, X.float()), {}, r"the graph of torch\.fx does not compute what Scaled computes"),
        (("a model", X), {}, "str, not a torch.nn.Module"),
        ((model, [1]), {}, "images are list"),
        ((model, 2 * X), {}, "not in"),
        ((model, X.float()), {"precision": "half"}, "no precision 'half'"),
    ):
        with pytest.raises(InputError, match=message):
            train_live(*wrong, **options)
    fast = train_live(model, X.float()).train()
    with pytest.raises(InputError, match=r"example_inputs were \(N, 3, 32, 32\)"):
        fast(torch.rand(2, 3, 48, 48))
    with pytest.raises(InputError, match="save the model that it was made from"):
        save(fast, "never.safetensors")
    state = copy.deepcopy(model.state_dict())
    model.norm.defect_mask.logical_not_()
    with pytest.raises(InputError, match="other masks than at train_live: call train_live again"):
        fast(X.float())
    model.load_state_dict(state)
    assert torch.equal(fast(X.float()), train_live(model, X.float()).train()(X.float()))
    fast.model.double()
    with pytest.raises(InputError, match="call train_live again"):
        fast(X)


@pytest.mark.parametrize("kind", ["dropout", "dropblock"])
def test_dropout_in_the_model_is_trained_with(kind):
    model = build("resnet18/0.1-bottom", width_mult=0.125)
    drop_(model, 0.5, kind=kind, sites=["stages.1.0.conv1", "stages.4.1.norm2"])
    fast = train_live(model, X.float())
    assert torch.equal(fast.eval()(X.float()), model.eval()(X.float()))
    torch.manual_seed(0)
    first, second = fast.train()(X.float()), fast(X.float())
    assert not torch.allclose(first, second)
    assert any(choice.live for choice in fast.choices)


class TwoReaders(nn.Module):
    """A convolution read by an activation whose mask keeps few neurons or none, and by a sum."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        self.act, self.head = nn.ReLU(), nn.Linear(64, 5)

    def forward(self, x):
        x = self.second(self.first(x))
        return self.head((self.act(x) + x).mean((2, 3)))


class ReadTwice(TwoReaders):
    """A concatenation of the activation with itself."""

    def forward(self, x):
        return self.head(torch.cat([self.act(self.first(x))] * 2, 1).mean((2, 3)))


@pytest.mark.parametrize("keep_prob", [0.0, 0.001, 0.2])
@pytest.mark.parametrize("kind", [TwoReaders, ReadTwice])
def test_rows_of_which_a_reader_needs_few_are_selected(keep_prob, kind):
    model = kind().double()
    x = X[:2, :, ::2, ::2]
    defect_(model, 0.03, sites=["first"], example_inputs=x)
    defect_(model, keep_prob, sites=["act"], example_inputs=x)
    torch.testing.assert_close(train_live(model, x).train()(x), model(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(sparsify(model, x, timed_images=0)(x), model(x), rtol=0, atol=1e-12)


def small():
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.Flatten(), nn.Linear(8192, 5)
    )
    defect_(model.double(), 0.05, sites=["0", "2"], example_inputs=X[..., ::2, ::2])
    return model


CHANGES = {
    "weights assigned": lambda model: model.load_state_dict(copy.deepcopy(model.state_dict()), assign=True),
    "another head": lambda model: setattr(model, "4", nn.Linear(8192, 3)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_that_got_other_weights_is_refused(change):
    model, x = small(), X[..., ::2, ::2]
    fast = train_live(model, x).train()
    fast(x)
    CHANGES[change](model)
    with pytest.raises(InputError, match="moved, cast or changed after train_live"):
        fast(x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_in_half_precision_are_refused(dtype):
    with pytest.raises(InputError, match=f"^weights in {dtype} cannot be trained so"):
        train_live(small().to(dtype), X[..., ::2, ::2])
