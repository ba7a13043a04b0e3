import json
import os
from functools import partial

import pytest
import torch
from torch import nn

from defective import AttackSpec, InputError, build, defect_
from defective.attacks import fgsm
from defective.data import ImageSet, index_hash, shapes
from defective.data.stimuli import Stimuli
from defective.evaluation import (
    PARTS,
    SIGMAS,
    WHITE_BOX,
    Check,
    Evaluation,
    OwnAttack,
    Rate,
    Settings,
    Subject,
    Work,
    checks,
    craft_on,
    crafted,
    decision,
    difference,
    evaluate,
    mask_average,
    noise_curve,
    relation,
    shape_report,
    shuffle_curve,
    subject,
)
from defective.evaluation.subject import common_sample
from problems import level_set, linear_net, plane

FGSM, PGD = AttackSpec.parse("fgsm:eps=8/255"), AttackSpec.parse("pgd:eps=8/255,step_size=4/255,steps=2")
OWN = WHITE_BOX[::3]
TRANSFER = ("transfer",)
SMALL = {
    "samples": 12,
    "decision": AttackSpec.parse("boundary:steps=5"),
    "decision_samples": 5,
    "check_samples": 8,
    "confidence": 0.6,
}


class Around(nn.Module):
    def __init__(self, net, after):
        super().__init__()
        self.net, self.after = net, after

    def forward(self, x):
        return self.after(self.net(x))


def wrong(seed=0):
    """Always the other class."""
    return Around(plane(seed), lambda z: -z)


def numb(seed=0):
    """Without a gradient."""
    return Around(plane(seed), lambda z: z.detach())


@pytest.fixture
def data():
    """Images that the first plane gets right."""
    return level_set(plane())


@pytest.fixture(scope="module")
def drawn():
    made = shapes("test")
    return ImageSet("some-shapes", "test", made.x[:100], made.y[:100], made.classes)


@pytest.fixture(scope="module")
def zoo():
    names = ("vgg19", "vgg19/0.5-bottom", "resnet18")
    return {name: build(name, seed=number, width_mult=0.0625).eval() for number, name in enumerate(names)}


def cells(found):
    return [(each.target, each.crafted.source, each.crafted.attack, each.relation) for each in found.outcomes]


def plain(found):
    """The JSON document, read again: it holds nothing but JSON, no nan among it."""
    document = found.as_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    return document


# --- transfer and white-box ---


