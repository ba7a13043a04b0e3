"""Sources averaged over masks, and models that cannot be attacked."""

import pytest
import torch
from torch import nn

from defective import AttackSpec, InputError
from defective.attacks import fgsm
from defective.baselines import Thermometer
from defective.data import ImageSet
from defective.data.stimuli import Stimuli
from defective.evaluation import CustomAttack, evaluate
from defective.evaluation.threat_model import mask_average
from evaluations import FGSM, SMALL, TRANSFER, cells, masked, numb, plain, wrong
from problems import plane


def test_an_average_that_is_never_right_is_left_out(data):
    source = masked(1)
    answers = [net(data.x / 255).argmax(1) for net in (source, mask_average(source, draws=1))]
    apart = answers[0] != answers[1]
    options = {"attacks": [FGSM], "parts": TRANSFER, "mask_draws": 1, "samples": 60}
    average = "s over 1 masks"
    for right, sources, never in ((0, ["s"], average), (1, [average], "s")):
        few = ImageSet("few", "test", data.x[apart], answers[right][apart], data.classes)
        found = evaluate({"a": plane(), "s": source}, few, sources={"s": source}, **options)
        assert list(dict.fromkeys(source for _, source, _, _ in cells(found))) == sources
        assert list(found.skipped) == [never]


def test_a_model_that_is_never_right_does_not_keep_the_others_from_being_measured(data):
    nets = {"a": plane(), "never": wrong(), "b": plane(1)}
    options = {"attacks": [FGSM], **SMALL}
    stimuli = Stimuli((data.x[:9], data.y[:9], 1 - data.y[:9]), (data.x[:7], data.y[:7]), (data.x[:0], data.y[:0]), 0, 0)
    found = evaluate(nets, data, sources=nets, stimuli=stimuli, **options)
    without = {name: net for name, net in nets.items() if name != "never"}
    alone = evaluate(without, data, sources=without, stimuli=stimuli, **options)
    one, other = plain(found), plain(alone)
    assert one["skipped"] == {"never": "classifies no image of levels correctly, so that there is none to attack"}
    assert one["accuracy"]["never"]["num_correct"] == 0
    for part in ("decision", "noise", "shuffle", "checks"):
        assert one[part] == other[part]
    assert {name: one["stimuli"][name] for name in without} == other["stimuli"] and "never" in one["stimuli"]
    assert [cell for cell in one["cells"] if "never" not in (cell["target"], cell["source"])] == other["cells"]
    # It is still a target, of which no image counts.
    theirs = [cell for cell in one["cells"] if "never" in (cell["target"], cell["source"])]
    assert [(cell["target"], cell["source"]) for cell in theirs] == [("never", "a"), ("never", "b")]
    assert all(cell["defense"]["paper"]["num_evaluated"] == 0 for cell in theirs)


def test_a_model_without_a_gradient_is_spared_what_may_need_one(data):
    nets = {"numb": numb(), "a": plane(1)}
    attacks = [FGSM, AttackSpec.parse("noise"), CustomAttack("mine", lambda m, x, y: fgsm(m, x, y, eps=0.1), version="1")]
    found = evaluate(nets, data, sources=nets, attacks=attacks, **SMALL)
    assert found.skipped == {"numb": "has no gradient, so that fgsm, pgd, mine are left out"}
    assert {attack for _, source, attack, _ in cells(found) if source == "numb"} == {"noise:sigma=16/255"}
    assert {attack for target, source, attack, _ in cells(found) if (target, source) == ("numb", "a")} == {*map(str, attacks)}
    assert found.failed() == ["numb: gradient"] and found.decision["numb"].score
    assert found.noise.accuracy.keys() == nets.keys()
    alone = evaluate(nets, data, sources=nets, attacks=[FGSM], parts=TRANSFER, samples=5)
    assert alone.skipped == {"numb": "has no gradient, so that fgsm is left out"}
    spared = evaluate(nets, data, sources={"s": plane(2)}, attacks=[FGSM], parts=("transfer", "noise"), samples=5)
    assert spared.skipped == {}


def test_lspga_is_for_sources_with_an_encoder(data):
    torch.manual_seed(0)
    sources = {"coded": nn.Sequential(Thermometer(4), nn.Flatten(), nn.Linear(128, 2)), "s": plane(1)}
    found = evaluate({"a": plane()}, data, sources=sources, attacks=[FGSM, "lspga:eps=8/255"], parts=TRANSFER, samples=5)
    assert [(source, attack.split(":")[0]) for _, source, attack, _ in cells(found)] == [
        ("coded", "fgsm"),
        ("coded", "lspga"),
        ("s", "fgsm"),
    ]
    assert found.skipped == {"s": "has no encoder, so that lspga is left out"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (wrong(), "^alone classifies no image of levels correctly: train it"),
        (numb(), r"^fgsm:eps=8/255 on alone: the model's logits have no gradient"),
    ],
)
def test_a_source_that_was_named_for_it_and_cannot_be_attacked_is_a_mistake(data, source, said):
    with pytest.raises(InputError, match=said):
        evaluate({"a": plane()}, data, sources={"alone": source}, attacks=[FGSM], parts=TRANSFER)
