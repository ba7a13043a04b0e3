import re

import pytest

from defective import __version__

COMMANDS = ["demo", "models", "describe", "data get", "data check", "train", "attack", "evaluate", "play"]
COMMANDS += ["reproduce", "report", "store ls", "store show", "store export", "store gc"]


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(run, command, flag):
    code, out, err = run(f"{command} {flag}")
    assert (code, err) == (0, "")
    assert f"Example: defective {command}" in out
    assert "--json" in out


@pytest.mark.parametrize("command", ["", "--help"])
def test_without_a_command_all_of_them_are_shown(run, command):
    code, out, err = run(command)
    assert (code, err) == (0, "")
    for name in {name.split()[0] for name in COMMANDS}:
        assert re.search(rf"\b{name}  ", out)


@pytest.mark.parametrize(("group", "commands"), [("data", ["get", "check"]), ("store", ["ls", "show", "export", "gc"])])
def test_a_group_alone_shows_its_commands(run, group, commands):
    code, out, err = run(group)
    assert (code, err) == (0, "")
    for name in commands:
        assert re.search(rf"\b{name}  ", out)


def test_the_examples_can_be_parsed(run):
    """Every option in an example exists: an unknown one would be the first mistake to be said."""
    for command in COMMANDS:
        text = " ".join(run(f"{command} --help").out.split())
        example = re.search(r"Example: defective (.*?) (?:╭|\+-)", text)[1]
        for option in re.findall(r"--[a-z-]+", example):
            assert option in text.replace(f"Example: defective {example}", "")


def test_the_version(run):
    assert run("--version") == (0, f"{__version__}\n", "")
