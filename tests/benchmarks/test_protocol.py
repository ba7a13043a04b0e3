"""The core protocol twice: by evaluate and by hand, on linear models."""

import pytest
import torch

from benchmarks import peers, protocol
from benchmarks.usual_evaluation import Case, Turn, usual_evaluation
from defective import attacks
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
def both(monkeypatch):
    """Both evaluations, the peers' by attacks of ours with ``stronger`` times the radius."""
    target, source = plane(0, (3, 8, 8)), plane(1, (3, 8, 8))
    for other, parameter in zip(target.parameters(), source.parameters(), strict=True):
        parameter.data.lerp_(other.data, 0.5)
    x = torch.randint(0, 256, (60, 3, 8, 8), generator=seeded()) / 255
    y = target(x).argmax(1)
    y[:10] = 1 - y[:10]

    def evaluate_both(stronger=1):
        def gradient(name, attack, net, x, y, eps, **numbers):
            numbers = numbers if attack == "pgd" else {}
            return lambda: getattr(attacks, attack)(net, x, y, eps=min(1, stronger * eps), **numbers)

        def boundary(name, net, x, y, steps):
            return lambda: attacks.boundary(net, x, y, steps=steps, generator=seeded())

        monkeypatch.setattr(peers, "gradient", gradient)
        monkeypatch.setattr(peers, "boundary", boundary)
        case = Case(target, source, x, y, decision=10, steps=300, checks=20)
        return protocol.own_evaluation(case), usual_evaluation(case, {"fgsm": "P", "pgd": "P"})

    return evaluate_both


def test_both_evaluations_find_the_same(both):
    own, their = both()
    exact = [name for name in their.rates if not name.startswith(protocol.RANDOM)]
    assert {name: own.rates[name] for name in exact} == {name: their.rates[name] for name in exact}
    assert len(exact) == 23 and len(own.rates) == 38 and own.rates["accuracy"] == (50, 60)
    assert own.seconds.keys() == their.seconds.keys()
    assert protocol.agreement(own, their)[0]


def test_a_stronger_attack_is_found_out(both):
    passed, text = protocol.agreement(*both(stronger=2))
    assert (not passed and "pgd" in text) or "fgsm" in text
