"""Every part of the protocol measures what it says, on every model."""

from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from defective import AttackSpec, Ensemble, InputError, build
from defective.attacks import fgsm
from defective.data import ImageSet, index_hash
from defective.data.stimuli import Stimuli
from defective.evaluation import (
    PARTS,
    STRENGTHS,
    CustomAttack,
    EvaluatedModel,
    EvaluationResult,
    LogitsAdapter,
    SanityCheck,
    accuracy,
    common_sample,
    corruption_curve,
    evaluate,
    generate,
    mask_average,
    shape_report,
    threat_model,
)
from defective.evaluation.settings import Settings
from defective.statistics import Rate, paired_difference
from evaluations import FGSM, OWN, PGD, SMALL, TRANSFER, cells, masked, plain, wrong
from problems import linear_net, plane


def test_every_target_meets_every_source_and_attack(drawn, zoo):
    targets = {"plain": zoo["vgg19"], "bottom": zoo["vgg19/0.5-bottom"]}
    sources = {"twin": build("vgg19", seed=9, width_mult=0.0625), "bottom again": zoo["vgg19/0.5-bottom"]}
    found = evaluate(targets, drawn, sources=sources, attacks=[FGSM, PGD], parts=("transfer", "white-box"), samples=6, mask_draws=2)
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
        assert cell["defense"]["all"]["total"] == cell["images"] == len(outcome.adversarial.index) <= 6
        assert cell["sample"] == index_hash(outcome.adversarial.index) and cell["change"]["linf_max"] <= 8 / 255 + 1e-6


def test_an_attack_named_twice_is_made_once(data):
    attacks = [OWN[0], FGSM, AttackSpec.parse("fgsm:eps=8/255"), FGSM]
    found = evaluate({"a": plane()}, data, sources={"b": plane(1)}, attacks=attacks, parts=("transfer", "white-box"), samples=5)
    assert [cell[2] for cell in cells(found)[:2]] == [str(OWN[0]), str(FGSM)]
    assert len(cells(found)) == len(set(cells(found))) == 2 + len(OWN) + 1


def test_a_net_under_two_names_is_in_the_table_under_both(data):
    net = plane()
    found = evaluate({"a": net, "b": net}, data, sources={"c": net}, attacks=[FGSM], parts=TRANSFER, samples=5)
    assert cells(found) == [("a", "c", str(FGSM), "white-box"), ("b", "c", str(FGSM), "white-box")]
    assert found.accuracies.keys() == {"a", "b"}


