import json

import pytest

from defective import AttackSpec, InputError, NetSpec, Recipe, list_models
from defective.specs import ARCHITECTURES, DecisionJob, DefectSpec, Spec, TrainJob
from defective.specs.versions import ATTACK_VERSIONS, VERSIONS
from refusals import refused

NAMES = [
    "resnet18",
    "resnet18/0.1-bottom",
    "resnet18/0.1234567-bottom",
    "resnet18/0.00001-bottom",
    "resnet18/0.3-top",
    "resnet18/0.7-bottom+0.3-top",
    "resnet18/0.5-bottom-dc",
    "resnet18/0.5-bottom-sm",
    "resnet18/0.5-bottom-x2",
    "resnet18/0.5-bottom-bernoulli",
    "resnet18/0.5-bottom-dc-bernoulli@text",
    "resnet18/0.1-bottom+0.9-dropblock-sm-bernoulli-therm16-en",
    "resnet18/en",
    "resnet18/0.5-bottom-en",
    "resnet18/0.5-bottom-x2-en",
    "resnet18/0.9-dropblock",
    "resnet18/0.5-dropout+0.9-spatial",
    "resnet18/0.1-bottom+0.9-dropblock-x2-therm16-en",
    "resnet18/therm32",
    "densenet121/0.3-bottom@text",
    "vgg19/0.05-bottom-sm-en@text",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_survives_the_round_trip(name):
    spec = NetSpec.parse(name)
    assert str(spec) == name
    assert NetSpec.model_validate_json(spec.model_dump_json()) == spec


def test_equal_nets_have_one_name_and_one_key():
    names = ("resnet18/0.3-top+0.7-bottom+0.9-dropblock", "resnet18/0.9-dropblock+0.7-bottom+0.3-top")
    first, second = map(NetSpec.parse, names)
    assert first == second and first.key == second.key
    assert str(first) == str(second) == "resnet18/0.7-bottom+0.3-top+0.9-dropblock"


def test_the_grammar_means_what_it_says():
    spec = NetSpec.parse("wrn32_4/0.7-bottom+0.3-top-sm-en@text")
    assert spec.arch == "wrn32_4"
    assert spec.defects == (DefectSpec(keep_prob=0.7, region="bottom"), DefectSpec(keep_prob=0.3, region="top"))
    assert (spec.pattern, spec.widen, spec.members, spec.placement) == ("shared", False, 5, "text")


BAD_NAMES = {
    "resnet19": "resnet19",
    "resnet18/": "nothing follows",
    "resnet18/0.1": "0.1",
    "resnet18/0.1-left": "0.1-left",
    "resnet18/1.1-bottom": "1.1",
    "resnet18/-0.1-bottom": "-0.1",
    "resnet18/half-bottom": "half",
    "resnet18/nan-bottom": "nan",
    "resnet18/0.1-bottom-xx": "xx",
    "resnet18/0.1-bottom-dc-sm": "sm",
    "resnet18/0.1-bottom-en-en": "en",
    "resnet18/0.1-bottom-dc-x2": "cannot be combined",
    "resnet18/x2": "0.5-bottom",
    "resnet18/dc-en": "0.5-bottom",
    "resnet18/0.1-bottom+0.2-bottom": "twice",
    "resnet18/0.9-dropblock+0.8-dropblock": "twice",
    "resnet18/0_1-bottom": "'0_1' is not a keep probability",
    "resnet18/0-dropout": "keep_prob = 0.0: must be more than 0",
    "resnet18/0.9-dropblok": "0.9-dropblock",
    "resnet18/therm1": "1 level",
    "resnet18/therm300": "thermometer",
    "resnet18/therm16-therm32": "repeats",
    "resnet18/0.9-dropblock-dc": "0.5-bottom",
    "resnet18/bernoulli": "0.5-bottom",
    "resnet18/0.5-bottom-dc-bernoulli": "0.5-bottom",
    "resnet18/0.1-bottom@code": "@code",
    "resnet18@": "@",
    "": "''",
}


@pytest.mark.parametrize(("name", "said"), BAD_NAMES.items())
def test_a_bad_name_is_said_in_one_line(name, said):
    with refused(says=said):
        NetSpec.parse(name)


def test_architectures_are_those_of_the_zoo():
    assert list(ARCHITECTURES) == list_models()


def test_keys_tell_specs_apart_and_are_stable():
    keys = {NetSpec.parse(name).key for name in NAMES}
    assert len(keys) == len(NAMES)
    assert NetSpec.parse("resnet18/0.1-bottom").key == NetSpec.parse("resnet18/0.10-bottom").key == "6d6c0ab61250eb21"


class Inner(Spec):
    a: int
    b: int = 1


class Outer(Spec):
    inner: tuple[Inner, ...]


def test_a_changed_copy_has_a_key_of_its_own():
    first = Inner(a=0)
    assert (
        len({first, Inner(a=0), first.model_copy(update={"a": 1})}) == len({first.key, first.model_copy(update={"a": 1}).key}) == 2
    )
    assert first.model_copy(update={"a": 1}).key == Inner(a=1).key


def test_a_key_covers_defaults_and_versions_also_of_what_is_inside(monkeypatch):
    first, spec = Outer(inner=(Inner(a=0),)), AttackSpec.parse("pgd")
    keys = [first.key, spec.key]
    assert Outer(inner=(Inner(a=0, b=1),)).key == keys[0] != Outer(inner=(Inner(a=0, b=2),)).key
    monkeypatch.setattr(Inner, "version", 2)
    assert Outer(inner=(Inner(a=0),)).key != keys[0]
    job = TrainJob(net=NetSpec.parse("vgg19"), data="d", recipe=Recipe(name="r", epochs=1), seed=0, mask_seed=0)
    keys.append(job.key)
    monkeypatch.setitem(VERSIONS, "train", 2)
    assert job.model_copy().key != keys[2]
    monkeypatch.setitem(ATTACK_VERSIONS, "pgd", 2)
    assert AttackSpec.parse("pgd:eps=8/255, steps=2") == AttackSpec.parse("pgd:eps=8/255,steps=2")
    assert AttackSpec.parse("pgd").key != keys[1] and AttackSpec.parse("fgsm").key == AttackSpec.parse("fgsm:eps=16/255").key


ATTACKS = {
    "fgsm": "fgsm:eps=16/255",
    "pgd": "pgd:eps=16/255,step_size=1/255,steps=20",
    "pgd:eps=8/255,step_size=0.01,steps=7": "pgd:eps=8/255,step_size=0.01,steps=7",
    "mifgsm:decay=0.5": "mifgsm:eps=16/255,step_size=1/255,steps=20,decay=0.5",
    "noise:sigma=0": "noise:sigma=0",
    "fgsm:eps=0.03137254902": "fgsm:eps=0.03137254902",
    "fgsm:eps=0.03137254901960784": "fgsm:eps=8/255",
    "cw:confidence=20,search_steps=30": "cw:confidence=20,steps=1000,search_steps=30,lr=0.01,initial_const=0.001",
    "boundary:steps=500": "boundary:steps=500",
    "hopskipjump:steps=8": "hopskipjump:steps=8,initial_queries=100,max_queries=10000,radius=0.01",
}


@pytest.mark.parametrize(("text", "canonical"), ATTACKS.items())
def test_attack_text(text, canonical):
    spec = AttackSpec.parse(text)
    assert str(spec) == canonical
    assert AttackSpec.parse(canonical) == spec


@pytest.mark.parametrize("text", ["foo", "foo:eps=x", ""])
def test_an_unknown_attack_is_named_once(text):
    with refused(f"^no attack '{text[:3]}'; there are fgsm, pgd, "):
        AttackSpec.parse(text)


BAD_ATTACKS = "cw2 fgsm:eps=16 fgsm:eps=x fgsm:eps=1/0 fgsm:steps=3 pgd:steps=0 pgd:steps=1.5 pgd:eps=-1/255 pgd:eps"


@pytest.mark.parametrize("text", BAD_ATTACKS.split())
def test_bad_attack_text(text):
    with pytest.raises(InputError):
        AttackSpec.parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fgsm:eps=1/255,eps=2/255", "names eps twice: write it once$"),
        ("pgd:eps=1.0000001", r"eps=1\.0000001 lies outside \[0, 1\]"),
        ("pgd:eps=16", r"eps=16 lies outside \[0, 1\]: write it as 16/255"),
        ("hopskipjump:radius=2", r"radius=2 lies outside \[0, 1\]"),
        ("hopskipjump:radius=0", "radius=0 must be above 0"),
    ],
)
def test_a_bad_number_is_quoted_as_it_is(text, said):
    with refused(f"^attack {text!r}.*{said}"):
        AttackSpec.parse(text)


