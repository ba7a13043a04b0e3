import pytest

from defective.data.official import KINDS, SIZES
from defective.errors import InputError
from defective.experiments.sources import data_name, data_sets, inspect_data
from defective.paper import EXHIBITS, exhibits
from runs import SHAPE, few

CIFAR, IMAGENET, MNIST = EXHIBITS["table4"], EXHIBITS["table1"], EXHIBITS["table6"]
ALL = list(EXHIBITS.values())


@pytest.mark.parametrize(
    ("given", "wanted", "found"),
    [
        ([], [CIFAR], {"cifar10": "cifar10"}),
        ([], [EXHIBITS["figure2"]], {}),
        ([], [CIFAR, MNIST], {"cifar10": "cifar10", "mnist": "mnist"}),
        (["shapes"], [CIFAR], {"cifar10": "shapes"}),
        (["folder:a"], [IMAGENET], {"imagenet": "folder:a"}),
        (["folder:a"], [CIFAR, MNIST], {"cifar10": "folder:a", "mnist": "folder:a"}),
        (["mnist=shapes", "folder:a"], [CIFAR, MNIST], {"cifar10": "folder:a", "mnist": "shapes"}),
        (["folder:a"], [EXHIBITS["figure2"]], {}),
        (["cifar10:a"], [CIFAR], {"cifar10": "cifar10:a"}),
        (["imagenet:a=b"], [IMAGENET], {"imagenet": "imagenet:a=b"}),
        (["folder:a=b"], [CIFAR], {"cifar10": "folder:a=b"}),
        (["imagenet=tiny-imagenet"], [IMAGENET], {"imagenet": "tiny-imagenet"}),
        (["cifar10=folder:a", "mnist=shapes"], [MNIST, CIFAR], {"cifar10": "folder:a", "mnist": "shapes"}),
        (["imagenet=folder:a", "cifar10=folder:a"], [IMAGENET, CIFAR], {"imagenet": "folder:a", "cifar10": "folder:a"}),
        # Figure 14 shows MNIST where there is one.
        (["mnist"], [EXHIBITS["figure14"]], {"mnist": "mnist", "cifar10": "cifar10"}),
    ],
)
def test_kinds_and_what_stands_for_them(given, wanted, found):
    assert data_sets(given, wanted) == found


@pytest.mark.parametrize(
    ("given", "wanted", "named"),
    [
        ([], ALL, r"table1: name ImageNet's folder, --data imagenet:PATH"),
        (["shapes", "folder:a"], [CIFAR], "--data folder:a: what is not named is already shapes"),
        (["cifar10", "cifar10=shapes"], [CIFAR], "--data cifar10=shapes: cifar10 is already cifar10"),
        (["cifar=shapes"], [CIFAR], r"no kind 'cifar'; did you mean cifar10\? There are cifar10, mnist"),
        (
            ["cifar10=folder:a/set", "mnist=folder:b/set.zip"],
            [CIFAR, MNIST],
            "folder:a/set and folder:b/set.zip would both be called set",
        ),
        (
            ["mnist"],
            [CIFAR],
            "--data mnist: table4 is measured on cifar10, not on mnist: write --data cifar10=mnist to use it as a substitute",
        ),
        (
            ["folder:a", "imagenet=tiny-imagenet"],
            [CIFAR],
            "not on imagenet: write --data cifar10=tiny-imagenet to use it as a substitute",
        ),
        (
            ["imagenet"],
            [MNIST, CIFAR],
            "table6, table4 are measured on mnist and cifar10, not on imagenet: write --data mnist=imagenet",
        ),
        (
            ["mnist"],
            exhibits(["table1", "table2", "table3", "table4", "figure2"]),
            "table1, table2, table3 and 2 more are measured on imagenet and cifar10, not on mnist",
        ),
        (["mnist=shapes"], [EXHIBITS["figure2"]], "--data mnist=shapes: figure2 needs no data set: leave it out"),
        (["folder:a", " "], [CIFAR], "--data ' ' names no data set: leave it out for the paper's own"),
        (["cifar10=folder:mnist"], [CIFAR, MNIST], "folder:mnist and mnist would both be called mnist"),
    ],
)
def test_what_cannot_be_told_is_said(given, wanted, named):
    with pytest.raises(InputError, match=named):
        data_sets(given, wanted)


def test_a_plan_needs_no_imagenet():
    assert data_sets([], ALL, planned=True)["imagenet"] == "imagenet"


def test_everything_can_be_given():
    found = data_sets(["imagenet=tiny-imagenet"], exhibits(["all"]))
    assert found == {"imagenet": "tiny-imagenet", "cifar10": "cifar10", "mnist": "mnist", "tiny-imagenet": "tiny-imagenet"}


def test_a_name_is_the_one_that_the_set_has_when_it_is_read(images, cache, monkeypatch):
    from defective.data import load_data

    monkeypatch.chdir(images)
    for where in (f"folder:{images}", "folder:.", "folder:../few"):
        assert load_data(where, "test").name == data_name(where)


@pytest.mark.parametrize("kind", KINDS)
def test_of_the_official_sets_all_is_known(cache, kind):
    assert inspect_data(kind) == (KINDS[kind], SIZES[kind]) and not cache.exists()


def test_the_images_of_a_set_that_is_there_are_counted(cache, tmp_path):
    assert inspect_data(f"folder:{few(tmp_path / 'few', train=5, test=3)}") == (SHAPE, (10, 6))
