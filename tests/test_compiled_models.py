"""Exported, scripted and frozen models: evaluated and attacked as any other, changed not at all."""

import copy
from functools import cache

import pytest
import torch
from torch import nn

from defective import InputError, attach_masks_, attacks, defect_, evaluation, save
from defective.baselines import drop_
from defective.inference import evaluating

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
X, Y = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 0, 1])


@cache
def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(256, 2)).eval()


def exported():
    return torch.export.export(plain(), (X,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)).module()


KINDS = {
    "exported": exported,
    "scripted": lambda: torch.jit.script(plain()),
    "traced": lambda: torch.jit.trace(plain(), X),
    "frozen": lambda: torch.jit.freeze(torch.jit.script(plain())),
}


@cache
def made(kind):
    return KINDS[kind]()


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_they_are_evaluated_and_attacked_and_what_holds_one_keeps_its_modes(kind, inside):
    model = nn.Sequential(nn.Dropout(), made(kind)) if inside else made(kind)
    with evaluating(model):
        assert not inside or not (model.training or model[0].training)
    assert evaluation.accuracy(model, X, Y) == evaluation.accuracy(plain(), X, Y)
    found, expected = (attacks.fgsm(each, X, Y, eps=0.1) for each in (model, plain()))
    assert torch.allclose(found, expected)
    assert not inside or (model.training and model[0].training)


CHANGES = {
    "defect_": lambda model, site: defect_(model, 0.5, sites=[site], example_inputs=X),
    "attach_masks_": lambda model, site: attach_masks_(model, {f"{site}.defect_mask": torch.ones(1, 4, 8, 8, dtype=torch.bool)}),
    "drop_": lambda model, site: drop_(model, 0.5, kind="dropout", sites=[site]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["exported", "scripted", "traced"])
@pytest.mark.parametrize("inside", [False, True])
def test_their_parts_are_no_sites(kind, change, inside):
    model = nn.Sequential(nn.Identity(), made(kind)) if inside else made(kind)
    with pytest.raises(InputError, match=r"before (the model is exported|torch\.jit\.script)"):
        CHANGES[change](model, "1.0" if inside else "0")


def test_a_traced_graph_that_calls_its_modules_takes_masks():
    model = torch.fx.symbolic_trace(copy.deepcopy(plain()))
    [defect] = CHANGES["defect_"](model, "0")
    assert defect.total == 256 and int((model.get_submodule("0")(X) == 0).sum()) == 4 * 128


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_a_quantized_model_is_not_saved(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 1))
    model.register_buffer("whole", torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8))
    with pytest.raises(InputError, match="'whole' of the state dict is a quantized tensor"):
        save(model, tmp_path / "model.safetensors")
