"""The core protocol twice, by evaluate and by hand, and HopSkipJump, on linear models."""

import pytest
import torch
from torch import nn

from benchmarks import boundary, hopskipjump, peers, protocol
from benchmarks.nets import Attacked
from benchmarks.settings import Settings
from benchmarks.usual_evaluation import Case, Turn, usual_evaluation
from defective import attacks
from defective.errors import InputError
from problems import plane, seeded


def turn(**changed):
    """An evaluation of 200 images; ``changed`` rates."""
    rates = {"accuracy": (150, 200), "transfer_pgd": (60, 120), "noise_8": (100, 150), "shuffle_8": (0, 0)} | changed
    return Turn({}, {name.replace("_", " "): rate for name, rate in rates.items()}, torch.tensor([1.0, 2.0, 3.0]))


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({}, True),
        ({"accuracy": (153, 200)}, True),
        ({"accuracy": (154, 200)}, False),
        # Other random numbers move a rate by more than rounding.
        ({"noise_8": (112, 150)}, True),
        ({"noise_8": (140, 150)}, False),
        ({"transfer_pgd": (0, 0)}, False),
        ({"shuffle_8": (2, 2)}, True),
    ],
)
def test_evaluations_agree_up_to_rounding_and_random_numbers(changed, same):
    assert protocol.agreement(turn(), turn(**changed))[0] == same
    assert protocol.agreement(turn(**changed), turn())[0] == same


def test_evaluations_with_other_distances_or_parts_differ():
    far = turn()
    far.distances = 1.3 * far.distances
    assert not protocol.agreement(far, turn())[0] and not protocol.agreement(turn(), far)[0]
    assert not protocol.agreement(turn(), turn(checks_noise=(1, 1)))[0]


@pytest.fixture
def peers_attack(monkeypatch):
    """Let the peers attack as we do, with so many times the radius."""

    def attack_as_we_do(stronger=1):
        def gradient(name, attack, net, x, y, eps, **numbers):
            numbers = numbers if attack == "pgd" else {}
            return lambda: getattr(attacks, attack)(net, x, y, eps=min(1, stronger * eps), **numbers)

        def walk(name, net, x, y, steps):
            return lambda: attacks.boundary(net, x, y, steps=steps, generator=seeded())

        monkeypatch.setattr(peers, "gradient", gradient)
        monkeypatch.setattr(peers, "boundary", walk)
        monkeypatch.setattr(peers, "versions", lambda: {"Foolbox": "3.3.4"})

    return attack_as_we_do


@pytest.fixture
def case():
    """Two models that are alike, and images of which the target classifies 50 of 60 correctly."""
    target, source = plane(0, (3, 8, 8)), plane(1, (3, 8, 8))
    for other, parameter in zip(target.parameters(), source.parameters(), strict=True):
        parameter.data.lerp_(other.data, 0.5)
    x = torch.randint(0, 256, (60, 3, 8, 8), generator=seeded()) / 255
    y = target(x).argmax(1)
    y[:10] = 1 - y[:10]
    return Case(target, source, x, y, decision=10, steps=300, checks=20)


def test_both_evaluations_find_the_same(case, peers_attack):
    peers_attack()
    own, their = protocol.own_evaluation(case), usual_evaluation(case, {"fgsm": "Foolbox", "pgd": "Foolbox"})
    exact = [name for name in their.rates if not name.startswith(protocol.RANDOM)]
    assert {name: own.rates[name] for name in exact} == {name: their.rates[name] for name in exact}
    assert len(exact) == 23 and len(own.rates) == 38 and own.rates["accuracy"] == (50, 60)
    assert own.seconds.keys() == their.seconds.keys()


@pytest.mark.parametrize(("stronger", "state", "native"), [(1, "measured", True), (2, "check failed", False)])
def test_the_whole_and_its_parts_are_timed_if_both_find_the_same(
    stronger, state, native, case, peers_attack, monkeypatch, tmp_path
):
    peers_attack(stronger)
    monkeypatch.setattr(protocol, "_case", lambda settings: case)
    monkeypatch.setattr(protocol, "ours", lambda net, x, precision: net)
    monkeypatch.setattr(Settings, "emulates_bf16", not native)
    found = protocol.measure(Settings(torch.device("cpu"), tmp_path, repeats=1))
    in_bf16 = state if native else "not measured: this device has no bfloat16 of its own, or is no CPU"
    assert {key: line["state"] for key, line in found["lines"].items()} == {"plain": state, "bf16": in_bf16, "sparsify": state}
    assert found["fastest"] == {"fgsm": "Foolbox", "pgd": "Foolbox"}
    for line in found["lines"].values() if state == "measured" else ():
        assert line["parts"].keys() == {"accuracy", "transfer", "white-box", "decision", "noise", "shuffle", "checks"}
        assert sum(seconds[0] for seconds in found["part_seconds"]["ours"].values()) <= line["seconds"]["ours"][0]


def test_without_foolbox_nothing_is_compared(case, monkeypatch, tmp_path):
    monkeypatch.setattr(protocol, "_case", lambda settings: case)
    monkeypatch.setattr(peers, "versions", dict)
    lines = protocol.measure(Settings(torch.device("cpu"), tmp_path))["lines"]
    assert {line["state"] for line in lines.values()} == {"Foolbox is not installed"}


def test_images_without_a_start_are_left_out(case):
    constant = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    constant[1].bias.data = torch.tensor([0.0, 1e6])
    assert boundary.startable(case.target, case.x, case.y).all()
    # What is misclassified as it is needs none.
    y = torch.tensor([0, 1])
    assert boundary.startable(constant, case.x[:2], y).tolist() == [True, False]
    with pytest.raises(InputError, match="pass a trained net"):
        boundary.startable(constant, case.x[:1], y[1:])


@pytest.mark.parametrize(("share", "state"), [(1.0, "measured"), (0.0, "check failed")])
def test_a_hopskipjump_that_ends_farther_away_is_found_out(share, state, case, monkeypatch, tmp_path):
    """The peers end at the opposite colours, or on the image itself, after any number of queries."""

    def theirs(name, net, x, y, *, norm, steps):
        def act():
            net.queries += 10**6
            return x + share * (1 - 2 * x)

        return act if name == "ART" else None

    monkeypatch.setattr(peers, "hopskipjump", theirs)
    here = Attacked(case.target, "a plane", case.x[10:], case.y[10:])
    monkeypatch.setattr(hopskipjump, "attacked", lambda settings, count: here)
    monkeypatch.setattr(hopskipjump, "ours", lambda net, x, precision: net)
    lines = hopskipjump.measure(Settings(torch.device("cpu"), tmp_path, repeats=1, quick=True))["lines"]
    assert {key: line["state"] for key, line in lines.items() if key.startswith("art")} == dict.fromkeys(
        ("art-l2-fp32", "art-l2-bf16", "art-linf-fp32", "art-linf-bf16"), state
    )
    assert {line["state"] for key, line in lines.items() if key.startswith("foolbox")} == {"Foolbox is not installed"}
