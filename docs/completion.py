"""What shells complete, read from the commands themselves, in a file that is read without loading them: ``make tables`` writes it."""

import json
from pathlib import Path
from typing import Any

import typer

from defective.cli import app

FILE = Path(__file__).parents[1] / "src" / "defective" / "cli" / "completion.json"
# Typer adds them by itself.
_OF_TYPER = ("--install-completion", "--show-completion", "--help")


def completion_tree() -> str:
    """Commands, options and the values that may be completed, as JSON."""
    return json.dumps(_tree(typer.main.get_command(app)), indent=1, ensure_ascii=False) + "\n"


def _tree(command: Any) -> dict[str, Any]:
    context = command.make_context(command.name, [], resilient_parsing=True)
    return {
        "help": (command.help or "").strip().partition("\n")[0],
        "parameters": [_parameter(each, context) for each in command.params if not set(each.opts) & set(_OF_TYPER)],
        "commands": {name: _tree(each) for name, each in getattr(command, "commands", {}).items()},
    }


def _parameter(parameter: Any, context: Any) -> dict[str, Any]:
    option = parameter.param_type_name == "option"
    values = [item.value for item in parameter.shell_complete(context, "") if item.type == "plain" and item.value]
    return {
        "names": ["/".join(filter(None, [first, *parameter.secondary_opts])) for first in parameter.opts] if option else [],
        "flag": option and parameter.is_flag,
        "several": parameter.nargs == -1 or (option and parameter.multiple),
        "help": " ".join((parameter.help or "").split()).partition(". ")[0],
        "values": values,
    }
