import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from defective import Ensemble, InputError, build, create_model, defect_, defects, load, restore_, save
from defective.baselines import drop_, drops, undrop_
from defective.files import read_tensors, write_tensors
from refusals import refused

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
    "ensemble of sources": lambda: Ensemble([create_model("resnet18", width_mult=0.125), create_model("vgg19", width_mult=0.125)]),
    "by hand": handmade,
    "dropblock": lambda: build("resnet18/0.9-dropblock", width_mult=0.125),
    "thermometer": lambda: build("wrn32_4/therm16", width_mult=0.125),
    "all at once": lambda: build("resnet18/0.5-bottom+0.9-spatial+0.8-dropout-x2-therm4@text", width_mult=0.125),
    "ensemble of all": lambda: build("vgg19/0.5-bottom+0.9-dropblock-therm4-en", width_mult=0.0625),
}


@pytest.mark.parametrize("kind", NETS)
def test_a_net_comes_back_whole(kind, tmp_path):
    net = NETS[kind]().eval()
    save(net, tmp_path / "net.safetensors", notes={"accuracy": 0.5})
    # Onto the CPU, whatever the default device is.
    with torch.device("meta"):
        again = load(tmp_path / "net.safetensors")
    assert torch.equal(net(X), again(X))
    assert defects(again) == defects(net) and drops(again) == drops(net)
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
    (tmp_path / "net.safetensors").rename(tmp_path / "model.safetensors")
    # By the folder, as train writes it.
    load(tmp_path, model=other)
    assert torch.equal(other(X), net(X))
    restore_(other)
    assert defects(other) == []


