"""A model of the user's own in ``train``: seeds, resuming, lazy layers, checks before the first step."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from defective import InputError, build, defects, load
from defective.models import Ensemble
from defective.specs import Recipe
from defective.training.own_model import Conversion, OwnModel
from defective.training.state_dict import is_torch_file
from defective.training.train import light_checkpoint, train
from turns import in_turns, ticking

RECIPE = Recipe(name="test", epochs=3, batch_size=20, lr=0.05)
MASKED = Conversion(keep_prob=0.5, sites=("BatchNorm2d",))


def lazy(num_classes=10, **_):
    return nn.Sequential(
        nn.LazyConv2d(4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(8), nn.Flatten(), nn.LazyLinear(num_classes)
    )


def run(data, out, make=lazy, conversion=MASKED, seed=2, **options):
    return train(
        OwnModel("mine:lazy", make, conversion), data, data, RECIPE, out, seed=seed, device="cpu", precision="fp32", **options
    )


def test_a_run_in_turns_of_one_epoch_ends_with_the_same_bytes(data, tmp_path, monkeypatch):
    ticking(monkeypatch)
    whole = run(data, tmp_path / "whole")
    before = torch.get_rng_state()
    result, stops = in_turns(lambda: run(data, tmp_path / "turns"), 1)
    assert stops == 2 and torch.equal(torch.get_rng_state(), before)
    assert (tmp_path / "turns" / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert result["initial_weights"] == whole["initial_weights"]
    assert sorted(file.name for file in (tmp_path / "turns").iterdir()) == ["model.safetensors", "result.json"]


def test_the_seed_draws_weights_and_masks(data, tmp_path):
    results = [run(data, tmp_path / str(seed), seed=seed, light_epochs=(1,)) for seed in (2, 3)]
    assert results[0]["initial_weights"] != results[1]["initial_weights"]
    models = [load(tmp_path / str(seed), model=lazy()) for seed in (2, 3)]
    assert [len(defects(model)) for model in models] == [1, 1]
    assert not torch.equal(models[0][1].defect_mask, models[1][1].defect_mask)
    # Masks are not trained.
    assert torch.equal(load(light_checkpoint(tmp_path / "2", 1), model=lazy())[1].defect_mask, models[0][1].defect_mask)


def test_a_model_that_is_an_ensemble_is_trained_as_one(data, tmp_path):
    run(data, tmp_path, lambda **sizes: Ensemble([lazy(**sizes), lazy(**sizes)]))
    model = load(tmp_path, model=Ensemble([lazy(), lazy()]))
    assert [defect.site for defect in defects(model)] == ["members.0.1", "members.1.1"]
    with pytest.raises(
        InputError, match=r"its model is not built in, or was changed \(mine:lazy\): pass a plain model to load into"
    ):
        load(tmp_path)


class Extra(nn.Sequential):
    def get_extra_state(self):
        return {"a": 1}

    def set_extra_state(self, state):
        pass


REFUSED = {
    "other classes": (
        lambda **_: lazy(7),
        "the model knows 7 classes, some-shapes has 10: let the function that builds it take num_classes",
    ),
    "no gradient": (
        lambda **_: nn.Sequential(nn.Flatten(), nn.Linear(3072, 10).requires_grad_(False)),
        "the logits have no gradient",
    ),
    "other images": (lambda **_: nn.Sequential(nn.Conv2d(1, 2, 3)), r"the model cannot take images of shape \(2, 3, 32, 32\)"),
    "a built-in model of another size": (
        lambda **_: build("vgg19", width_mult=0.0625, image_size=64),
        r"the model takes images of shape \(3, 64, 64\), some-shapes has \(3, 32, 32\)",
    ),
    "no logits": (lambda **_: nn.Conv2d(3, 2, 3), r"the model returned \(2, 2, 30, 30\) for 2 images"),
    "what no file can hold": (lambda **_: Extra(nn.Flatten(), nn.Linear(3072, 10)), "'_extra_state' of the state dict is a dict"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_trained_is_refused_before_the_first_step(data, tmp_path, case, monkeypatch):
    monkeypatch.setattr("defective.training.train.fit", lambda *_, **__: pytest.fail("trained"))
    make, said = REFUSED[case]
    with pytest.raises(InputError, match=said):
        run(data, tmp_path / "new", make, None)


def test_sites_that_match_nothing_are_refused(data, tmp_path):
    with pytest.raises(InputError, match=r"mine:lazy: sites 'bn1' match no module; .*1 \(BatchNorm2d\)"):
        run(data, tmp_path, conversion=Conversion(keep_prob=0.5, sites=("1", "bn1")))


def test_a_length_of_a_header_is_not_taken_for_a_file_of_torch(tmp_path):
    names = {"weight": torch.zeros(1), **{f"n{number}": torch.zeros(1) for number in range(40)}}
    found = set()
    # The first byte of the file is the lowest of that length, a multiple of eight: among so many it takes every value.
    for length in range(0, 400, 8):
        save_file(names, tmp_path / "a.safetensors", {"note": "x" * length})
        found.add((tmp_path / "a.safetensors").read_bytes()[0])
        assert not is_torch_file(tmp_path / "a.safetensors")
    assert 0x80 in found
    for zipped in (True, False):
        torch.save(names, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
        assert is_torch_file(tmp_path / "a.pt")