def test_outcomes_are_those_of_the_nets(data):
    targets = {"one": plane(1), "other": plane(2)}
    found = evaluate(targets, data, sources={"source": plane()}, attacks=[FGSM], parts=TRANSFER, samples=30, seed=4)
    made = generate(EvaluatedModel.of("source", plane(), data), FGSM, samples=30, seed=4)
    stored = found.as_tensors()
    for number, (name, net) in enumerate(targets.items()):
        assert (found.accuracies[name].hits, found.accuracies[name].total) == (
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
        assert (rate.hits, rate.total) == (int((right[1] & counted).sum()), int(counted.sum()))


def test_sets_that_were_crafted_before_are_scored_first_whatever_the_parts(data):
    made = generate(EvaluatedModel.of("before", plane(1), data), FGSM, samples=5)
    found = evaluate({"a": plane(), "b": plane(2)}, data, adversarial=[made], parts=("noise",), samples=5)
    assert cells(found) == [(target, "before", str(FGSM), "black-box") for target in ("a", "b")]
    assert found.outcomes[0].adversarial is made


def test_images_may_be_kept_as_floats(data):
    for rounded in (True, False):
        found = evaluate({"a": plane()}, data, sources={"b": plane(1)}, attacks=[FGSM], parts=TRANSFER, samples=5, rounded=rounded)
        assert found.outcomes[0].adversarial.x_adv.is_floating_point() is not rounded
        assert found.as_dict()["cells"][0]["rounded"] is rounded


def test_every_further_model_is_compared_with_the_first_on_the_same_images(data):
    targets = {name: plane(number) for number, name in enumerate(("first", "second", "third"))}
    found = evaluate(targets, data, sources={"s": plane(3), "t": plane(4)}, attacks=[FGSM], parts=TRANSFER, samples=40)
    rows = plain(found)["differences"]
    assert [(row["model"], row["against"], row["source"]) for row in rows] == [
        (model, "first", source) for source in ("s", "t") for model in ("second", "third")
    ]
    for row, (first, other, _) in zip(rows, found.differences(), strict=True):
        assert first.adversarial is other.adversarial and (first.target, other.target) == ("first", row["model"])
        expected = paired_difference((other.adv_correct, other.eligible("paper")), (first.adv_correct, first.eligible("paper")))
        assert (row["difference"], row["low"], row["high"], row["significant"]) == (*expected, expected.significant)
        assert (row["first"], row["second"]) == tuple(each.rate("paper").as_dict() for each in (first, other))


def test_a_model_is_not_compared_on_images_that_were_made_on_it(data):
    targets = {"first": plane(), "second": plane(1), "third": plane(2)}
    found = evaluate(targets, data, sources=targets, attacks=[FGSM], parts=("transfer", "white-box"), samples=20)
    pairs = [(row["source"], row["model"]) for row in found.as_dict()["differences"]]
    assert pairs == [("second", "third"), ("third", "second")]


@pytest.mark.parametrize("source", ["over masks", "fused"])
def test_nor_where_its_weights_are_in_the_source(data, source):
    targets = {"first": plane(), "second": masked()}
    sources = {"over masks": mask_average(targets["second"], draws=2), "fused": Ensemble([targets["second"], plane(3)])}
    found = evaluate(targets, data, sources={"s": sources[source].eval()}, attacks=[FGSM], parts=TRANSFER, samples=20)
    assert [told for *_, told in cells(found)] == ["black-box", "white-box (shared weights)"]
    assert found.differences() == []


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
    assert document["skipped"] == {} and document["accuracy"]["a"]["hits"] == 60 == document["test_images"]


def test_the_same_images_are_disturbed_for_every_model(data):
    nets = {"a": plane(), "b": plane(1)}
    found = evaluate(nets, data, parts=("noise", "shuffle"), samples=9, confidence=0.8, seed=2)
    subjects = [EvaluatedModel.of(name, net, data) for name, net in nets.items()]
    for curves, confidence, corruption, strengths in (
        (found.noise, 0.0, "noise", STRENGTHS["noise"]),
        (found.shuffled, 0.8, "shuffle", (1, 2, 4)),
    ):
        assert torch.equal(curves.index, common_sample(subjects, 9, confidence=confidence, seed=2))
        x, y = data.take(curves.index)
        for name, net in nets.items():
            expected = corruption_curve(net, x, y, corruption, strengths=strengths, seed=2)
            assert list(curves.rates[name]) == list(strengths) and curves.rates[name] == expected
    assert not torch.equal(found.shuffled.index, found.noise.index) and len(found.noise.index) == 9
    assert plain(found)["shuffle"]["images"] == len(found.shuffled.index)


def test_only_grids_that_divide_both_sides_are_shuffled():
    x = torch.randint(256, (10, 1, 4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    net = plane(shape=(1, 4, 6))
    data = ImageSet("wide", "test", x, net(x / 255).argmax(1), ("a", "b"))
    found = evaluate({"a": net}, data, parts=("shuffle",), confidence=0)
    assert list(found.shuffled.rates["a"]) == [1, 2] and found.shuffled.rates["a"][1] == 1


def test_no_image_that_all_are_sure_of_is_no_rate(data):
    found = evaluate({"a": plane(), "b": wrong(1)}, data, parts=("shuffle",), confidence=1)
    document = plain(found)["shuffle"]
    assert document["images"] == 0
    assert {each["rate"] for curve in document["accuracy"].values() for each in curve.values()} == {None}


def test_stimuli_are_put_to_every_model(data):
    stimuli = Stimuli((data.x[:20], data.y[:20], 1 - data.y[:20]), (data.x[:7], data.y[:7]), (data.x[:0], data.y[:0]), 0, 0)
    nets = {"a": plane(), "b": wrong()}
    found = evaluate(nets, data, stimuli=stimuli, parts=("stimuli",))
    assert plain(found)["stimuli"] == {name: shape_report(net, stimuli).as_dict() for name, net in nets.items()}
    assert (found.stimuli["a"].bias, found.stimuli["b"].bias) == (1, 0)


MISTAKES = {
    "unknown part": ({"parts": ("transfer", "magic")}, r"^parts\.1 = 'magic': Input should be 'transfer', 'white-box'"),
    "no part": ({"parts": ()}, r"^parts = \(\)"),
    "no samples": ({"samples": 0}, "^samples = 0"),
    "no walks": ({"decision_samples": -1}, "^decision_samples = -1"),
    "no images to check": ({"check_samples": 0}, "^check_samples = 0"),
    "more than sure": ({"confidence": 1.5}, r"^confidence = 1\.5"),
    "no number": ({"confidence": float("nan")}, "^confidence = nan"),
    "fewer than no masks": ({"mask_draws": -1}, "^mask_draws = -1"),
    "empty batches": ({"batch_size": 0}, "^batch_size = 0"),
    "negative seed": ({"seed": -1}, "^seed = -1"),
    "no decision": ({"decision": FGSM}, "^decision = .*fgsm:eps=8/255 needs more than decisions"),
    "no attack": ({"attacks": [3]}, r"^attack 3 is neither a name nor a callable"),
    "no module": ({"sources": {"s": len}}, r"^model 's' is builtin_function_or_method, not a torch.nn.Module"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_settings_that_make_no_sense_are_refused_in_one_line(data, case):
    changes, said = MISTAKES[case]
    with pytest.raises(InputError, match=said) as caught:
        evaluate({"a": plane()}, data, **changes)
    assert "\n" not in str(caught.value)


def test_no_model_is_refused(data):
    with pytest.raises(InputError, match="no model"):
        evaluate({}, data)


@pytest.mark.parametrize(("targets", "sources"), [({"misfit": True}, {}), ({"a": False}, {"misfit": True})])
def test_a_model_that_does_not_fit_is_named_before_any_work(data, targets, sources):
    misfit = linear_net(classes=3).float()
    nets = [{name: misfit if bad else plane() for name, bad in each.items()} for each in (targets, sources)]
    with pytest.raises(InputError, match=r"^misfit knows 3 classes, levels has 2"):
        evaluate(nets[0], data, sources=nets[1], attacks=[CustomAttack("mine", pytest.fail)])


def test_checks_that_failed_are_listed_by_model():
    said = {
        "a": [SanityCheck("steps", "passed", ""), SanityCheck("radius", "failed", "")],
        "b": [SanityCheck("steps", "undecided", ""), SanityCheck("noise", "failed", ""), SanityCheck("unbounded", "failed", "")],
    }
    found = EvaluationResult("data", 1, Settings(), {"a": Rate.of(1, 1)}, checks=said)
    assert found.failed() == ["a: radius", "b: noise", "b: unbounded"]
    assert plain(found)["checks"]["b"][1]["verdict"] == "failed"


# --- the forms in which models, data and attacks are given ---


def as_pair(data):
    return data.x, data.y


def as_dataset(data):
    return TensorDataset(data.x, data.y)


def as_loader(data):
    return DataLoader(TensorDataset(data.x, data.y), batch_size=7)


@pytest.mark.parametrize("form", [as_pair, as_dataset, as_loader])
def test_data_in_any_form_measures_the_same(data, form):
    options = {"sources": {"s": plane(1)}, "attacks": [FGSM], "parts": TRANSFER, "samples": 12}
    expected, found = (plain(evaluate({"a": plane()}, each, **options)) for each in (data, form(data)))
    assert found == expected | {"data": "data"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "data is int: pass images and labels"),
        ((torch.rand(4, 2, 4, 4), torch.zeros(3, dtype=torch.long)), "labels are"),
        ([("path", 1)], r"the data set returned tuple, not an image tensor and a label: add a transform, as ToTensor\(\)"),
        ([], "the data set has no image"),
    ],
)
def test_data_in_no_form_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        evaluate(plane(), given)


def test_one_model_and_several_have_names(data):
    options = {"attacks": ["fgsm:eps=8/255"], "parts": TRANSFER, "samples": 5}
    net = build("vgg19", num_classes=2, width_mult=0.0625).eval()
    assert list(evaluate(plane(), data, parts=("checks",), check_samples=5).accuracies) == ["Sequential"]
    found = evaluate([plane(), plane(1)], data, sources=plane(2), **options)
    assert cells(found) == [(name, "Sequential", "fgsm:eps=8/255", "black-box") for name in ("Sequential 1", "Sequential 2")]
    twin = plane()
    assert cells(evaluate(twin, data, sources=[twin, plane(2)], **options)) == [
        ("Sequential", "Sequential", "fgsm:eps=8/255", "white-box"),
        ("Sequential", "source Sequential", "fgsm:eps=8/255", "black-box"),
    ]
    assert str(net.spec) == "vgg19"


def test_a_callable_is_an_attack(data):
    def mine(model, x, y):
        return fgsm(model, x, y, eps=8 / 255)

    options = {"sources": {"s": plane(1)}, "parts": TRANSFER, "samples": 9}
    one, other = (evaluate({"a": plane()}, data, attacks=[attack], **options).outcomes[0] for attack in (mine, FGSM))
    assert one.adversarial.attack == "mine" and torch.equal(one.adversarial.x_adv, other.adversarial.x_adv)
    mine.eps = 1 / 255
    with pytest.raises(InputError, match=r"^mine on s: the attack left the ball"):
        evaluate({"a": plane()}, data, attacks=[mine], **options)


class Wrapped(nn.Module):
    def __init__(self, net, wrap):
        super().__init__()
        self.net, self.wrap = net, wrap

    def forward(self, x):
        return self.wrap(self.net(x))


class InPlace(nn.Module):
    """Writes into the images that it is given."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        z = self.net(x + 0)
        x.mul_(0)
        return z


@dataclass
class Output:
    logits: torch.Tensor


OUTPUTS = {
    "dict": lambda net: Wrapped(net, lambda z: {"loss": None, "logits": z}),
    "dataclass": lambda net: Wrapped(net, Output),
    "adapter": lambda net: LogitsAdapter(Wrapped(net, lambda z: (None, z)), lambda output: output[1]),
    "in place": InPlace,
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_a_model_that_returns_more_than_logits_or_works_in_place_measures_the_same(data, case):
    floats = ImageSet("levels", "test", data.x / 255, data.y, data.classes)
    before = floats.x.clone()
    options = {"attacks": [FGSM, PGD], **SMALL}
    expected = plain(evaluate({"a": plane()}, floats, sources={"s": plane(1)}, **options))
    found = plain(evaluate({"a": OUTPUTS[case](plane())}, floats, sources={"s": OUTPUTS[case](plane(1))}, **options))
    assert found == expected and torch.equal(floats.x, before)


def test_any_other_output_is_refused_with_the_way_out(data):
    with pytest.raises(
        InputError, match=r"^a: the model returned tuple for 8 images, .*LogitsAdapter\(model, lambda output: output\[0\]\)"
    ):
        evaluate({"a": Wrapped(plane(), lambda z: (z, z))}, data)


def test_progress_is_shown_by_what_the_caller_passes(data):
    shown = []

    @contextmanager
    def progress(description, total, *, unit):
        shown.append([description, total, unit, 0])

        def advance(n=1):
            shown[-1][3] += n

        yield advance

    options = {"sources": {"s": plane(1)}, "attacks": [FGSM], "parts": TRANSFER, "samples": 9}
    one = evaluate({"a": plane()}, data, progress=progress, **options)
    assert ["fgsm:eps=8/255 on s", 9, "images", 9] in shown
    other = evaluate({"a": plane()}, data, progress=False, **options)
    assert plain(one) == plain(other)