def test_every_target_meets_every_source_and_attack(drawn, zoo):
    targets = {"plain": zoo["vgg19"], "bottom": zoo["vgg19/0.5-bottom"]}
    sources = {"twin": build("vgg19", seed=9, width_mult=0.0625), "bottom again": zoo["vgg19/0.5-bottom"]}
    found = evaluate(targets, drawn, sources=sources, attacks=[FGSM, PGD], parts=("transfer", "white-box"), samples=6, mask_draws=2)
    transfer = [
        (target, source, str(attack), told)
        for source, told_of in (
            ("twin", ("same structure", "black-box")),
            ("bottom again", ("black-box", "white-box")),
            ("bottom again over 2 masks", ("black-box", "own weights")),
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
        if outcome.crafted.source in sources:
            assert outcome.relation == relation(sources[outcome.crafted.source], targets[outcome.target])
    document = plain(found)
    for cell, outcome in zip(document["cells"], found.outcomes, strict=True):
        assert cell["defense"]["all"]["total"] == cell["images"] == len(outcome.crafted.index) <= 6
        assert cell["sample"] == index_hash(outcome.crafted.index) and cell["change"]["linf_max"] <= 8 / 255 + 1e-6


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
    made = craft_on(Subject.of("source", plane(), data), FGSM, samples=30, seed=4)
    stored = found.as_tensors()
    for number, (name, net) in enumerate(targets.items()):
        assert (found.accuracies[name].hits, found.accuracies[name].total) == (
            int((net(data.x / 255).argmax(1) == data.y).sum()),
            60,
        )
        assert torch.equal(found.outcomes[number].crafted.x_adv, made.x_adv)
        right = [net(images / 255).argmax(1) == made.y for images in (made.x, made.x_adv)]
        expected = {"index": made.index, "fooled": made.fooled, "clean_correct": right[0], "adv_correct": right[1]}
        for part, tensor in expected.items():
            assert torch.equal(stored[f"{number}.{part}"], tensor)
        counted = right[0] & made.fooled
        rate = found.outcomes[number].rate()
        assert (rate.hits, rate.total) == (int((right[1] & counted).sum()), int(counted.sum()))


def test_sets_that_were_crafted_before_are_scored_first_whatever_the_parts(data):
    made = craft_on(Subject.of("before", plane(1), data), FGSM, samples=5)
    found = evaluate({"a": plane(), "b": plane(2)}, data, crafted=[made], parts=("noise",), samples=5)
    assert cells(found) == [(target, "before", str(FGSM), "black-box") for target in ("a", "b")]
    assert found.outcomes[0].crafted is made


def test_images_may_be_kept_as_floats(data):
    for rounded in (True, False):
        found = evaluate({"a": plane()}, data, sources={"b": plane(1)}, attacks=[FGSM], parts=TRANSFER, samples=5, rounded=rounded)
        assert found.outcomes[0].crafted.x_adv.is_floating_point() is not rounded
        assert found.as_dict()["cells"][0]["rounded"] is rounded


# --- differences ---


def test_every_further_model_is_compared_with_the_first_on_the_same_images(data):
    targets = {name: plane(number) for number, name in enumerate(("first", "second", "third"))}
    found = evaluate(targets, data, sources={"s": plane(3), "t": plane(4)}, attacks=[FGSM], parts=TRANSFER, samples=40)
    rows = plain(found)["differences"]
    assert [(row["model"], row["against"], row["source"]) for row in rows] == [
        (model, "first", source) for source in ("s", "t") for model in ("second", "third")
    ]
    for row, (first, other, _) in zip(rows, found.differences(), strict=True):
        assert first.crafted is other.crafted and (first.target, other.target) == ("first", row["model"])
        expected = difference((first.adv_correct, first.counted("paper")), (other.adv_correct, other.counted("paper")))
        assert {key: row[key] for key in expected.as_dict()} == expected.as_dict()


def test_a_model_is_not_compared_on_images_that_were_made_on_it(data):
    targets = {"first": plane(), "second": plane(1), "third": plane(2)}
    found = evaluate(targets, data, sources=targets, attacks=[FGSM], parts=("transfer", "white-box"), samples=20)
    pairs = [(row["source"], row["model"]) for row in found.as_dict()["differences"]]
    assert pairs == [("second", "third"), ("third", "second")]


# --- parts ---


@pytest.mark.parametrize("part", PARTS)
def test_each_part_can_be_run_alone(data, part):
    nothing = (torch.empty(0, 2, 4, 4, dtype=torch.uint8), torch.empty(0, dtype=torch.long))
    stimuli = Stimuli((*nothing, nothing[1]), nothing, (data.x[:5], data.y[:5]), 0, 0)
    found = evaluate({"a": plane(), "b": plane(1)}, data, sources={"s": plane(2)}, stimuli=stimuli, parts=(part,), **SMALL)
    document = plain(found)
    relations = {"white-box"} if part == "white-box" else {"black-box"} if part == "transfer" else set()
    assert {cell["relation"] for cell in document["cells"]} == relations
    parts = {"decision": "decision", "noise": "noise", "shuffle": "shuffle", "stimuli": "stimuli", "checks": "checks"}
    for name, key in parts.items():
        assert bool(document[key]) is (name == part)
    assert bool(document["differences"]) is (part == "transfer")
    assert document["left_out"] == {} and document["accuracy"]["a"]["hits"] == 60 == document["test_images"]


def test_the_same_images_are_disturbed_for_every_model(data):
    nets = {"a": plane(), "b": plane(1)}
    found = evaluate(nets, data, parts=("noise", "shuffle"), samples=9, confidence=0.8, seed=2)
    subjects = [Subject.of(name, net, data) for name, net in nets.items()]
    for curves, confidence, measure, strengths in (
        (found.noise, 0.0, noise_curve, SIGMAS),
        (found.shuffled, 0.8, partial(shuffle_curve, grids=(1, 2, 4)), (1, 2, 4)),
    ):
        assert torch.equal(curves.index, common_sample(subjects, 9, confidence=confidence, seed=2))
        x, y = data.take(curves.index)
        for name, net in nets.items():
            expected = measure(net, x, y, seed=2)
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


# --- averages over masks ---


def masked(seed=0):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(2, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 2)).eval()
    defect_(net, 0.5, sites=["1"], example_inputs=torch.zeros(1, 2, 4, 4), seed=seed)
    return net


@pytest.mark.parametrize("draws", [0, 3])
def test_a_defective_source_is_averaged_over_masks_too(data, draws):
    targets = {"plain": plane(), "masked": masked(5)}
    sources = {"plain": plane(1), "masked": masked(1)}
    found = evaluate(targets, data, sources=sources, attacks=[FGSM], parts=TRANSFER, samples=5, mask_draws=draws)
    names = ["plain", "masked"] + ["masked over 3 masks"] * (draws > 0)
    assert list(dict.fromkeys(source for _, source, _, _ in cells(found))) == names
    assert {told for target, source, _, told in cells(found) if "masks" in source and target == "masked"} == (
        {"adaptive"} if draws else set()
    )


def test_an_average_that_is_never_right_is_left_out(data):
    source = masked(1)
    answers = [net(data.x / 255).argmax(1) for net in (source, mask_average(source, draws=1))]
    apart = answers[0] != answers[1]
    options = {"attacks": [FGSM], "parts": TRANSFER, "mask_draws": 1, "samples": 60}
    for right, sources in ((0, ["s"]), (1, ["s over 1 masks"])):
        few = ImageSet("few", "test", data.x[apart], answers[right][apart], data.classes)
        found = evaluate({"a": plane(), "s": source}, few, sources={"s": source}, **options)
        assert list(dict.fromkeys(source for _, source, _, _ in cells(found))) == sources
        assert list(found.left_out) == ([] if right == 0 else ["s"])


# --- models that cannot be attacked ---


def test_a_model_that_is_never_right_does_not_keep_the_others_from_being_measured(data):
    nets = {"a": plane(), "never": wrong(), "b": plane(1)}
    options = {"attacks": [FGSM], **SMALL}
    stimuli = Stimuli((data.x[:9], data.y[:9], 1 - data.y[:9]), (data.x[:7], data.y[:7]), (data.x[:0], data.y[:0]), 0, 0)
    found = evaluate(nets, data, sources=nets, stimuli=stimuli, **options)
    without = {name: net for name, net in nets.items() if name != "never"}
    alone = evaluate(without, data, sources=without, stimuli=stimuli, **options)
    one, other = plain(found), plain(alone)
    assert one["left_out"] == {"never": "classifies no image of levels right, so that there is none to attack"}
    assert one["accuracy"]["never"]["hits"] == 0
    for part in ("decision", "noise", "shuffle", "checks"):
        assert one[part] == other[part]
    assert {name: one["stimuli"][name] for name in without} == other["stimuli"] and "never" in one["stimuli"]
    assert [cell for cell in one["cells"] if "never" not in (cell["target"], cell["source"])] == other["cells"]
    # It is still a target, of which no image counts.
    theirs = [cell for cell in one["cells"] if "never" in (cell["target"], cell["source"])]
    assert [(cell["target"], cell["source"]) for cell in theirs] == [("never", "a"), ("never", "b")]
    assert all(cell["defense"]["paper"]["total"] == 0 for cell in theirs)


def test_models_of_which_none_is_ever_right_are_said_and_nothing_else(data):
    found = evaluate({"never": wrong()}, data, **SMALL)
    document = plain(found)
    assert list(document["left_out"]) == ["never"]
    assert not any(document[part] for part in ("cells", "decision", "noise", "shuffle", "checks"))


def test_a_model_without_a_gradient_is_attacked_by_its_decisions_alone(data):
    nets = {"numb": numb(), "a": plane(1)}
    attacks = [FGSM, AttackSpec.parse("noise"), OwnAttack("mine", lambda m, x, y: fgsm(m, x, y, eps=0.1), version="1")]
    found = evaluate(nets, data, sources=nets, attacks=attacks, **SMALL)
    assert found.left_out == {"numb": "has no gradient, so that it is attacked by its decisions alone"}
    assert {attack for _, source, attack, _ in cells(found) if source == "numb"} == {"noise:sigma=16/255"}
    assert {attack for target, source, attack, _ in cells(found) if (target, source) == ("numb", "a")} == {*map(str, attacks)}
    assert found.failed() == ["numb: gradient"] and found.decisions["numb"].started.any()
    assert found.noise.rates.keys() == nets.keys()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (wrong(), "^alone classifies no image of levels right: train it"),
        (numb(), r"^fgsm:eps=8/255 on alone: the model's logits have no gradient"),
    ],
)
def test_a_source_that_was_named_for_it_and_cannot_be_attacked_is_a_mistake(data, source, said):
    with pytest.raises(InputError, match=said):
        evaluate({"a": plane()}, data, sources={"alone": source}, attacks=[FGSM], parts=TRANSFER)


