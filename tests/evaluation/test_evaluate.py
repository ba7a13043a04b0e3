"""Every part of the protocol measures what it says, on every model."""

import pytest
import torch
from torch import nn

from defective import AttackSpec, Ensemble, build
from defective.data import ImageSet, index_hash
from defective.data.stimuli import Stimuli
from defective.evaluation import EvaluatedModel, accuracy, evaluate, evaluated_model, generate
from defective.evaluation.corruptions import STRENGTHS, corruption_curve
from defective.evaluation.evaluated_model import common_sample
from defective.evaluation.settings import PARTS
from defective.evaluation.shape_bias import shape_report
from defective.evaluation.threat_model import mask_average, threat_model
from defective.sparse.sparsify import SparseNet
from defective.statistics import paired_difference
from evaluations import FGSM, OWN, PGD, SMALL, TRANSFER, Around, cells, masked, plain, wrong
from problems import plane
from trainings import some_shapes


def test_every_target_meets_every_source_and_attack():
    plain_net, bottom, twin = (
        build(name, seed=seed, width_mult=0.0625).eval() for name, seed in (("vgg19", 0), ("vgg19/0.5-bottom", 1), ("vgg19", 9))
    )
    targets, sources = {"plain": plain_net, "bottom": bottom}, {"twin": twin, "bottom again": bottom}
    options = {"sources": sources, "attacks": [FGSM, PGD], "parts": ("transfer", "white-box")}
    found = evaluate(targets, some_shapes(100), **options, samples=6, mask_draws=2)
    transfer = [
        (target, source, str(attack), told)
        for source, told_of in (
            ("twin", ("gray-box (same architecture)", "black-box")),
            ("bottom again", ("black-box", "white-box")),
            ("bottom again over 2 masks", ("black-box", "white-box (shared weights)")),
        )
        for attack in (FGSM, PGD)
        for target, told in zip(targets, told_of, strict=True)
    ]
    white = {
        "plain": [("plain", "plain", str(attack), "white-box") for attack in (*OWN, FGSM, PGD)],
        # On its own as a source it was attacked by the last two already.
        "bottom": [("bottom", "bottom", str(attack), "white-box") for attack in OWN],
    }
    assert cells(found) == [*transfer, *white["plain"], *white["bottom"]]
    for outcome in found.outcomes:
        if outcome.adversarial.source in sources:
            assert outcome.threat_model == threat_model(sources[outcome.adversarial.source], targets[outcome.target])
    document = plain(found)
    for cell, outcome in zip(document["cells"], found.outcomes, strict=True):
        assert cell["defense"]["all"]["num_evaluated"] == cell["images"] == len(outcome.adversarial.index) <= 6
        assert cell["sample"] == index_hash(outcome.adversarial.index) and cell["change"]["linf_max"] <= 8 / 255 + 1e-6


def test_live_neurons_give_the_same_evaluation_and_the_same_threat_models():
    nets = [build("vgg19/0.3-bottom", seed=seed, width_mult=0.0625).eval() for seed in (0, 1)]
    one, other = (dict(zip(("target", "source"), nets, strict=True)) for _ in range(2))
    drawn = some_shapes(100)
    dense, live = (
        evaluate(
            {"target": each["target"]},
            drawn,
            sources=each,
            attacks=[FGSM],
            parts=("transfer", "noise"),
            samples=6,
            neurons=way,
            precision="fp32",
        )
        for each, way in ((one, "all"), (other, "live"))
    )
    assert live.settings.neurons == "live" and cells(dense) == cells(live)
    assert [cell.defense["all"] for cell in dense.cells] == [cell.defense["all"] for cell in live.cells]
    assert dense.accuracy == live.accuracy and dense.noise == live.noise
    ways = [EvaluatedModel.of("net", nets[0], drawn, neurons=way) for way in ("all", "auto", "live")]
    assert all(isinstance(way.fast, SparseNet) for way in ways[1:])
    assert ways[0].fast is nets[0] and all(way.model is nets[0] for way in ways)


