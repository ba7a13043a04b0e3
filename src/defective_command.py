"""The program ``defective``: a shell that completes a line is answered at once, without torch; anything else is done by the package."""

import json
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

# Set by the scripts of --install-completion.
ASKED = "_DEFECTIVE_COMPLETE"


def main() -> int:
    """Run the program; return its exit code."""
    if ASKED in os.environ:
        answer()
    from defective.cli import main as run

    return run()


def answer() -> None:
    """Print what the line may go on with, and exit."""

    spec = find_spec("defective")
    assert spec is not None and spec.origin is not None
    tree = json.loads(Path(spec.origin).with_name("cli").joinpath("completion.json").read_text("utf-8"))
    _group(tree)(prog_name="defective")


def _group(tree: dict[str, Any]) -> Any:
    """The commands of ``completion.json``, which do nothing, as a typer app."""
    import typer

    app = typer.Typer(help=tree["help"], add_completion=True)
    app.callback()(_function(tree["parameters"]))
    for name, each in tree["commands"].items():
        if each["commands"]:
            app.add_typer(_group(each), name=name, help=each["help"])
        else:
            app.command(name, help=each["help"])(_function(each["parameters"]))
    return app


def _function(parameters: list[dict[str, Any]]) -> Callable[..., None]:
    import typer

    def command(**values: object) -> None:
        return

    fields = []
    for number, each in enumerate(parameters):
        about = {"help": each["help"], "autocompletion": _completing(each["values"])} if each["values"] else {"help": each["help"]}
        kind: Any = bool if each["flag"] else list[str] if each["several"] else str
        default = typer.Option(None, *each["names"], **about) if each["names"] else typer.Argument(None, **about)
        fields.append(Parameter(f"value_{number}", Parameter.KEYWORD_ONLY, default=default, annotation=kind))
    command.__signature__ = Signature(fields)  # type: ignore[attr-defined]
    command.__annotations__ = {field.name: field.annotation for field in fields}
    return command


def _completing(values: list[str]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


if __name__ == "__main__":
    sys.exit(main())
