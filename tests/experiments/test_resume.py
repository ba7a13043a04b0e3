"""The same again gives the same; an evaluation that is stopped, or ends with its deadline, repeats no piece."""

from importlib import import_module

import pytest
import torch
from torch import nn

from defective import AttackSpec, progress
from defective.errors import OutOfTime
from defective.evaluation import CustomAttack, EvaluatedModel, evaluate, generate
from evaluations import EPS, FGSM, OWN, SMALL, TRANSFER, Counted, masked, own, plain, stored
from problems import level_set, plane
from turns import in_turns, ticking


def test_neither_batches_nor_kept_pieces_change_a_number(data, tmp_path):
    nets, sources = {"a": plane(), "b": plane(2)}, {"s": masked(1)}
    attacks = [FGSM, AttackSpec.parse("pgd:random_start=1,steps=2")]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, *others = (
        plain(evaluate(nets, data, sources=sources, attacks=attacks, mask_draws=2, **SMALL, **options))
        for options in ({}, {"run": stored(tmp_path)}, {"batch_size": 3})
    )
    assert torch.equal(state, torch.get_rng_state())
    for other in others:
        assert other | {"settings": {}} == one | {"settings": {}}
    assert [other["settings"]["batch_size"] for other in others] == [250, 3]
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


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    for module, size in (("adversarial", 5), ("evaluated_model", 20), ("decision", 3)):
        monkeypatch.setattr(f"defective.evaluation.{module}.CHUNK", size)


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
        return plain(run(level_set(plane()), Counted()))


def test_a_finished_evaluation_asks_nothing_more(data, expected, tmp_path, monkeypatch):
    assert plain(run(data, Counted(), stored(tmp_path))) == expected
    written = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")}
    work = (
        "adversarial.from_spec",
        "transfer.predictions",
        "decision.boundary_details",
        "corruptions._corrupt",
        "sanity_checks._attacked",
    )
    for name in work:
        monkeypatch.setattr(f"defective.evaluation.{name}", lambda *_, name=name, **__: pytest.fail(name))
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


@pytest.mark.parametrize("at", [1, 5, 12, 60, 180])
def test_a_stop_in_any_part_costs_no_more_than_its_piece(data, expected, tmp_path, at):
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
    assert first.calls == [5, 5, 2] and second.calls == []
    assert two.cells[0].as_json() == one.cells[0].as_json()


def on_disk(tmp_path):
    return EvaluatedModel.of("source", plane(), level_set(plane()), stored(tmp_path))


def pieces(tmp_path):
    return len(list(tmp_path.rglob("*.safetensors")))


def test_a_piece_that_has_begun_is_finished(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])

    def slow(model, x, y):
        now[0] += 1000
        return attack(model, x, y)

    attack = Counted()
    with pytest.raises(OutOfTime), progress.until(10):
        generate(on_disk(tmp_path), own(slow), samples=35, batch_size=4)
    # Two pieces of answers and one of attacked images.
    assert attack.calls == [4, 1] and pieces(tmp_path) == 3


def test_what_is_kept_nowhere_is_not_stopped(tmp_path):
    with progress.until(0):
        made = generate(EvaluatedModel.of("source", plane(), level_set(plane())), own(Counted()), samples=35)
    assert len(made.y) == 35
    attack = Counted()
    generate(on_disk(tmp_path), own(attack), samples=12)
    with progress.until(0):
        generate(on_disk(tmp_path), own(attack, version=""), samples=12)
    assert attack.calls == [5, 5, 2] * 2


def test_a_whole_evaluation_in_turns_says_the_same(data, expected, tmp_path, monkeypatch):
    ticking(monkeypatch)
    turns = Counted()
    found, stops = in_turns(lambda: run(data, turns, stored(tmp_path)), 7)
    assert plain(found) == expected and turns.calls == [5, 5, 2] * 3
    assert stops == -(-pieces(tmp_path) // 7) - 1
    with progress.until(0):
        assert plain(run(data, turns, stored(tmp_path))) == expected and turns.calls == [5, 5, 2] * 3
