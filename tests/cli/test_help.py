import re

import pytest

from defective import __version__
from docs.commands import commands

COMMANDS = [name.removeprefix("defective ") for name, _ in commands()]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_whose_options_exist(run, command):
    code, out, err = run(f"{command} --help")
    assert (code, err) == (0, "") and "--json" in out
    text = " ".join(out.split())
    example = re.search(rf"Example: defective ({command} .*?|{command}) (?:╭|\+-)", text)[1]
    options = text.replace(f"Example: defective {example}", "")
    assert all(option in options for option in re.findall(r"--[a-z-]+", example))


def test_help_has_a_short_name(run):
    assert run("models -h") == run("models --help")


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        *((command, {name.split()[0] for name in COMMANDS}) for command in ("", "--help")),
        ("data", {"get", "check", "prune"}),
        ("store", {"ls", "show", "export", "copy", "gc"}),
    ],
)
def test_alone_it_shows_its_commands(run, command, shown):
    code, out, err = run(command)
    assert (code, err) == (0, "")
    assert all(re.search(rf"\b{name}  ", out) for name in shown)


def test_the_version(run):
    assert run("--version") == (0, f"{__version__}\n", "")
