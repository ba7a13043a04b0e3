"""Light checkpoints: what a run leaves of its epochs is what a run that stops there leaves."""

import pytest
import torch
from torch import nn

from defective import build, load, save
from defective.experiments.run import run
from defective.specs import Recipe, dependencies
from defective.training import loop
from defective.training.train import light_checkpoint, train
from runs import bench, execute, net
from trainings import timeless

RECIPE = Recipe(name="test", width_mult=0.0625, epochs=3, batch_size=20, lr=0.05)


def trained(data, out, recipe=RECIPE, **options):
    return train("vgg19/0.5-bottom", data, data, recipe, out, device="cpu", precision="fp32", **options)


def assert_rounded(light, stopped):
    for name, tensor in stopped.state_dict(keep_vars=True).items():
        wanted = tensor.half().float() if isinstance(tensor, nn.Parameter) else tensor
        assert torch.equal(light.state_dict()[name], wanted) and light.state_dict()[name].dtype == tensor.dtype, name


@pytest.mark.parametrize("changes", [{}, {"selection": "best-on-test", "lr": 0.5}], ids=["plain", "best on test"])
def test_a_light_checkpoint_is_what_a_run_that_stops_there_leaves(data, tmp_path, changes):
    recipe = RECIPE.changed(**changes)
    whole = trained(data, tmp_path / "whole", recipe, light_epochs=(1, 2))
    for epochs in (1, 2):
        stopped = trained(data, tmp_path / f"{epochs}", recipe.changed(stop_after=epochs))
        light = load(light_checkpoint(tmp_path / "whole", epochs))
        assert_rounded(light, load(tmp_path / f"{epochs}"))
        assert timeless(whole["history"][:epochs]) == timeless(stopped["history"])
        assert light.notes["epochs"] == epochs
    trained(data, tmp_path / "alone", recipe)
    assert (tmp_path / "alone" / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


def test_an_interrupted_run_keeps_them(data, tmp_path, monkeypatch):
    trained(data, tmp_path / "whole", light_epochs=(1, 2))
    original = loop.run_epoch
    for epoch in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr(loop, "run_epoch", lambda *a, last=epoch: original(*a) if a[3] < last else 1 / 0)
            with pytest.raises(ZeroDivisionError):
                trained(data, tmp_path / "cut", light_epochs=(1, 2))
    trained(data, tmp_path / "cut", light_epochs=(1, 2))
    files = sorted(file.relative_to(tmp_path / "cut") for file in (tmp_path / "cut").rglob("*.safetensors"))
    assert [str(file) for file in files] == ["epochs/1.safetensors", "epochs/2.safetensors", "model.safetensors"]
    assert all((tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes() for file in files)


def test_half_precision_keeps_what_float16_cannot_hold(tmp_path):
    model = build("vgg19/0.5-bottom", width_mult=0.0625)
    nn.init.constant_(model.head.bias, 1e5)
    for name, half in (("whole", False), ("half", True)):
        save(model, tmp_path / name, half=half)
    assert_rounded(nn.ModuleDict({"a": load(tmp_path / "half").blocks}), nn.ModuleDict({"a": model.blocks}))
    assert torch.equal(load(tmp_path / "half").head.bias, model.head.bias)
    assert (tmp_path / "half").stat().st_size < 0.75 * (tmp_path / "whole").stat().st_size


WHOLE = net("vgg19", epochs=3)
STOPPED = [WHOLE.model_copy(update={"recipe": WHOLE.recipe.changed(stop_after=epochs)}) for epochs in (1, 2)]


def test_only_listed_epochs_of_single_models_are_done_by_the_whole_run():
    assert [dependencies(job) for job in (WHOLE, *STOPPED)] == [(), (WHOLE,), (WHOLE,)]
    long, ensemble = net(epochs=16), net("resnet18/en")
    unlisted = long.model_copy(update={"recipe": long.recipe.changed(stop_after=4)})
    member = ensemble.model_copy(update={"recipe": ensemble.recipe.changed(stop_after=1)})
    assert 4 not in long.light_epochs and unlisted.whole is member.whole is None and ensemble.light_epochs == ()


def test_their_jobs_are_done_without_training_again(place, images, tmp_path, monkeypatch):
    trainings = []
    monkeypatch.setattr(
        "defective.experiments.execute.train", lambda *a, **k: trainings.append(a[3].trained_epochs) or train(*a, **k)
    )
    assert run(STOPPED, place).executed == 3 and trainings == [3]
    alone = bench(tmp_path / "alone", images)
    monkeypatch.setattr("defective.experiments.execute.read_tensors", lambda file: 1 / 0)
    for job in STOPPED:
        found = execute(alone, job, tmp_path / job.key)
        made = place.store.result(job)
        assert made["values"] == found["values"] and timeless(made["history"]) == timeless(found["history"])
        assert_rounded(place.model(job), load(tmp_path / job.key / "net"))


@pytest.mark.parametrize("spoil", [lambda file: file.unlink(), lambda file: file.write_bytes(b"")], ids=["gone", "corrupt"])
def test_without_a_readable_checkpoint_the_job_is_trained(place, spoil):
    run([WHOLE], place)
    spoil(light_checkpoint(place.store.at(WHOLE) / "net", 1))
    assert run(STOPPED, place).count("finished") == 3
    assert [len(place.store.result(job)["history"]) for job in STOPPED] == [1, 2]
    assert load(place.store.at(STOPPED[0]) / "net").notes.keys() >= {"test_accuracy"}
