import copy

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from defective import Ensemble, InputError, build, create_model, defect_, defects, load, restore_, save

X = torch.rand(2, 3, 32, 32)


def handmade():
    net = create_model("wrn32_4", width_mult=0.125)
    defect_(net, 0.4, blocks=[2], pattern="shared", seed=5)
    return net


NETS = {
    "plain": lambda: create_model("resnet18", width_mult=0.125),
    "bottom": lambda: build("resnet18/0.1-bottom", seed=3, width_mult=0.125),
    "both": lambda: build("vgg19/0.7-bottom+0.3-top@text", width_mult=0.125),
    "dc": lambda: build("resnet18/0.3-bottom-dc", width_mult=0.125),
    "x2": lambda: build("resnet18/0.5-bottom-x2", width_mult=0.125),
    "ensemble": lambda: build("vgg19/0.5-bottom-en", width_mult=0.0625),
    "ensemble of sources": lambda: Ensemble([create_model("resnet18", width_mult=0.125), create_model("vgg19", width_mult=0.125)]),
    "by hand": handmade,
}


@pytest.mark.parametrize("kind", NETS)
def test_a_net_comes_back_whole(kind, tmp_path):
    net = NETS[kind]().eval()
    save(net, tmp_path / "net.safetensors", notes={"accuracy": 0.5})
    again = load(tmp_path / "net.safetensors")
    assert torch.equal(net(X), again(X))
    assert defects(again) == defects(net)
    assert getattr(net, "spec", None) == again.spec
    assert again.notes == {"accuracy": 0.5} and not again.training


def test_a_foreign_net_is_loaded_into_a_plain_one(small_net, tmp_path):
    x = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    plain = copy.deepcopy(small_net)
    nn.init.zeros_(plain[6].weight)
    defect_(small_net, 0.3, sites=["2"], example_inputs=x)
    save(small_net, tmp_path / "own.safetensors")
    with pytest.raises(InputError, match="model=net"):
        load(tmp_path / "own.safetensors")
    again = load(tmp_path / "own.safetensors", model=plain)
    assert torch.equal(again(x), small_net(x)) and defects(again) == defects(small_net)


def test_wrapped_nets_are_saved_as_what_they_wrap(tmp_path):
    net = build("vgg19/0.5-bottom", width_mult=0.0625).eval()
    for wrapped in (torch.compile(net, backend="eager"), nn.DataParallel(net)):
        save(wrapped, tmp_path / "net.safetensors")
        assert torch.equal(load(tmp_path / "net.safetensors")(X), net(X))


def test_a_defective_net_takes_the_masks_of_the_file(tmp_path):
    net, other = (build("vgg19/0.5-bottom", seed=seed, width_mult=0.0625).eval() for seed in (1, 2))
    save(net, tmp_path / "net.safetensors")
    load(tmp_path / "net.safetensors", model=other)
    assert torch.equal(other(X), net(X))
    restore_(other)
    assert defects(other) == []


def test_a_folder_of_train_may_be_named(tmp_path):
    save(build("vgg19", width_mult=0.125), tmp_path / "model.safetensors")
    assert load(tmp_path).spec.arch == "vgg19"


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "net.safetensors"
    save(build("vgg19", seed=1, width_mult=0.125), file)
    before = file.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("defective.files.save_file", full)
    with pytest.raises(OSError, match="space"):
        save(build("vgg19", seed=2, width_mult=0.125), file)
    assert file.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    save(build("vgg19", width_mult=0.0625), tmp_path / "net.safetensors")
    (tmp_path / "usual").touch()
    assert (tmp_path / "net.safetensors").stat().st_mode == (tmp_path / "usual").stat().st_mode


def damaged(path):
    path.write_bytes(path.read_bytes()[:-100])


BAD = {
    "missing": (lambda path: path.unlink(), "no such file"),
    "cut off": (damaged, "damaged"),
    "empty": (lambda path: path.write_bytes(b""), "damaged"),
    "text": (lambda path: path.write_text("hello"), "damaged"),
    "foreign": (lambda path: save_file({"a": torch.zeros(1)}, path), "not written by defective"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(case, tmp_path):
    spoil, said = BAD[case]
    file = tmp_path / "net.safetensors"
    save(build("vgg19", width_mult=0.0625), file)
    spoil(file)
    with pytest.raises(InputError, match=said) as caught:
        load(file)
    assert "net.safetensors" in str(caught.value) and "\n" not in str(caught.value)


def test_a_net_of_another_kind_is_refused(tmp_path):
    save(build("vgg19/0.5-bottom", width_mult=0.125), tmp_path / "net.safetensors")
    with pytest.raises(InputError, match="does not"):
        load(tmp_path / "net.safetensors", model=create_model("resnet18", width_mult=0.125))