def test_attacks_search_on_a_copy_in_bfloat16_and_the_model_classifies(monkeypatch):
    net = build("vgg19/0.3-bottom", width_mult=0.0625).eval()
    drawn = some_shapes(100)
    lone = {"precision": "bf16", "neurons": "auto"}
    copied = EvaluatedModel.of("net", net, drawn, **lone)
    assert isinstance(copied.surrogate, SparseNet) and (copied.surrogate.precision, copied.fast.precision) == ("bf16", "fp32")
    assert copied.computed == lone
    # Nothing is copied that must not be; keys of what is stored stay what they were.
    kept = [EvaluatedModel.of("net", net, drawn, **(lone | other)) for other in ({"neurons": "all"}, {"precision": "fp32"})]
    kept.append(EvaluatedModel.of("net", hooked(build("vgg19", width_mult=0.0625).eval()), drawn, **lone))
    assert all(each.surrogate is None and each.computed == {"neurons": each.neurons} for each in kept)
    for here in ("fp32", "bf16"):
        monkeypatch.setattr(
            evaluated_model, "resolve_precision", lambda device, asked, here=here: here if asked == "auto" else asked
        )
        assert (EvaluatedModel.of("net", net, drawn, precision="auto").surrogate is None) == (here == "fp32")
    attacks = [FGSM, "cw:steps=20,search_steps=1"]
    parts = ("white-box", "decision", "checks")
    found = evaluate({"net": net}, drawn, attacks=attacks, parts=parts, **SMALL, precision="bf16")
    assert found.settings.precision == "bf16" and "bfloat16" in str(found.as_table().notes)
    for outcome in found.outcomes:
        x_adv = outcome.adversarial.x_adv / 255
        assert torch.equal(outcome.adv_correct, net(x_adv).argmax(1) == outcome.adversarial.y)
    whole = evaluate({"net": net}, drawn, parts=("noise",), samples=6, precision="bf16")
    assert whole.settings.precision == "fp32" and "bfloat16" not in str(whole.as_table().notes)
    mine = evaluate(net, drawn, sources=net, attacks=lambda model, x, y: x, parts=TRANSFER, samples=6, precision="bf16")
    assert mine.settings.precision == "fp32"


def hooked(net: nn.Module) -> nn.Module:
    net.register_forward_hook(lambda module, args, output: None)
    return net


@pytest.mark.parametrize(
    "of",
    [
        lambda net: nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)),
        lambda net: net.bfloat16(),
        lambda net: net.double(),
        nn.DataParallel,
        torch.fx.symbolic_trace,
        hooked,
        Around,
    ],
    ids=["no convolution", "bfloat16", "float64", "wrapped", "graph", "hook", "a module of the user's"],
)
def test_auto_leaves_a_model_as_it_is(of):
    """What holds more than its graph, rounds otherwise, or gains nothing."""
    net = of(build("vgg19", width_mult=0.0625)).eval()
    found = EvaluatedModel.of("net", net, some_shapes(9))
    assert found.fast is found.model is net


