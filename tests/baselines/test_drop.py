import copy

import pytest
import torch
from torch import nn

from defective import InputError, build, create_model, defect_, restore_
from defective.baselines import Drop, drop_, drops, undrop_
from problems import pickled

X = torch.rand(4, 3, 8, 8, dtype=torch.float64)
KINDS = ["dropout", "spatial", "dropblock"]


@pytest.mark.parametrize(("kind", "draws"), [("dropout", 200 * 8 * 16), ("spatial", 200 * 8)])
def test_activations_or_whole_channels_are_dropped_and_the_rest_is_scaled(kind, draws):
    model = nn.Sequential(nn.Identity())
    drop_(model, 0.75, kind=kind, sites=["0"])
    z = model(torch.ones(200, 8, 4, 4)).flatten(2)
    torch.testing.assert_close(z.unique(), torch.tensor([0, 1 / 0.75]))
    assert abs((z != 0).double().mean() - 0.75) < 4.5 * (0.1875 / draws) ** 0.5
    assert torch.equal(z.amin(2), z.amax(2)) is (kind == "spatial")
    if kind == "dropout":
        assert model(torch.ones(7, 5)).shape == (7, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_in_eval_mode_the_model_is_the_plain_one_and_the_tensor_the_same(small_net, kind):
    out = small_net(X)
    drop_(small_net, 0.5, kind=kind, sites=["0", "4"])
    before = torch.get_rng_state()
    assert torch.equal(small_net(X), out)
    assert torch.equal(torch.get_rng_state(), before)
    same = nn.Sequential(nn.Identity()).eval()
    drop_(same, 0.5, kind=kind, sites=["0"])
    assert same(X) is X
    assert not torch.equal(small_net.train()(X), small_net(X))


@pytest.mark.parametrize("kind", KINDS)
def test_state_dict_keys_stay_and_undrop_undoes(small_net, kind):
    keys = list(small_net.state_dict())
    state = copy.deepcopy(small_net.state_dict())
    assert drop_(small_net, 0.5, kind=kind, sites=["1", "4"]) == drops(small_net) == [Drop("1", 0.5, kind), Drop("4", 0.5, kind)]
    assert list(small_net.state_dict()) == keys
    small_net.load_state_dict(state)
    undrop_(small_net)
    assert drops(small_net) == [] and type(small_net[1]) is nn.BatchNorm2d
    out = small_net.train()(X)
    assert torch.equal(small_net(X), out)
    drop_(small_net, 0.5, kind=kind, sites=["1"])


@pytest.mark.parametrize("mask_first", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_site_may_carry_a_mask_and_a_drop(small_net, kind, mask_first):
    outputs = []
    acts = [
        lambda: defect_(small_net, 0.5, sites=["0"], example_inputs=X),
        lambda: drop_(small_net, 0.75, kind=kind, sites=["0"]),
    ]
    for act in acts if mask_first else acts[::-1]:
        act()
    small_net[1].register_forward_pre_hook(lambda module, args: outputs.append(args[0]))
    small_net.train()(X)
    mask = small_net[0].defect_mask
    assert (outputs[0][~mask.expand_as(outputs[0])] == 0).all()
    assert (outputs[0][mask.expand_as(outputs[0])] == 0).any()
    restore_(small_net)
    assert len(drops(small_net)) == 1
    undrop_(small_net)
    assert type(small_net[0]) is nn.Conv2d


TOP = {
    "resnet18": [f"stages.{s}.{b}.{site}" for s in (3, 4) for b in (0, 1) for site in ("norm1", "conv2")],
    "wrn32_4": [f"stages.{s}.{b}.{site}" for s in (2, 3) for b in range(5) for site in ("norm1", "conv2")],
    "resnet50": [f"stages.{s}.{b}.norm2" for s, depth in ((3, 6), (4, 3)) for b in range(depth)],
    "senet18": [f"stages.{s}.{b}.{site}" for s in (3, 4) for b in (0, 1) for site in ("norm1", "norm2")],
    "vgg19": [f"blocks.{b}.norm{i}" for b in (3, 4) for i in (1, 2, 3, 4)],
    "densenet121": [f"blocks.3.{i}.norm1" for i in range(24)] + ["transitions.3.norm"] + [f"blocks.4.{i}.norm1" for i in range(16)],
}


@pytest.mark.parametrize("name", TOP)
def test_sites_of_built_in_models(name):
    model = create_model(name, width_mult=0.0625)
    assert [drop.site for drop in drop_(model, 0.9, kind="dropblock")] == TOP[name]
    with torch.no_grad():
        assert model.train()(torch.rand(2, 3, 32, 32)).isfinite().all()
    undrop_(model)
    text = [drop.site for drop in drop_(model, 0.9, kind="spatial", placement="text")]
    assert text == [site for number in model.top for site in model.mask_sites["text"][number]]


SURVIVALS = {
    "pickle": pickled,
    "compile for any batch": lambda model: torch.compile(model, backend="eager", fullgraph=True, dynamic=True),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", SURVIVALS)
def test_drops_survive(small_net, kind, how):
    drop_(small_net, 0.5, kind=kind, sites=["0"])
    survivor = SURVIVALS[how](small_net.train())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        expected = small_net(X)
        torch.manual_seed(0)
        torch.testing.assert_close(survivor(X), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("change", [lambda model: drop_(model, 0.9, kind="spatial"), undrop_])
def test_a_changed_model_loses_its_spec(change):
    model = build("resnet18/0.9-dropblock", width_mult=0.0625)
    change(model)
    assert model.spec is None and model.build_options is None


REFUSALS = {
    "the same kind twice": (lambda model: drop_(model, 0.8, kind="dropout", sites=["0", "2"]), "'2' has dropout already"),
    "unknown kind": (lambda model: drop_(model, 0.9, kind="blocks", sites=["0"]), "blocks"),
    "keep_prob 0": (lambda model: drop_(model, 0, kind="dropout", sites=["0"]), "keep_prob 0 "),
    "keep_prob as text": (
        lambda model: drop_(model, "0.9", kind="dropout", sites=["0"]),
        r"keep_prob '0.9' is not a number in \(0, 1\]",
    ),
    "keep_prob above 1": (lambda model: drop_(model, 1.5, kind="dropout", sites=["0"]), "1.5"),
    "unknown name": (lambda model: drop_(model, 0.9, kind="dropout", sites=["nope"]), "nope"),
    "no match": (lambda model: drop_(model, 0.9, kind="dropout", sites=lambda name, module: False), "no module matched"),
    "blocks and sites": (lambda model: drop_(model, 0.9, kind="dropout", sites=["0"], blocks="top"), "not both"),
    "no built-in model": (lambda model: drop_(model, 0.9, kind="dropout"), "built-in"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_name_the_mistake_and_change_nothing(small_net, case):
    act, said = REFUSALS[case]
    drop_(small_net, 0.9, kind="dropout", sites=["2"])
    with pytest.raises(InputError, match=said) as caught:
        act(small_net)
    assert "\n" not in str(caught.value) and drops(small_net) == [Drop("2", 0.9, "dropout")]


@pytest.mark.parametrize("kind", ["spatial", "dropblock"])
def test_a_flat_site_is_named_when_it_runs(small_net, kind):
    drop_(small_net, 0.9, kind=kind, sites=["6"])
    with pytest.raises(InputError, match=r"'6' outputs \(4, 5\)"):
        small_net.train()(X)
