"""A model of the user's own is trained, described, evaluated and read again like a built-in one."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cli.own_nets import cnn
from defective import build, defect_, defects, evaluation, load
from defective.cli.references import open_model
from defective.cli.weights import Builders
from defective.data import load_data
from defective.training import train as training
from defective.training.state_dict import load_state_dict_
from printed import one_line, parse, table

CNN = "--data folder:data --epochs 2 --device cpu"
EXAMPLE = torch.zeros(1, 3, 16, 16)


def first_state(seed=0, **arguments):
    torch.manual_seed(seed)
    return cnn(**arguments).state_dict()


@pytest.fixture
def trained(place, run, tmp_path):
    said = parse(
        run(f"train own_nets:cnn {CNN} --defect 0.3 --sites BatchNorm2d --seed 3 --mask-seed 5 --out {tmp_path / 'own'} --json")
    )
    return tmp_path / "own", said


def test_it_is_made_defective_trained_and_read_again(trained, run):
    folder, result = trained
    assert (result["net"], result["spec"], result["conversion"]) == (
        "own_nets:cnn",
        None,
        {"keep_prob": 0.3, "sites": ["BatchNorm2d"]},
    )
    assert result["recipe"]["width_mult"] == 1 and len(result["history"]) == 2
    model, expected = load(folder, model=cnn()), cnn()
    defect_(expected, 0.3, sites=["1"], example_inputs=EXAMPLE, seed=5)
    assert defects(model) == defects(expected)
    assert torch.equal(model[1].defect_mask, expected[1].defect_mask)
    assert not torch.equal(model[0].weight, first_state(3)["0.weight"])
    data = load_data("folder:data", "test")
    assert evaluation.accuracy(model, data.x, data.y) == result["test_accuracy"]
    document = parse(run(f"evaluate {folder} --model own_nets:cnn --data folder:data --parts noise --samples 4 --json"))
    assert document["accuracy"]["own"]["rate"] == result["test_accuracy"]
    document = parse(run(f"describe {folder} --model own_nets:cnn --json"))
    assert document["input_shape"] == [3, 16, 16] and [site["site"] for site in document["sites"]] == ["1"]
    said = one_line(run(f"describe {folder} --model own_nets:cnn --num-classes 5"))
    assert "is a checkpoint, which knows its own num_classes: leave the option out" in said
    assert json.loads((folder / "result.json").read_text()) == result and len(result["initial_weights"]) == 32


def test_it_is_not_trained_again_and_no_other_run_takes_its_folder(trained, run, monkeypatch):
    folder, result = trained
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = f"train own_nets:cnn {CNN} --seed 3 --mask-seed 5 --out {folder} --json"
    assert parse(run(f"{again} --defect 0.3 --sites BatchNorm2d")) == result
    assert "(its conversion differs)" in one_line(run(f"{again} --defect 0.5 --sites BatchNorm2d"))
    assert "(its net differs)" in one_line(run(f"{again.replace('cnn', 'cnn,width=5')} --defect 0.3 --sites BatchNorm2d"))
    monkeypatch.setattr(nn.Conv2d, "reset_parameters", lambda layer: nn.init.ones_(layer.weight))
    assert "(its initial_weights differs)" in one_line(run(f"{again} --defect 0.3 --sites BatchNorm2d"))


def test_weights_in_a_file_are_where_training_starts(place, run, tmp_path):
    state = first_state(7)
    torch.save(state, tmp_path / "start.pt")
    options = f"--model own_nets:cnn --data folder:data --epochs 1 --lr 1e-12 --device cpu --out {tmp_path / 'new'}"
    given = f"train {tmp_path / 'start.pt'} {options}"
    assert parse(run(f"{given} --json"))["net"] == f"own_nets:cnn from {tmp_path / 'start.pt'}"
    assert torch.allclose(load(tmp_path / "new", model=cnn())[0].weight, state["0.weight"], atol=1e-6)
    assert "name what builds it, --model own_nets:cnn" in one_line(run(f"describe {tmp_path / 'new'}"))


def test_sites_of_a_built_in_model_are_chosen_by_name(place, run, tmp_path):
    command = f"train resnet18 {CNN} --width-mult 0.0625 --defect 0.5 --sites stem.norm --out {tmp_path / 'sites'} --json"
    assert parse(run(command))["net"] == "resnet18"
    (defect,) = defects(load(tmp_path / "sites"))
    assert (defect.site, defect.keep_prob, defect.live) == ("stem.norm", 0.5, defect.total // 2)


def test_describe_lists_sites_and_shows_what_would_be_converted(place, run):
    document = parse(run("describe own_nets:cnn --image-size 16 --json"))
    assert (document["candidates"], document["sites"]) == ({"Conv2d": ["0"], "BatchNorm2d": ["1"]}, [])
    # Convolution and linear layer.
    assert document["multiply_adds"] == 16 * 16 * 4 * 27 + 16 * 2
    assert "Sites to choose from: 1 BatchNorm2d (1)" in run("describe own_nets:cnn").out
    cells = table(run("describe own_nets:cnn,width=8 --image-size 16 --defect 0.25 --sites '[12]'"))
    assert cells[0] == ["1", "8 x 16 x 16", "neuron", "0.25", "512", "1,536"]
    assert [row[0] for row in cells] == ["1", "2", "all"]


def below(prefix, state):
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


FILES = {
    "w.pt": lambda state, file: torch.save(state, file),
    "legacy.pth": lambda state, file: torch.save(state, file, _use_new_zipfile_serialization=False),
    "trainer.ckpt": lambda state, file: torch.save({"epoch": 3, "state_dict": below("model", state)}, file),
    "parallel.pt": lambda state, file: torch.save({"model": below("module", state)}, file),
    "averaged.pt": lambda state, file: torch.save({"n_averaged": torch.tensor(2), **below("module", state)}, file),
    "w.safetensors": lambda state, file: save_file(state, file),
}


@pytest.mark.parametrize(("name", "masked"), [*((name, True) for name in FILES), ("w.pt", False)])
def test_state_dicts_of_others_are_read_masks_included(place, tmp_path, name, masked):
    model = cnn(num_classes=3)
    if masked:
        defect_(model, 0.5, sites=["1"], example_inputs=EXAMPLE)
    FILES[name](model.state_dict(), tmp_path / name)
    found = open_model(str(tmp_path / name), Builders(["own_nets:cnn"], ()), lambda: {"num_classes": 3})
    x = torch.rand(4, 3, 16, 16)
    assert len(defects(found)) == masked and not found.training
    assert torch.equal(found(x), model.eval()(x))


def test_each_file_has_a_model_of_its_own(place, run, tmp_path):
    torch.save(first_state(), tmp_path / "a.pt")
    torch.save(build("resnet18", width_mult=0.0625, num_classes=2, image_size=16).state_dict(), tmp_path / "b.pt")
    files = f"{tmp_path / 'a.pt'} {tmp_path / 'b.pt'}"
    common = f"evaluate {files} --model own_nets:cnn --data folder:data --parts noise --samples 2 --json"
    assert set(parse(run(f"{common} --model {tmp_path / 'b.pt'}=resnet18,width_mult=0.0625"))["accuracy"]) == {"a.pt", "b.pt"}
    assert "b.pt does not fit own_nets:cnn: the weights are of another model (missing: 0.bias" in one_line(run(common))
    assert "--model is given twice for all files" in one_line(run(f"{common} --model resnet18"))


def test_a_model_inside_a_normalisation_takes_the_weights_that_fit_it():
    model, state = nn.Sequential(nn.Identity(), cnn()), cnn().state_dict()
    load_state_dict_(model, state)
    assert torch.equal(model[1][0].weight, state["0.weight"])
