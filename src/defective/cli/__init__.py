"""The command ``defective``: parse, call one function, print.

Exit code 0: done. 1: a check failed. 2: bad input, said in one line on standard error.
"""

import os
import sys
from collections.abc import Sequence

import typer

from defective.cli import attack, data, demo, evaluate, nets, train
from defective.cli.console import fail
from defective.errors import InputError
from defective.progress import shown

app = typer.Typer(
    help="Defective convolutional networks: build, train, attack, evaluate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)
app.command("demo")(demo.demo)
app.command("models")(nets.models)
app.command("describe")(nets.describe)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("attack")(attack.attack)
app.command("evaluate")(evaluate.evaluate)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        from defective import __version__

        typer.echo(__version__)
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    shown.set(True)
    command = typer.main.get_command(app)
    try:
        result = command.main(args=None if arguments is None else list(arguments), prog_name="defective", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except InputError as error:
        fail(error)
    except BrokenPipeError:
        # The reader of our output is gone; leave nothing for the interpreter to flush into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(f"{where}{error.strerror or error}; make room or choose another place, finished work is kept")
    except (KeyboardInterrupt, typer.Abort):
        fail("interrupted; finished work is kept, the same command goes on from it")
        return 130
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        fail(f"{error.format_message()} (see defective --help)")
    return 2