TAMPERED = {
    "no masks listed": (lambda about: about.pop("defects"), "defects"),
    "masks of no kind": (lambda about: about.update(defects=None), "defects = None"),
    "a draw of another kind": (lambda about: about["defects"]["blocks.0.norm1"].update(pattern="zz"), "pattern = 'zz'"),
    "no such architecture": (lambda about: about["architecture"].update(name="zz"), "no architecture 'zz'"),
    "too few widths": (lambda about: about["architecture"].update(widths=[8]), "5 blocks, not 1"),
    # On the CPU this model would take 10 TB.
    "widths of another model": (
        lambda about: about["architecture"].update(widths=[10**6] * 5),
        r"does not hold the model that it names: .* is \(4, 3, 3, 3\), the architecture needs \(1000000",
    ),
    "a spec that is none": (lambda about: about.update(spec="vgg19"), "spec"),
    "a name without end": (lambda about: about.update(spec={"arch": 10_000 * "x"}), "spec.arch = 'xxx"),
    "a share above 1": (lambda about: about.update(drops=[["blocks.4", 2.0, "dropout"]]), "drops.0.1 = 2.0"),
    "notes in a list": (lambda about: about.update(notes=[]), r"notes = \[\]"),
    "more than is known": (lambda about: about.update(more=1), "more = 1"),
    "another version": (lambda about: about.pop("format"), "another version"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_a_file_that_contradicts_itself_is_refused_in_one_line(case, tmp_path):
    save(build("vgg19/0.5-bottom", width_mult=0.0625), tmp_path / "net.safetensors")
    tensors, about = read_tensors(tmp_path / "net.safetensors")
    change, said = TAMPERED[case]
    change(about)
    write_tensors(tmp_path / "bad.safetensors", tensors, about)
    with pytest.raises(InputError, match=rf"bad\.safetensors.*{said}") as caught:
        load(tmp_path / "bad.safetensors")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 2000


def test_a_member_of_a_loaded_ensemble_can_be_saved(tmp_path):
    save(build("vgg19/0.5-bottom-en", width_mult=0.0625), tmp_path / "net.safetensors")
    member = load(tmp_path / "net.safetensors").members[1]
    save(member, tmp_path / "member.safetensors")
    assert torch.equal(load(tmp_path / "member.safetensors")(X), member(X))


def one_step(net):
    """Logits after one training step with the same random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        optimizer = torch.optim.SGD(net.train().parameters(), 0.1)
        F.cross_entropy(net(X), torch.tensor([1, 2])).backward()
        optimizer.step()
        return net(X)


@pytest.mark.parametrize("kind", ["all at once", "ensemble of all"])
def test_training_goes_on_the_same(kind, tmp_path):
    net = NETS[kind]()
    save(net, tmp_path / "net.safetensors")
    assert torch.equal(one_step(load(tmp_path / "net.safetensors")), one_step(net))


def test_drops_of_a_foreign_net_come_from_the_file(small_net, tmp_path):
    other, plain = copy.deepcopy(small_net), copy.deepcopy(small_net)
    drop_(small_net, 0.7, kind="spatial", sites=["2"])
    drop_(other, 0.5, kind="dropout", sites=["0"])
    save(small_net, tmp_path / "own.safetensors")
    save(plain, tmp_path / "plain.safetensors")
    assert drops(load(tmp_path / "own.safetensors", model=plain)) == drops(small_net)
    assert drops(load(tmp_path / "own.safetensors", model=other)) == drops(small_net)
    assert drops(load(tmp_path / "plain.safetensors", model=other)) == []
    with pytest.raises(InputError, match="spatial for '2', which this model does not have"):
        load(tmp_path / "own.safetensors", model=nn.Sequential(nn.Flatten()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_dtype_is_kept(dtype, tmp_path):
    name = "vgg19/0.5-bottom+0.9-dropout-therm4"
    net = build(name, width_mult=0.0625).to(dtype).eval()
    save(net, tmp_path / "net.safetensors")
    for model in (None, build(name, seed=1, width_mult=0.0625)):
        again = load(tmp_path / "net.safetensors", model=model)
        assert {key: value.dtype for key, value in again.state_dict().items()} == {k: v.dtype for k, v in net.state_dict().items()}
        assert torch.equal(again(X.to(dtype)), net(X.to(dtype)))


def test_mixed_dtypes_are_kept_one_by_one(small_net, tmp_path):
    plain = copy.deepcopy(small_net)
    small_net[0].float()
    save(small_net, tmp_path / "net.safetensors")
    again = load(tmp_path / "net.safetensors", model=plain)
    assert (again[0].weight.dtype, again[6].weight.dtype) == (torch.float32, torch.float64)
    assert again[0].weight.requires_grad and again[1].num_batches_tracked.dtype == torch.int64


class Tied(nn.Module):
    """One convolution under two names, and a buffer that is a part of another."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (nn.Conv2d(3, 3, 3, padding=1, bias=False) for _ in range(2))
        self.second.weight = self.first.weight
        whole = torch.arange(6.0)
        self.register_buffer("whole", whole)
        self.register_buffer("part", whole[3:])

    def forward(self, x):
        return self.second(self.first(x)).mean((2, 3)) + self.part


def test_tied_weights_are_saved_and_stay_tied(tmp_path):
    net = Tied().eval()
    save(net, tmp_path / "net.safetensors")
    again = load(tmp_path / "net.safetensors", model=Tied())
    assert torch.equal(again(X), net(X)) and again.first.weight is again.second.weight
    assert torch.equal(again.part, net.part)
    save(net.double(), tmp_path / "net.safetensors")
    again = load(tmp_path / "net.safetensors", model=again)
    assert again.second.weight.dtype == torch.float64 and again.first.weight is again.second.weight


CHANGES = {
    "restore_": restore_,
    "undrop_": undrop_,
    "defect_": lambda net: defect_(net.members[1], 0.5, blocks="top"),
    "restore_ of a member": lambda net: restore_(net.members[0]),
    "drop_ on a member": lambda net: drop_(net.members[4], 0.5, kind="dropout"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_the_spec_does_not_outlive_a_change_by_hand(case, tmp_path):
    file = tmp_path / "net.safetensors"
    save(build("vgg19/0.5-bottom+0.9-spatial-en", width_mult=0.0625), file)
    net = load(file)
    CHANGES[case](net)
    save(net, file)
    again = load(file)
    assert again.spec is None and again.build_options is None
    assert torch.equal(again(X), net(X)) and drops(again) == drops(net) and defects(again) == defects(net)


def test_a_net_of_another_kind_is_refused(tmp_path):
    save(build("vgg19/0.5-bottom", width_mult=0.125), tmp_path / "net.safetensors")
    with pytest.raises(InputError, match="does not"):
        load(tmp_path / "net.safetensors", model=create_model("resnet18", width_mult=0.125))


@pytest.mark.parametrize(
    "other",
    [
        lambda net: setattr(net, "6", nn.Linear(96, 7).double()),
        lambda net: setattr(net, "4", nn.PReLU().double()),
        lambda net: net.register_buffer("whole", torch.ones(3, dtype=torch.long)),
    ],
    ids=["shape", "key", "dtype"],
)
def test_a_net_that_the_file_does_not_fit_is_left_as_it_was(small_net, other, tmp_path):
    net, example = copy.deepcopy(small_net), {"example_inputs": torch.rand(1, 3, 8, 8, dtype=torch.float64)}
    net.register_buffer("whole", torch.ones(3))
    defect_(net, 0.3, sites=["2"], **example)
    drop_(net, 0.7, kind="spatial", sites=["1"])
    nn.init.zeros_(net[0].weight)
    save(net, tmp_path / "own.safetensors")
    small_net.register_buffer("whole", torch.ones(3))
    other(small_net)
    defect_(small_net, 0.5, sites=["0"], **example)
    before = copy.deepcopy(small_net)
    with refused(says="own.safetensors: "):
        load(tmp_path / "own.safetensors", model=small_net)
    assert defects(small_net) == defects(before) and drops(small_net) == []
    assert all(torch.equal(value, before.state_dict()[name]) for name, value in small_net.state_dict().items())


def holding(buffer):
    net = nn.Sequential(nn.Flatten())
    net.register_buffer("b", buffer)
    return net


UNSAVED = {
    "sparse": (lambda file: save(holding(torch.eye(3).to_sparse()), file), "'b' of the state dict is in torch.sparse_coo"),
    "lazy": (
        lambda file: save(nn.Sequential(nn.LazyLinear(3)), file),
        "'0.weight' .* is not initialised, .* call the model",
    ),
    "meta": (lambda file: save(nn.Linear(2, 2).to("meta"), file), "'weight' of the state dict is on the meta device"),
    "a folder": (lambda file: save(nn.Flatten(), file.parent), "is a folder: name a file"),
    "this folder": (lambda file: save(nn.Flatten(), "."), r"^\. is a folder: name a file"),
    "a tensor in the notes": (
        lambda file: save(nn.Flatten(), file, notes={"a": X}),
        "^notes and build options must be plain JSON values, .*torch.Tensor",
    ),
    "a number for a key": (
        lambda file: save(nn.Flatten(), file, notes={1: 2}),
        "^notes and build options must be plain JSON values, .*valid string",
    ),
}


@pytest.mark.parametrize("case", UNSAVED)
def test_what_no_file_can_hold_is_refused(case, tmp_path):
    act, said = UNSAVED[case]
    with refused(said):
        act(tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_conjugate_views_are_saved_as_their_values(tmp_path):
    net = holding(torch.tensor([1 + 2j]).conj())
    save(net, tmp_path / "net.safetensors")
    assert torch.equal(load(tmp_path / "net.safetensors", model=holding(torch.zeros(1, dtype=torch.cfloat))).b, net.b)
