"""Every command that the page prints is one that the command line takes, and asks for what the page shows."""

import shlex

import pytest
import typer

from defective.cli import app
from defective.data.official import KINDS
from defective.experiments.plan import Plan
from defective.experiments.sources import data_name, data_sets
from defective.paper import EXHIBITS, exhibits
from defective.report.commands import command

OFFICIAL = {kind: kind for kind in KINDS}
PROGRAM = typer.main.get_command(app)


def parsed(text: str) -> dict:
    """What the command line makes of a command."""
    program, name, *arguments = shlex.split(text)
    assert program == "defective"
    return PROGRAM.commands[name].make_context(name, arguments).params


@pytest.mark.parametrize(
    ("data", "readers", "expected"),
    [
        (OFFICIAL, {}, {"imagenet": "imagenet:IMAGENET"}),
        (OFFICIAL, OFFICIAL, {"imagenet": "imagenet:IMAGENET"}),
        (OFFICIAL | {"mnist": "mnist-17k"}, OFFICIAL, {"mnist": "mnist:MNIST-17K", "imagenet": "imagenet:IMAGENET"}),
        (OFFICIAL | {"imagenet": "ILSVRC2012"}, OFFICIAL, {"imagenet": "imagenet:ILSVRC2012"}),
        (
            OFFICIAL | {"imagenet": "tiny-50", "tiny-imagenet": "tiny-50"},
            OFFICIAL | {"imagenet": "tiny-imagenet"},
            {"imagenet": "tiny-imagenet:TINY-50", "tiny-imagenet": "tiny-imagenet:TINY-50"},
        ),
        (OFFICIAL | {"imagenet": "tiny-imagenet"}, {}, {"imagenet": "tiny-imagenet"}),
        (
            OFFICIAL | {"cifar10": "cifar10-jpeg", "imagenet": "shapes"},
            {},
            {"cifar10": "folder:CIFAR10-JPEG", "imagenet": "shapes"},
        ),
        (dict.fromkeys(KINDS, "my set"), {}, dict.fromkeys(KINDS, "folder:MY SET")),
        (
            OFFICIAL | {"cifar10": "cifar10", "imagenet": "folder"},
            OFFICIAL | {"cifar10": "folder", "imagenet": "folder"},
            {"cifar10": "folder:CIFAR10", "imagenet": "folder:FOLDER"},
        ),
    ],
)
def test_every_command_asks_for_the_exhibit_on_the_data_that_the_page_shows(data, readers, expected):
    plan = Plan(("all",), "tiny", data, KINDS, 2, readers)
    for exhibit in EXHIBITS:
        found = parsed(command(exhibit, plan))
        assert found["names"] == [exhibit] and found["scale"] == "tiny" and found["seeds"] == 2
        assert str(found["store"]) == "runs/store"
        sets = data_sets(found["data"] or [], exhibits(found["names"]))
        # Capitals stand for a path: read as it was here.
        assert sets == {kind: expected.get(kind, kind) for kind in plan.kinds(EXHIBITS[exhibit])}
        for kind, where in sets.items():
            assert data_name(where).lower() == data[kind].lower()
            assert kind not in readers or where.partition(":")[0] == readers[kind]