BAD_VALUES = [
    ("epochs", 0),
    ("lr", 0),
    ("lr", float("nan")),
    ("batch_size", 1),
    ("width_mult", 0),
    ("milestones", (5, 2)),
    ("nosuch", 1),
]


@pytest.mark.parametrize(("field", "value"), BAD_VALUES)
def test_bad_recipes(field, value):
    with pytest.raises(InputError, match=field):
        Recipe.make(**{"name": "r", "epochs": 3, field: value})


def test_a_changed_recipe_says_so():
    recipe = Recipe.make(name="tiny", epochs=3)
    assert recipe.changed(epochs=3, lr=None) is recipe
    assert recipe.changed(epochs=4).name == "tiny*"
    assert recipe.changed(epochs=4).changed(lr=0.5).name == "tiny*"
    assert (recipe.changed(stop_after=2).name, recipe.changed(stop_after=2, lr=1).name) == ("tiny", "tiny*")


def test_a_key_holds_every_value_so_that_a_new_default_makes_a_new_job():
    net = TrainJob(net=NetSpec.parse("resnet18/0.1-bottom"), data="cifar10", recipe=Recipe(name="r", epochs=5), seed=0, mask_seed=0)
    walk = DecisionJob(target=net, attack=AttackSpec.parse("boundary:steps=5"), samples=3)
    assert json.loads(walk.canonical).keys() == {*DecisionJob.model_fields, "version"}
    assert json.loads(net.recipe.canonical).keys() == {*Recipe.model_fields, "version"}
    assert json.loads(walk.attack.canonical)["parameters"] == {"steps": 5, "directions": 1}
    assert str(walk.attack) == "boundary:steps=5"
