"""Rows with made-up peers, whose right answers are known, and the peers themselves on a small net."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks import accuracy, boundary, cw, gradient, memory, peers, sparse, step, throughput
from benchmarks.nets import Attacked, attacked, fresh, image_set
from benchmarks.settings import Settings
from benchmarks.step import DEFECTIVE, PLAIN
from defective import attacks, build, save
from defective.surgery import mask_layers
from evaluations import Around

NUMBERS = {"eps": 16 / 255, "step_size": 1 / 255, "steps": 5}


@pytest.fixture
def settings(tmp_path, monkeypatch):
    # Of the nets that are trained nothing is asked.
    monkeypatch.setattr(Settings, "amount", lambda self, full, quick: min(quick, 320))
    save(build("resnet18", width_mult=0.0625), tmp_path / "net.safetensors")
    return Settings(torch.device("cpu"), tmp_path, repeats=1, width=0.0625, quick=True, checkpoint=tmp_path / "net.safetensors")


@pytest.fixture
def made_peer(monkeypatch):
    """One peer, who attacks as we do, in a few steps."""
    few = {name: (act, numbers | ({"steps": 3} if "steps" in numbers else {})) for name, (act, numbers) in gradient.ATTACKS.items()}
    monkeypatch.setattr(gradient, "ATTACKS", few)

    def theirs(name, attack, net, x, y, **numbers):
        act, own = gradient.ATTACKS[attack]
        return (lambda: act(net, x, y, **own)) if name == "Foolbox" else None

    monkeypatch.setattr(peers, "gradient", theirs)
    monkeypatch.setattr(peers, "versions", lambda: {"Foolbox": "3.3.4"})


def states(found):
    return {key: line["state"] for key, line in found["lines"].items()}


def test_equal_images_are_timed(settings, made_peer):
    found = gradient.measure(settings)
    assert {key: line["check"] for key, line in found["lines"].items() if line["state"] != "measured"} == {}
    assert len(found["lines"]) == 8
    assert found["missing"] == ["torchattacks is not installed", "ART is not installed"]
    line = found["lines"]["pgd-fp32"]
    assert line["note"] == "the fastest is Foolbox" and "100.00 % of the pixels equal to Foolbox's" in line["check"]
    assert {"ours fp32", "ours bf16", "Foolbox"} == line["seconds"].keys()
    assert line["ratio"]["median"] == line["seconds"]["Foolbox"][0] / line["seconds"]["ours fp32"][0]


def test_another_net_in_place_of_ours_is_found_out_and_no_time_is_taken(settings, made_peer, monkeypatch):
    def opposite(net, x, precision):
        return Around(net, after=lambda z, x: -z) if precision == "fp32" else net

    monkeypatch.setattr(gradient, "ours", opposite)
    found = gradient.measure(settings)
    names = [f"{attack}-fp32" for attack in ("fgsm", "pgd", "mifgsm", "defective")]
    assert {key: state for key, state in states(found).items() if "fp32" in key} == dict.fromkeys(names, "check failed")
    assert not any("seconds" in line for key, line in found["lines"].items() if "fp32" in key)


def test_without_any_peer_nothing_is_compared(settings, monkeypatch):
    monkeypatch.setattr(peers, "gradient", lambda *args, **numbers: None)
    monkeypatch.setattr(peers, "versions", dict)
    found = gradient.measure(settings)
    assert set(states(found).values()) == {"no peer is installed"}
    assert found["missing"] == ["Foolbox is not installed", "torchattacks is not installed", "ART is not installed"]


@pytest.mark.parametrize("name", list(peers.PEERS))
def test_the_peers_attack_as_they_are_told(name, small_net, generator):
    if name not in peers.versions():
        pytest.skip(f"{name} is not installed")
    x, net = torch.rand(3, 3, 8, 8, generator=generator), small_net.float()
    y = net(x).argmax(1)
    for attack, act in (("fgsm", attacks.fgsm), ("pgd", attacks.pgd), ("mifgsm", attacks.mifgsm)):
        theirs = peers.gradient(name, attack, net, x, y, **NUMBERS)
        if theirs is None:
            assert (name, attack) == ("Foolbox", "mifgsm")
            continue
        own = act(net, x, y, **(NUMBERS if attack != "fgsm" else {"eps": NUMBERS["eps"]}))
        assert (theirs() - own).abs().max() <= 1e-6
    numbers = {"confidence": 0.0, "steps": 20, "lr": 0.01, "initial_const": 1.0}
    assert (peers.carlini_wagner(name, net, x, y, search_steps=2, **numbers) is None) == (name == "torchattacks")
    assert peers.carlini_wagner(name, net, x, y, search_steps=1, **numbers)().shape == x.shape


def test_a_distance_counts_where_both_fool_the_net():
    net, y = nn.Flatten(), torch.tensor([1, 1, 1])
    x = torch.tensor([[0.4, 0.6]] * 3)[:, :, None, None]
    near, far, unmoved = (torch.tensor(each)[:, None, None] for each in ([0.6, 0.6 - 1e-3], [0.9, 0.6], [0.4, 0.6]))
    here = Attacked(net, "two pixels", x, y)
    own, their = torch.stack([near, near, unmoved]), torch.stack([far, unmoved, unmoved])
    assert cw.no_worse(here, own, "P", their) == (True, "2 images of 3 fooled and 1 by P, mean L2 0.2000 and 0.5000")
    assert not cw.no_worse(here, their, "P", own)[0]
    assert not cw.no_worse(here, torch.stack([far, far, unmoved]), "P", own)[0]
    assert not cw.no_worse(here, x, "P", x)[0]


@pytest.mark.parametrize(("distance", "queries", "passed"), [(1.0, 50, True), (1.02, 50, False), (0.5, 52, False), (0.5, 40, True)])
def test_a_walk_is_no_worse_at_no_more_queries(distance, queries, passed):
    own = [boundary.Turn(torch.tensor([distance, 0.1, 9.0]), queries)]
    theirs = [boundary.Turn(torch.tensor([1.0, 0.2, 8.0]), 50)]
    assert boundary.no_worse(own, theirs, "P")[0] == passed
    assert boundary.no_worse(own, theirs, "P", more=0.05)[0] == (distance <= 1)


def test_every_query_counts(small_net):
    counting = boundary.Counting(small_net)
    counting(torch.rand(3, 3, 8, 8))
    counting(torch.rand(2, 3, 8, 8, dtype=torch.float32))
    assert counting.queries == 5


def test_the_images_to_attack_are_those_that_the_net_gets_right(settings):
    here = attacked(settings, 5)
    assert len(here.x) == 5 and torch.equal(here.net(here.x).argmax(1), here.y)
    assert here.about == "resnet18 of a checkpoint" and not here.net.training


def test_masks_that_let_a_dead_neuron_live_are_found_out(settings, monkeypatch):
    assert states(step.measure(settings)) == {"fp32": "measured", "bf16": "measured"}

    def leaking(name, *args):
        net = fresh(name, *args)
        for layer in mask_layers(net).values():
            layer.forward = lambda z: z
        return net

    monkeypatch.setattr(step, "fresh", leaking)
    found = step.measure(settings)
    assert set(states(found).values()) == {"check failed"} and "are not 0" in found["lines"]["fp32"]["check"]


def test_sparse_logits_that_are_wrong_are_found_out(settings, monkeypatch):
    monkeypatch.setattr(sparse, "sparsify", lambda net, x, precision="fp32": net)
    assert set(states(sparse.measure(settings)).values()) == {"measured"}
    monkeypatch.setattr(sparse, "sparsify", lambda net, x, precision="fp32": nn.Sequential(net, nn.Softmax(1)))
    assert set(states(sparse.measure(settings)).values()) == {"check failed"}


def test_both_training_loops_are_timed_if_their_losses_agree(settings, monkeypatch):
    (line,) = throughput.measure(settings)["lines"].values()
    assert line["ratio"]["median"] == line["seconds"]["theirs"][0] / line["seconds"]["ours"][0]
    monkeypatch.setattr(throughput.UsualLoop, "epoch", lambda self: 9.0)
    assert states(throughput.measure(settings)) == {"loop": "check failed"}


def test_the_time_to_an_accuracy_is_that_of_the_epochs_it_takes(settings, monkeypatch):
    # 4 % is reached at once, by chance alone; 101 % never is.
    monkeypatch.setattr(accuracy, "TARGETS", (4, 101))
    found = accuracy.measure(settings)
    curves = found["curves"]
    assert [len(curves[name][key]) for name in curves for key in ("seconds", "accuracy")] == [found["turns"]] * 4 == [2] * 4
    reached, missed = found["lines"].values()
    assert reached["ratio"]["values"] == [
        a / b for a, b in zip(curves["theirs"]["seconds"], curves["ours"]["seconds"], strict=True)
    ]
    assert reached["note"].endswith("4 % after 1 epochs of ours, 1 of theirs")
    assert missed["state"].startswith("one of the two does not reach 101 %: ours ") and "theirs" in missed["state"]


def test_the_usual_training_ends_at_the_highest_target_and_its_rate_falls(settings, monkeypatch):
    rates = []
    monkeypatch.setattr(accuracy.UsualLoop, "set_lr", lambda self, lr: rates.append(lr))
    monkeypatch.setattr(accuracy.UsualLoop, "epoch", lambda self: 0.0)
    monkeypatch.setattr(accuracy, "TARGETS", (101,))
    settings = replace(settings, epochs=1)
    monkeypatch.setattr(Settings, "amount", lambda self, full, quick: 4 if full == accuracy.USUAL_EPOCHS else quick)
    assert len(accuracy.measure(settings)["curves"]["theirs"]["seconds"]) == 4
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.001])
    monkeypatch.setattr(accuracy, "TARGETS", (0,))
    assert len(accuracy.measure(settings)["curves"]["theirs"]["seconds"]) == 1


def test_the_usual_loop_trains_on_images_such_as_it_is_scored_on(settings):
    data = image_set(settings, "train")
    loop = throughput.UsualLoop(fresh(PLAIN, settings, torch.rand(2, 3, 32, 32)), data, settings, 0.1)
    pixels = torch.stack([loop.loader.dataset[index][0] for index in range(8)])
    assert pixels.min() >= 0 and 0.5 < pixels.max() <= 1


def test_an_accuracy_counts_from_the_first_epoch_that_has_it():
    curve = accuracy.Curve([1.0] * 4, [0.8, 0.851, 0.84, 0.9])
    assert [curve.epochs_until(percent) for percent in (80, 85, 90, 91)] == [1, 2, 4, None]


def test_what_a_training_step_keeps_is_counted_once(settings):
    x, y = torch.rand(4, 3, 32, 32), torch.zeros(4, dtype=torch.long)
    plain, defective = (memory.saved_bytes(fresh(net, settings, x), x, y) for net in (PLAIN, DEFECTIVE))
    twice = memory.saved_bytes(fresh(PLAIN, settings, x), torch.cat([x, x]), torch.cat([y, y]))
    assert 1.9 < twice / plain <= 2 and plain <= defective < 1.1 * plain
