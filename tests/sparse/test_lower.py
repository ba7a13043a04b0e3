"""Batch norm folded into convolutions, live or dense, and left alone where it may not be."""

import pytest
import torch
from torch import nn

from defective import InputError
from defective.baselines import drop_
from defective.sparse import layer_times, sparsify
from defective.sparse.layers import LiveConv, Scale
from hand_nets import Net, conv, images, mask, sparsified, trained

X = images()


def kinds(fast):
    return [type(module) for module in fast.body.children()]


def block(keep_prob, bias, **options):
    """Convolution, norm, mask, twice."""
    return nn.Sequential(
        conv(bias=bias),
        nn.BatchNorm2d(8, **options),
        mask(keep_prob),
        conv(8, 8, bias=bias, groups=2),
        nn.BatchNorm2d(8, **options),
        mask(keep_prob, seed=1),
    )


@pytest.mark.parametrize("keep_prob", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_norms_are_folded(keep_prob, bias, affine):
    model = trained(block(keep_prob, bias, affine=affine, eps=0.1))
    fast = sparsified(model, X)
    assert kinds(fast).count(nn.Conv2d if keep_prob == 1 else LiveConv) == 2
    assert not {nn.BatchNorm2d, Scale} & {*kinds(fast)}


def test_norms_that_were_synchronised_in_training_are_folded():
    model = nn.SyncBatchNorm.convert_sync_batchnorm(trained(block(0.1, True)))
    fast = sparsified(model, X)
    assert kinds(fast).count(LiveConv) == 2 and nn.SyncBatchNorm not in kinds(fast)


@pytest.mark.parametrize("keep_prob", [0.1, 1.0])
def test_a_norm_without_running_statistics_is_left_alone(keep_prob):
    model = trained(block(keep_prob, True, track_running_stats=False))
    fast = sparsified(model, X)
    assert kinds(fast).count(nn.BatchNorm2d) == 2
    # It looks at the whole batch, which may not fall into parts.
    assert fast.images_at_once == 1 << 22


@pytest.mark.parametrize("keep_prob", [0.1, 1.0])
def test_a_convolution_read_twice_is_not_folded(monkeypatch, keep_prob):
    monkeypatch.setattr(layer_times, "CONVERSION", 0.0)
    layers = {"a": conv(), "n": nn.BatchNorm2d(8), "m": mask(keep_prob), "k": mask(keep_prob)}
    model = trained(Net(lambda model, x: model.m(model.n(z := model.a(x))) + model.k(z), **layers))
    fast = sparsified(model, X)
    assert (nn.BatchNorm2d if keep_prob == 1 else Scale) in kinds(fast)


@pytest.mark.parametrize("site", ["0", "1"])
def test_dropout_baselines_do_not_stand_in_the_way(site):
    model = trained(block(0.1, True))
    drop_(model, 0.9, kind="dropblock", sites=[site])
    fast = sparsified(model, X)
    assert kinds(fast).count(LiveConv) == 2 and nn.BatchNorm2d not in kinds(fast)


def test_a_norm_that_shifts_dead_neurons_is_dense():
    model = trained(nn.Sequential(conv(), mask(), nn.BatchNorm2d(8), nn.ReLU(), conv(8, 8), mask(seed=1)))
    fast = sparsified(model, X)
    assert nn.BatchNorm2d in kinds(fast)


def test_one_convolution_with_a_norm_of_its_own_at_each_call():
    norms = {"n": nn.BatchNorm2d(8), "o": nn.BatchNorm2d(8, affine=False)}
    layers = {"a": conv(), "b": conv(8, 8), "m": mask(), "k": mask(seed=1), **norms}
    model = trained(Net(lambda model, x: model.m(model.n(model.b(model.k(model.o(model.b(model.a(x))))))), **layers))
    sparsified(model, X)


@pytest.mark.parametrize("value", [1e300, float("inf"), float("nan")])
def test_weights_of_dead_neurons_are_of_no_account_where_they_are_finite(value):
    """The dense model multiplies what a dead neuron holds by 0."""
    model = trained(nn.Sequential(conv(bias=False), mask(0.3), nn.ReLU(), conv(8, 8), mask(0.3, seed=1)))
    with torch.no_grad():
        model[1].defect_mask[:, 2] = False
        model[0].weight[2] = value
    if value == 1e300:
        sparsified(model, X)
    else:
        with pytest.raises(InputError, match="returned nan or inf for example_inputs"):
            sparsify(model, X)
