import copy

import numpy as np
import pytest
import torch
from torch import nn

from defective import Defect, InputError, build, defect_, defects, restore_
from masked_net import X, masked


def test_outputs_of_sites_are_masked_and_nothing_else_changes(small_net):
    plain = copy.deepcopy(small_net)
    found = defect_(small_net, 0.3, sites=["1", "4"], example_inputs=X)
    assert found == defects(small_net)
    assert found[0] == Defect("1", (4, 8, 8), 0.3, "neuron", 77, 256)
    z = plain[0](X)
    z = plain[1](z) * small_net[1].defect_mask
    z = plain[4](plain[3](plain[2](z))) * small_net[4].defect_mask
    assert torch.equal(small_net(X), plain[6](plain[5](z)))


def test_old_keys_stay_and_restore_undoes(small_net):
    before = {key: value.clone() for key, value in small_net.state_dict().items()}
    out = small_net(X)
    masked(small_net)
    assert set(small_net.state_dict()) == set(before) | {"1.defect_mask", "4.defect_mask"}
    restore_(small_net)
    assert defects(small_net) == []
    assert small_net.state_dict().keys() == before.keys()
    assert torch.equal(small_net(X), out)
    masked(small_net)


def test_one_site_is_restored_alone(small_net):
    masked(small_net)
    z = small_net[0](X)
    restore_(small_net[1])
    assert [defect.site for defect in defects(small_net)] == ["4"] and torch.equal(small_net[1](z), small_net[1].module(z))
    restore_(small_net)
    assert type(small_net[1]) is nn.BatchNorm2d


def test_seed_and_site_decide_the_mask(small_net):
    twin, other = copy.deepcopy(small_net), copy.deepcopy(small_net)
    masked(small_net), masked(twin, sites=lambda name, module: name in ("1", "4")), masked(other, seed=1)
    assert torch.equal(small_net[1].defect_mask, twin[1].defect_mask)
    assert not torch.equal(small_net[1].defect_mask, other[1].defect_mask)


def test_masks_made_in_inference_mode_can_be_trained_with(small_net):
    with torch.inference_mode():
        masked(small_net)
    small_net(X).sum().backward()
    assert small_net[0].weight.grad is not None


def test_numbers_of_any_kind_are_the_decimal_they_stand_for(small_net):
    for keep_prob in (np.float32(0.3), torch.tensor(0.3)):
        (first, _) = defect_(small_net, keep_prob, sites=[nn.BatchNorm2d, nn.ReLU], example_inputs=X)[:2]
        assert first.keep_prob == 0.3
        restore_(small_net)


class Random(nn.Module):
    def __init__(self):
        super().__init__()
        self.act, self.calls = nn.ReLU(), 0

    def forward(self, x):
        self.calls += 1
        return self.act(x + torch.rand(()))


def test_wrong_values_are_found_before_the_model_runs_and_no_generator_is_touched():
    model = Random()
    for wrong in ({"keep_prob": 2}, {"keep_prob": 0.5, "pattern": "rows"}, {"keep_prob": 0.5, "sampling": "some"}):
        with pytest.raises(InputError):
            defect_(model, **wrong, sites="act", example_inputs=X.float())
    assert model.calls == 0
    state = torch.get_rng_state()
    defect_(model, 0.5, sites="act", example_inputs=X.float())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_container_may_be_a_site():
    class Dense(nn.ModuleDict):
        def forward(self, x):
            outs = [x]
            for layer in self.values():
                outs.append(layer(torch.cat(outs, 1)))
            return torch.cat(outs, 1)

    model = nn.Sequential(Dense({"a": nn.Conv2d(3, 2, 1), "b": nn.Conv2d(5, 2, 1)}), nn.Sequential(nn.ReLU(), nn.Conv2d(7, 2, 1)))
    found = defect_(model, 0.5, sites=["0", "1"], example_inputs=torch.rand(1, 3, 4, 4))
    assert [defect.shape for defect in found] == [(7, 4, 4), (2, 4, 4)]
    assert (model(torch.rand(1, 3, 4, 4)) == 0).sum() >= 16


def test_code_compiled_for_a_plain_model_is_not_that_of_a_defective_one():
    x = torch.rand(2, 3, 16, 16)
    for name in ("resnet18/0.9-dropblock", "resnet18/0.3-bottom", "resnet18"):
        model = build(name, width_mult=0.0625, image_size=16).train()
        torch.manual_seed(0)
        made = torch.compile(model, backend="eager", dynamic=False)(x)
        torch.manual_seed(0)
        torch.testing.assert_close(made, model(x))


def test_a_copy_is_independent(small_net):
    masked(small_net)
    twin = copy.deepcopy(small_net)
    restore_(small_net)
    assert len(defects(twin)) == 2 and defects(small_net) == []
    twin[4].defect_mask.fill_(False)
    assert torch.equal(twin(X), twin[6].bias.expand(2, 5))
