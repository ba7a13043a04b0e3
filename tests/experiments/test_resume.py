"""The same again gives the same, and a stopped evaluation repeats nothing."""

from importlib import import_module

import pytest
import torch
from torch import nn

from defective import AttackSpec
from defective.evaluation import (
    CustomAttack,
    adversarial,
    corruptions,
    decision,
    evaluate,
    evaluated_model,
    sanity_checks,
    transfer,
)
from evaluations import EPS, FGSM, OWN, SMALL, TRANSFER, Counted, masked, own, plain, stored
from problems import level_set, plane


def test_neither_batches_nor_kept_pieces_change_a_number(data, tmp_path):
    nets, sources = {"a": plane(), "b": plane(2)}, {"s": masked(1)}
    attacks = [FGSM, AttackSpec.parse("pgd:random_start=1,steps=2")]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, *others = (
        plain(evaluate(nets, data, sources=sources, attacks=attacks, mask_draws=2, **SMALL, **options))
        for options in (
            {},
            {"run": stored(tmp_path)},
            {"run": stored(tmp_path)},
            {"batch_size": 5},
            {"batch_size": 3},
        )
    )
    assert torch.equal(state, torch.get_rng_state())
    for other in others:
        assert other | {"settings": {}} == one | {"settings": {}}
    assert [other["settings"]["batch_size"] for other in others] == [250, 250, 5, 3]
    other = plain(evaluate(nets, data, sources=sources, attacks=attacks, mask_draws=2, **SMALL, seed=1))
    assert {cell["sample"] for cell in other["cells"]}.isdisjoint(cell["sample"] for cell in one["cells"])


def test_the_models_are_left_as_they_were(data):
    net = masked().train()
    net[3].weight.requires_grad_(False)
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    evaluate({"a": net}, data, sources={"a": net}, attacks=[FGSM], mask_draws=2, **SMALL)
    assert all(module.training for module in net.modules())
    assert [name for name, weight in net.named_parameters() if not weight.requires_grad] == ["3.weight"]
    assert all(weight.grad is None for weight in net.parameters())
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(adversarial, "CHUNK", 5)
    monkeypatch.setattr(evaluated_model, "CHUNK", 20)
    monkeypatch.setattr(decision, "CHUNK", 3)


NETS = {"a": plane(), "b": plane(2)}


def run(data, attack, through=None, nets=NETS):
    """All parts; the attack on one source, and on both models, of which one is a source too: 3 sets of 12 images, 3 pieces each."""
    attacks = [own(attack, eps=EPS)]
    return evaluate(nets, data, sources={"s": plane(1), "b": nets["b"]}, attacks=attacks, run=through, mask_draws=0, **SMALL)


@pytest.fixture(scope="module")
def expected():
    """What a run that nothing disturbs ends with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("defective.evaluation.evaluate"), "WHITE_BOX", OWN)
        patch.setattr(adversarial, "CHUNK", 5)
        return plain(run(level_set(plane()), Counted()))


@pytest.mark.parametrize(
    ("stop", "error"),
    [(1, KeyboardInterrupt), (2, KeyboardInterrupt), (4, ZeroDivisionError), (6, KeyboardInterrupt), (9, KeyboardInterrupt)],
)
def test_an_evaluation_goes_on_where_it_stopped(data, expected, tmp_path, small_pieces, stop, error):
    broken, rest, nothing = Counted(stop, error), Counted(), Counted()
    pieces = [5, 5, 2] * 3
    with pytest.raises(error):
        run(data, broken, stored(tmp_path))
    assert broken.calls == pieces[:stop]
    found = run(data, rest, stored(tmp_path))
    assert rest.calls == pieces[stop - 1 :]
    assert plain(found) == expected
    assert plain(run(data, nothing, stored(tmp_path))) == expected and nothing.calls == []


def test_a_finished_evaluation_asks_nothing_more(data, expected, tmp_path, small_pieces, monkeypatch):
    assert plain(run(data, Counted(), stored(tmp_path))) == expected
    written = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")}
    for module, name in (
        (adversarial, "from_spec"),
        (transfer, "predictions"),
        (decision, "boundary_details"),
        (corruptions, "corrupt"),
        (sanity_checks, "_attacked"),
    ):
        monkeypatch.setattr(module, name, lambda *_, name=name, **__: pytest.fail(name))
    assert plain(run(data, Counted(), stored(tmp_path))) == expected
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")} == written


class Fragile(nn.Module):
    """A net that is stopped at one of its forward passes."""

    def __init__(self, net, at):
        super().__init__()
        self.net, self.left = net, at

    def forward(self, x):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return self.net(x)


@pytest.mark.parametrize("at", [1, 2, 5, 12, 30, 60, 120, 180])
def test_a_stop_in_any_part_costs_no_more_than_its_piece(data, expected, tmp_path, small_pieces, at):
    model = Fragile(NETS["a"], at)
    with pytest.raises(KeyboardInterrupt):
        run(data, Counted(), stored(tmp_path), {"a": model, "b": NETS["b"]})
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")}
    assert kept or at < 3
    assert plain(run(data, Counted(), stored(tmp_path), {"a": model, "b": NETS["b"]})) == expected
    assert {file: file.stat().st_mtime_ns for file in kept} == kept


def test_a_model_added_later_costs_its_own_cells_alone(data, tmp_path):
    first, second = Counted(), Counted()
    options = {"parts": TRANSFER, "samples": 12, "run": stored(tmp_path)}
    one = evaluate({"a": plane()}, data, sources={"s": plane(1)}, attacks=[CustomAttack("mine", first, version="1")], **options)
    mine = CustomAttack("mine", second, version="1")
    two = evaluate({"a": plane(), "b": plane(2)}, data, sources={"s": plane(1)}, attacks=[mine], **options)
    assert first.calls == [12] and second.calls == []
    assert two.cells[0].as_json() == one.cells[0].as_json()