# --- the same again, and going on ---


def test_neither_batches_nor_kept_pieces_change_a_number(data, tmp_path):
    nets, sources = {"a": plane(), "b": plane(2)}, {"s": masked(1)}
    attacks = [FGSM, AttackSpec.parse("pgd:random_start=1,steps=2")]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, *others = (
        plain(evaluate(nets, data, sources=sources, attacks=attacks, mask_draws=2, **SMALL, **options))
        for options in (
            {},
            {"work": Work(tmp_path)},
            {"work": Work(tmp_path)},
            {"batch_size": 5},
            {"settings": Settings(batch_size=3)},
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


class Stopping:
    """FGSM that counts its calls and breaks off at one of them."""

    def __init__(self, at=0, error=KeyboardInterrupt):
        self.at, self.error, self.calls = at, error, []

    def __call__(self, model, x, y):
        self.calls.append(len(x))
        if len(self.calls) == self.at:
            raise self.error
        return fgsm(model, x, y, eps=8 / 255)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A crash of the machine is not part of these tests, the paper's six white-box attacks need not be all of them."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    monkeypatch.setattr("defective.evaluation.protocol.WHITE_BOX", OWN)


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(crafted, "CHUNK", 5)
    monkeypatch.setattr(subject, "CHUNK", 20)
    monkeypatch.setattr(decision, "CHUNK", 3)


NETS = {"a": plane(), "b": plane(2)}


def run(data, attack, work=None, nets=NETS):
    """All parts; the attack on one source, and on both models, of which one is a source too: 3 sets of 12 images, 3 pieces each."""
    own = OwnAttack("mine", attack, eps=8 / 255, version="1")
    return evaluate(nets, data, sources={"s": plane(1), "b": nets["b"]}, attacks=[own], work=work, mask_draws=0, **SMALL)


@pytest.fixture(scope="module")
def expected():
    """What a run that nothing disturbs ends with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("defective.evaluation.protocol.WHITE_BOX", OWN)
        patch.setattr(crafted, "CHUNK", 5)
        return plain(run(level_set(plane()), Stopping()))


@pytest.mark.parametrize(
    ("stop", "error"),
    [(1, KeyboardInterrupt), (2, KeyboardInterrupt), (4, ZeroDivisionError), (6, KeyboardInterrupt), (9, KeyboardInterrupt)],
)
def test_an_evaluation_goes_on_where_it_stopped(data, expected, tmp_path, small_pieces, stop, error):
    broken, rest, nothing = Stopping(stop, error), Stopping(), Stopping()
    pieces = [5, 5, 2] * 3
    with pytest.raises(error):
        run(data, broken, Work(tmp_path))
    assert broken.calls == pieces[:stop]
    found = run(data, rest, Work(tmp_path))
    assert rest.calls == pieces[stop - 1 :]
    assert plain(found) == expected
    assert plain(run(data, nothing, Work(tmp_path))) == expected and nothing.calls == []


def test_a_finished_evaluation_asks_nothing_more(data, expected, tmp_path, small_pieces, monkeypatch):
    assert plain(run(data, Stopping(), Work(tmp_path))) == expected
    written = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")}
    for module, name in ((crafted, "attack_batches"), (crafted, "score"), (decision, "boundary_details"), (checks, "pgd")):
        monkeypatch.setattr(module, name, lambda *_, name=name, **__: pytest.fail(name))
    for name in ("noise_curve", "shuffle_curve"):
        monkeypatch.setattr(f"defective.evaluation.protocol.{name}", lambda *_, name=name, **__: pytest.fail(name))
    assert plain(run(data, Stopping(), Work(tmp_path))) == expected
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
        run(data, Stopping(), Work(tmp_path), {"a": model, "b": NETS["b"]})
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")}
    assert kept or at < 3
    assert plain(run(data, Stopping(), Work(tmp_path), {"a": model, "b": NETS["b"]})) == expected
    assert {file: file.stat().st_mtime_ns for file in kept} == kept


def test_a_model_added_later_costs_its_own_cells_alone(data, tmp_path):
    first, second = Stopping(), Stopping()
    options = {"parts": TRANSFER, "samples": 12, "work": Work(tmp_path)}
    one = evaluate({"a": plane()}, data, sources={"s": plane(1)}, attacks=[OwnAttack("mine", first, version="1")], **options)
    mine = OwnAttack("mine", second, version="1")
    two = evaluate({"a": plane(), "b": plane(2)}, data, sources={"s": plane(1)}, attacks=[mine], **options)
    assert first.calls == [12] and second.calls == []
    assert two.as_dict()["cells"][0] == one.as_dict()["cells"][0]


# --- mistakes ---

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
    "no decision": ({"decision": FGSM}, "^decision = .*fgsm:eps=8/255 asks for more than decisions"),
    "unknown setting": ({"sample": 5}, "^sample = 5: Extra inputs"),
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
        evaluate(nets[0], data, sources=nets[1], attacks=[OwnAttack("mine", pytest.fail)])


def test_checks_that_failed_are_listed_by_model():
    said = {
        "a": [Check("steps", "passed", ""), Check("radius", "failed", "")],
        "b": [Check("steps", "undecided", ""), Check("noise", "failed", ""), Check("unbounded", "failed", "")],
    }
    found = Evaluation("data", 1, Settings(), {"a": Rate.of(1, 1)}, checks=said)
    assert found.failed() == ["a: radius", "b: noise", "b: unbounded"]
    assert plain(found)["checks"]["b"][1]["verdict"] == "failed"
