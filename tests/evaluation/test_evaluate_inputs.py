from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from defective import AttackSpec, InputError, attacks
from defective.attacks import fgsm
from defective.data import ImageSet
from defective.evaluation import CustomAttack, LogitsAdapter, evaluate
from evaluations import FGSM, PGD, SMALL, TRANSFER, Around, cells, plain
from problems import linear_net, plane
from refusals import refused

X, Y = torch.rand(20, 2, 4, 4), torch.zeros(20, dtype=torch.long)


class Failing:
    def __len__(self):
        return 9

    def __getitem__(self, index):
        raise KeyError(index + 3)


MISTAKES = {
    "unknown part": ({"parts": ("transfer", "magic")}, r"^parts\.1 = 'magic': must be 'transfer', 'white-box'"),
    "no part": ({"parts": ()}, r"^parts = \(\)"),
    "no samples": ({"samples": 0}, "^samples = 0"),
    "more than sure": ({"confidence": 1.5}, r"^confidence = 1\.5"),
    "no number": ({"confidence": float("nan")}, "^confidence = nan"),
    "fewer than no masks": ({"mask_draws": -1}, "^mask_draws = -1"),
    "negative seed": ({"seed": -1}, "^seed = -1"),
    "no decision": ({"decision": FGSM}, "^decision = .*fgsm:eps=8/255 needs more than decisions"),
    "no attack": ({"attacks": [3]}, r"^attack 3 is neither a name nor a callable"),
    "attacks by name": (
        {"attacks": {"pgd": 0.1}},
        r"^attacks are dict: pass names with numbers, such as \['pgd:eps=8/255,steps=10'\]$",
    ),
    "None as attacks": ({"attacks": None}, "^attacks are NoneType: pass names"),
    "a file of adversarial examples": (
        {"adversarial": ["made.safetensors"]},
        "^adversarial is no list of AdversarialSet: generate",
    ),
    "a file of stimuli": ({"stimuli": "cues.zip"}, r"^stimuli are str: pass load_stimuli\(path\)$"),
    "stimuli without stimuli": ({"parts": "stimuli"}, r"^the part stimuli needs stimuli=load_stimuli\(path\)$"),
    "a data set by name": ({"data": "shapes"}, r"^data is str: pass images .*; load_data\(name, 'test'\) reads data sets by name$"),
    "data by name": ({"data": {"x": X, "y": Y}}, "^data is dict: pass images and labels"),
    "two of a name": ({"attacks": [lambda m, x, y: x, lambda m, x, y: 1 - x]}, "two attacks are called '<lambda>'"),
    # Before data is read.
    "lspga": ({"attacks": ["lspga"], "data": object()}, r"lspga is for thermometer models .*, a has no encoder"),
    "no module": ({"sources": {"s": len}}, r"^model 's' is builtin_function_or_method, not a torch.nn.Module"),
    "no model": ({"models": {}}, "name at least one model"),
    "no logits": (
        {"models": {"a": Around(plane(), after=lambda z, x: (z, z))}},
        r"^a: the model returned tuple for 8 images, .*LogitsAdapter\(model, lambda output: output\[0\]\)",
    ),
    "no data": ({"data": 3}, "data is int: pass images and labels"),
    "data without an image": ({"data": []}, "the data set is empty"),
    "data of paths": (
        {"data": [("path", 1)]},
        r"returned tuple, not an image tensor and a label: add a transform such as ToTensor\(\)",
    ),
    "images of two sizes": (
        {"data": [(X[0], 0), (X[0, :, :2], 0)]},
        "^the data set cannot be read: it must hold images of one size, .*: RuntimeError: stack expects each tensor",
    ),
    "a label in words": ({"data": [(X[0], "cat")]}, "a whole number as its label: TypeError: .*'str'"),
    "no label": ({"data": [(X[0], None)]}, "a whole number as its label: RuntimeError: .*NoneType"),
    "a data set that fails": ({"data": Failing()}, "^the data set cannot be read: .*: KeyError: 3$"),
    "transfer without a source": ({"parts": ("transfer", "noise"), "data": object()}, "^transfer needs a source: name one"),
    "transfer without an attack": (
        {"parts": TRANSFER, "sources": {"s": plane(1)}, "attacks": []},
        "^transfer needs an attack: name one",
    ),
    "one name for two": ({"sources": {"a": plane(1)}}, "^a source and another model are both called 'a'"),
    "too few labels": ({"data": (X, Y[:3])}, "labels are torch.int64 of shape"),
    "a list of labels": ({"data": (X, [0] * 20)}, "labels are list"),
    "labels of other classes": ({"data": (X, Y + 4)}, r"labels lie in \[4, 4\] but the model knows 2"),
    **{
        f"images of {name}": ({"data": (change(X), Y)}, r"^images are")
        for name, change in {
            "float8": lambda x: x.to(torch.float8_e4m3fn),
            "no device": lambda x: x.to("meta"),
            "few values": lambda x: x.to_sparse(),
            "complex numbers": lambda x: x.to(torch.complex64),
        }.items()
    },
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_makes_no_sense_is_refused_in_one_line(data, case):
    changes, said = MISTAKES[case]
    with refused(said):
        evaluate(**{"models": {"a": plane()}, "data": data} | changes)


@pytest.mark.parametrize(("targets", "sources"), [({"misfit": True}, {}), ({"a": False}, {"misfit": True})])
def test_a_model_that_does_not_fit_is_named_before_any_work(data, targets, sources):
    misfit = linear_net(classes=3).float()
    nets = [{name: misfit if bad else plane() for name, bad in each.items()} for each in (targets, sources)]
    with pytest.raises(InputError, match=r"^misfit knows 3 classes, levels has 2"):
        evaluate(nets[0], data, sources=nets[1], attacks=[CustomAttack("mine", pytest.fail)])


FORMS = {
    "pair": lambda data: (data.x, data.y),
    "list": lambda data: [data.x, data.y],
    "dataset": lambda data: TensorDataset(data.x, data.y),
    "loader": lambda data: DataLoader(TensorDataset(data.x, data.y), batch_size=7),
}


@pytest.mark.parametrize("form", FORMS)
def test_data_in_any_form_measures_the_same(data, form):
    options = {"sources": {"s": plane(1)}, "attacks": [FGSM], "parts": TRANSFER, "samples": 12}
    expected, found = (plain(evaluate({"a": plane()}, each, **options)) for each in (data, FORMS[form](data)))
    assert found == expected | {"data": "data"}


def test_one_model_and_several_have_names(data):
    options = {"attacks": ["fgsm:eps=8/255"], "parts": TRANSFER, "samples": 5}
    assert list(evaluate(plane(), data, parts=("checks",), check_samples=5).accuracy) == ["Sequential"]
    found = evaluate([plane(), plane(1)], data, sources=plane(2), **options)
    assert cells(found) == [(name, "Sequential", "fgsm:eps=8/255", "black-box") for name in ("Sequential 1", "Sequential 2")]
    twin = plane()
    assert cells(evaluate(twin, data, sources=[twin, plane(2)], **options)) == [
        ("Sequential", "Sequential", "fgsm:eps=8/255", "white-box"),
        ("Sequential", "source Sequential", "fgsm:eps=8/255", "black-box"),
    ]


def test_without_sources_several_models_attack_each_other(data):
    nets, options = {"a": plane(), "b": plane(1)}, {"attacks": [FGSM], "parts": TRANSFER, "samples": 5}
    assert plain(evaluate(nets, data, **options)) == plain(evaluate(nets, data, sources=nets, **options))
    with refused("^transfer needs a source"):
        evaluate(nets, data, sources={}, **options)
    lone, both = (evaluate(each, data, attacks=[FGSM], **SMALL) for each in ({"a": nets["a"]}, nets))
    assert lone.settings.parts == ("white-box", "decision", "noise", "shuffle", "checks") and not lone.sources
    assert both.settings.parts == ("transfer", *lone.settings.parts) and list(both.sources) == ["a", "b"]


def test_a_callable_is_an_attack(data):
    def mine(model, x, y):
        return fgsm(model, x, y, eps=8 / 255)

    options = {"sources": {"s": plane(1)}, "parts": TRANSFER, "samples": 9}
    one, other = (evaluate({"a": plane()}, data, attacks=[attack], **options).outcomes[0] for attack in (mine, FGSM))
    assert one.adversarial.attack == "mine" and torch.equal(one.adversarial.x_adv, other.adversarial.x_adv)
    mine.eps = 1 / 255
    with pytest.raises(InputError, match=r"^mine on s: the attack exceeded its radius"):
        evaluate({"a": plane()}, data, attacks=[mine], **options)


@dataclass
class Output:
    logits: torch.Tensor


OUTPUTS = {
    "dict": lambda net: Around(net, after=lambda z, x: {"loss": None, "logits": z}),
    "dataclass": lambda net: Around(net, after=lambda z, x: Output(z)),
    "adapter": lambda net: LogitsAdapter(Around(net, after=lambda z, x: (None, z)), lambda output: output[1]),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_a_model_that_returns_more_than_logits_measures_the_same(data, case):
    floats = ImageSet("levels", "test", data.x / 255, data.y, data.classes)
    before = floats.x.clone()
    options = {"attacks": [FGSM, PGD], **SMALL}
    expected = plain(evaluate({"a": plane()}, floats, sources={"s": plane(1)}, **options))
    found = plain(evaluate({"a": OUTPUTS[case](plane())}, floats, sources={"s": OUTPUTS[case](plane(1))}, **options))
    assert found == expected and torch.equal(floats.x, before)


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


@pytest.mark.parametrize("number", [10**400, 10**5000, float("nan"), -1], ids=["400 digits", "5000 digits", "nan", "-1"])
def test_numbers_that_no_attack_can_take_are_refused_in_one_short_line(data, number):
    model, x, y, eps = plane(), data.x / 255, data.y, {"eps": 0.1}
    calls = [
        lambda: attacks.fgsm(model, x, y, eps=number),
        lambda: attacks.pgd(model, x, y, **eps, step_size=0.1, steps=number),
        lambda: attacks.mifgsm(model, x, y, **eps, step_size=0.1, steps=1, decay=number),
        lambda: attacks.cw(model, x, y, confidence=number),
        lambda: attacks.boundary(model, x, y, steps=number),
        lambda: attacks.gaussian_noise(x, sigma=number),
        lambda: AttackSpec.make(name="fgsm", parameters={"eps": number}),
        lambda: CustomAttack("own", attacks.fgsm, number),
    ]
    for call in calls:
        with pytest.raises(InputError) as caught:
            call()
        assert len(str(caught.value)) < 150


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_labels_of_any_whole_numbers(data, dtype):
    pairs = ((data.x, data.y), (data.x, data.y.to(dtype)))
    wanted, found = (evaluate({"a": plane()}, each, parts="checks", check_samples=8) for each in pairs)
    assert found.checks == wanted.checks
