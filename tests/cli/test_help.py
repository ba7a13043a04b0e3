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


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        *((command, {name.split()[0] for name in COMMANDS}) for command in ("", "--help")),
        ("data", {"get", "check", "prune"}),
        ("store", {"ls", "show", "export", "gc"}),
    ],
)
def test_alone_it_shows_its_commands(run, command, shown):
    code, out, err = run(command)
    assert (code, err) == (0, "")
    assert all(re.search(rf"\b{name}  ", out) for name in shown)


def test_the_examples_can_be_parsed(run):
    """Every option in an example exists: an unknown one would be the first mistake to be said."""
    for command in COMMANDS:
        text = " ".join(run(f"{command} --help").out.split())
        example = re.search(r"Example: defective (.*?) (?:╭|\+-)", text)[1]
        for option in re.findall(r"--[a-z-]+", example):
            assert option in text.replace(f"Example: defective {example}", "")


def test_the_version(run):
    assert run("--version") == (0, f"{__version__}\n", "")
