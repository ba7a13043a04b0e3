"""The command line reference, read from the commands themselves."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from defective.cli import app

_LARGEST = re.compile(r"<=x<=\d{15,}")


def commands(command: Any = None, name: str = "defective") -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its full name.

    Example:
        >>> [name for name, _ in commands()][:3]
        ['defective demo', 'defective models', 'defective describe']
    """
    command = command or typer.main.get_command(app)
    if not hasattr(command, "commands"):
        yield name, command
    for each in getattr(command, "commands", {}).values():
        yield from commands(each, f"{name} {each.name}")


def command_reference() -> str:
    """One section for each command, in Markdown."""
    return "\n".join(_section(name, command) for name, command in commands())


def _section(name: str, command: Any) -> str:
    text, _, example = inspect.cleandoc(command.help).partition("Example: ")
    lines = [f"\n## {name}\n", _literal(text)]
    if example:
        lines += [f"```bash\n{example.strip()}\n```\n"]
    context = command.make_context(name, [], resilient_parsing=True)
    for record in filter(None, (parameter.get_help_record(context) for parameter in command.params)):
        signature, about = (" ".join(text.split()) for text in record)
        lines += [f"`{signature}`\n: {_literal(_LARGEST.sub('<=x', about))}\n"]
    return "\n".join(lines)


def _literal(text: str) -> str:
    """Text as Markdown that shows it as it stands."""
    return re.sub(r"([\\`*_<\[$])", r"\\\1", text)