def test_an_attack_of_the_users_gets_the_model_itself():
    net, seen = build("vgg19/0.5-bottom", width_mult=0.0625).eval(), []

    def keep(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        seen.append((model, next(model.parameters()).device))
        return x

    evaluate({"net": net}, some_shapes(40), sources={"net": net}, attacks=[keep], parts=TRANSFER, samples=5)
    assert {model for model, _ in seen} == {net}


def test_an_attack_named_twice_is_made_once(data):
    attacks = [OWN[0], FGSM, AttackSpec.parse("fgsm:eps=8/255"), FGSM]
    found = evaluate({"a": plane()}, data, sources={"b": plane(1)}, attacks=attacks, parts=("transfer", "white-box"), samples=5)
    assert [cell[2] for cell in cells(found)[:2]] == [str(OWN[0]), str(FGSM)]
    assert len(cells(found)) == len(set(cells(found))) == 2 + len(OWN) + 1


def test_outcomes_are_those_of_the_nets(data):
    targets = {"one": plane(1), "other": plane(2)}
    found = evaluate(targets, data, sources={"source": plane()}, attacks=[FGSM], parts=TRANSFER, samples=30, seed=4)
    made = generate(EvaluatedModel.of("source", plane(), data), FGSM, samples=30, seed=4)
    stored = found.as_tensors()
    for number, (name, net) in enumerate(targets.items()):
        assert (found.accuracy[name].num_correct, found.accuracy[name].num_evaluated) == (
            int((net(data.x / 255).argmax(1) == data.y).sum()),
            60,
        )
        assert torch.equal(found.outcomes[number].adversarial.x_adv, made.x_adv)
        right = [net(images / 255).argmax(1) == made.y for images in (made.x, made.x_adv)]
        expected = {"index": made.index, "fooled": made.fooled, "clean_correct": right[0], "adv_correct": right[1]}
        for part, tensor in expected.items():
            assert torch.equal(stored[f"{number}.{part}"], tensor)
        counted = right[0] & made.fooled
        rate = found.outcomes[number].rate()
        assert (rate.num_correct, rate.num_evaluated) == (int((right[1] & counted).sum()), int(counted.sum()))


def test_sets_that_were_generated_before_are_scored_first_whatever_the_parts(data):
    made = generate(EvaluatedModel.of("before", plane(1), data), FGSM, samples=5)
    found = evaluate({"a": plane(), "b": plane(2)}, data, adversarial=[made], parts=("noise",), samples=5)
    assert cells(found) == [(target, "before", str(FGSM), "unknown") for target in ("a", "b")]
    assert found.outcomes[0].adversarial is made


def test_a_set_has_the_threat_model_of_its_source_where_that_is_at_hand(data):
    sources = {"s": masked(1), "both": Ensemble([plane(), plane(1)])}
    sets = [generate(EvaluatedModel.of("before", model, data), FGSM, samples=5) for model in (*sources.values(), plane(2))]
    targets = {"a": plane(), "m": masked(), "c": plane(2)}
    found = evaluate(targets, data, sources=sources, adversarial=sets, parts=("noise",), samples=5)
    assert [each.threat_model for each in found.outcomes] == [
        *("black-box", "adaptive", "black-box"),
        *("white-box (shared weights)", "black-box", "black-box"),
        *("black-box", "black-box", "white-box"),
    ]
    assert {(each.model, each.against) for each in found.differences} == {("m", "a"), ("c", "a")}


def test_a_set_that_was_generated_before_stands_beside_the_white_box_attack_that_is_asked_for(data):
    sets = [generate(EvaluatedModel.of("a", plane(), data), FGSM, samples=5, seed=seed) for seed in (1, 2)]
    found = evaluate({"a": plane()}, data, adversarial=sets, attacks=FGSM, parts="white-box", samples=30)
    own = [each for each in found.outcomes if each.adversarial.attack == str(FGSM)]
    assert [len(each.adversarial.y) for each in own] == [5, 5, 30] and all(each.white_box for each in own)
    labels = [row[0] for row in found.as_table().rows]
    assert [f"{FGSM}{more}" in labels for more in ("", " (2)", " (3)", " (4)")] == [True, True, True, False]


def test_every_further_model_is_compared_with_the_first_on_the_same_images(data):
    targets = {name: plane(number) for number, name in enumerate(("first", "second", "third"))}
    found = evaluate(targets, data, sources={"s": plane(3), "t": plane(4)}, attacks=[FGSM], parts=TRANSFER, samples=40)
    rows = plain(found)["differences"]
    assert [(row["model"], row["against"], row["source"]) for row in rows] == [
        (model, "first", source) for source in ("s", "t") for model in ("second", "third")
    ]
    by_source = {(each.target, each.adversarial.source): each for each in found.outcomes}
    for row in rows:
        first, other = (by_source[model, row["source"]] for model in ("first", row["model"]))
        expected = paired_difference((other.adv_correct, other.eligible("paper")), (first.adv_correct, first.eligible("paper")))
        assert (row["difference"], row["low"], row["high"], row["significant"]) == (
            expected.estimate,
            *expected.interval,
            expected.significant,
        )
        assert (row["first"], row["second"]) == tuple(each.rate("paper").as_dict() for each in (first, other))


def test_a_model_is_not_compared_on_images_that_were_made_on_it(data):
    targets = {"first": plane(), "second": plane(1), "third": plane(2)}
    found = evaluate(targets, data, sources=targets, attacks=[FGSM], parts=("transfer", "white-box"), samples=20)
    pairs = [(each.source, each.model) for each in found.differences]
    assert pairs == [("second", "third"), ("third", "second")]


@pytest.mark.parametrize("source", ["over masks", "fused"])
def test_nor_where_its_weights_are_in_the_source(data, source):
    targets = {"first": plane(), "second": masked()}
    sources = {"over masks": mask_average(targets["second"], draws=2), "fused": Ensemble([targets["second"], plane(3)])}
    found = evaluate(targets, data, sources={"s": sources[source].eval()}, attacks=[FGSM], parts=TRANSFER, samples=20)
    assert [told for *_, told in cells(found)] == ["black-box", "white-box (shared weights)"]
    assert found.differences == ()


def test_sources_are_said_to_be_as_right_as_they_are(data):
    sources = {"s": plane(1), "m": masked(1)}
    averaged = mask_average(sources["m"], draws=2).eval()
    found = evaluate({"a": plane()}, data, sources=sources, attacks=[FGSM], parts=TRANSFER, samples=5, mask_draws=2)
    expected = {name: accuracy(net, data.x, data.y) for name, net in {**sources, "m over 2 masks": averaged}.items()}
    assert plain(found)["sources"] == {name: rate.as_dict() for name, rate in expected.items()}
    assert evaluate({"a": plane()}, data, sources=sources, parts=("noise",)).sources == {}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_can_be_run_alone(data, part):
    nothing = (torch.empty(0, 2, 4, 4, dtype=torch.uint8), torch.empty(0, dtype=torch.long))
    stimuli = Stimuli((*nothing, nothing[1]), nothing, (data.x[:5], data.y[:5]), 0, 0)
    found = evaluate({"a": plane(), "b": plane(1)}, data, sources={"s": plane(2)}, stimuli=stimuli, parts=(part,), **SMALL)
    document = plain(found)
    relations = {"white-box"} if part == "white-box" else {"black-box"} if part == "transfer" else set()
    assert {cell["threat_model"] for cell in document["cells"]} == relations
    parts = {"decision": "decision", "noise": "noise", "shuffle": "shuffle", "stimuli": "stimuli", "checks": "checks"}
    for name, key in parts.items():
        assert bool(document[key]) is (name == part)
    assert bool(document["differences"]) is (part == "transfer")
    assert document["skipped"] == {} and document["accuracy"]["a"]["num_correct"] == 60 == document["test_images"]


def test_the_same_images_are_disturbed_for_every_model(data):
    nets = {"a": plane(), "b": plane(1)}
    found = evaluate(nets, data, parts=("noise", "shuffle"), samples=9, confidence=0.8, seed=2)
    subjects = [EvaluatedModel.of(name, net, data) for name, net in nets.items()]
    for curves, confidence, corruption, strengths in (
        (found.noise, 0.0, "noise", STRENGTHS["noise"]),
        (found.shuffle, 0.8, "shuffle", (1, 2, 4)),
    ):
        index = common_sample(subjects, 9, confidence=confidence, seed=2)
        assert (curves.images, curves.sample) == (len(index), index_hash(index))
        x, y = data.take(index)
        for name, net in nets.items():
            expected = corruption_curve(net, x, y, corruption, strengths=strengths, seed=2)
            assert list(curves.accuracy[name]) == list(strengths) and curves.accuracy[name] == expected
    assert found.shuffle.sample != found.noise.sample and found.noise.images == 9


def test_only_grids_that_divide_both_sides_are_shuffled():
    x = torch.randint(256, (10, 1, 4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    net = plane(shape=(1, 4, 6))
    data = ImageSet("wide", "test", x, net(x / 255).argmax(1), ("a", "b"))
    found = evaluate({"a": net}, data, parts=("shuffle",), confidence=0)
    assert list(found.shuffle.accuracy["a"]) == [1, 2] and found.shuffle.accuracy["a"][1] == 1


def test_no_image_that_all_are_sure_of_is_no_rate(data):
    found = evaluate({"a": plane(), "b": wrong(1)}, data, parts=("shuffle",), confidence=1)
    document = plain(found)["shuffle"]
    assert document["images"] == 0
    assert {each["rate"] for curve in document["accuracy"].values() for each in curve.values()} == {None}


def test_stimuli_are_put_to_every_model(data):
    stimuli = Stimuli((data.x[:20], data.y[:20], 1 - data.y[:20]), (data.x[:7], data.y[:7]), (data.x[:0], data.y[:0]), 0, 0)
    nets = {"a": plane(), "b": wrong()}
    found = evaluate(nets, data, stimuli=stimuli, parts=("stimuli",))
    assert plain(found)["stimuli"] == {name: shape_report(net, stimuli).as_json() for name, net in nets.items()}
    assert (found.stimuli["a"].bias, found.stimuli["b"].bias) == (1, 0)
