"""The command ``defective``: parse, call one function, print.

Exit code 0: done. 1: a check failed. 2: bad input, reported on one line of standard error.
"""

import errno
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import torch
import typer
from pydantic import ValidationError

from defective._version import __version__
from defective.cli import attack, data, demo, describe, evaluate, nets, play, reproduce, store, train
from defective.cli.console import discard, fail, prepared_output, print_line, standard_output
from defective.errors import InputError
from defective.interrupts import interruptible, stopped
from defective.machine import keep_freed_memory, out_of_memory
from defective.text import plain

# Set by the scripts of --install-completion.
COMPLETING = "_DEFECTIVE_COMPLETE"
# Below it, help is printed without panels.
PANEL_WIDTH = 60

app = typer.Typer(
    help="Defective convolutional networks: build, train, attack, evaluate, rerun the paper.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)
app.command("demo")(demo.demo)
app.command("models")(nets.models)
app.command("describe")(describe.describe)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("attack")(attack.attack)
app.command("evaluate")(evaluate.evaluate)
app.command("play")(play.play)
app.command("reproduce")(reproduce.reproduce)
app.command("report")(store.report)
app.add_typer(store.app, name="store")


@data.app.callback(invoke_without_command=True)
@store.app.callback(invoke_without_command=True)
def _group(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.callback(invoke_without_command=True)
def _root(context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        print_line(__version__)
        raise typer.Exit
    _group(context)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    keep_freed_memory()
    with prepared_output(), interruptible():
        try:
            code = _invoke(list(sys.argv[1:] if arguments is None else arguments))
            standard_output().flush()
            return code
        except KeyboardInterrupt as error:
            stored = f"{error}; " if str(error) else ""
            fail(f"interrupted; {stored}chunks and jobs that were finished are stored, and the same command resumes")
            return stopped()
        except (BrokenPipeError, SystemExit) as error:
            # The reader of the output is gone; rich makes that an exit with code 1.
            if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
                raise
            discard(standard_output())
            return 0
        except Exception as error:
            message = _message(error)
            if message is None:
                raise
            fail(message)
            return 2


def _invoke(arguments: list[str]) -> int:
    """Do what the arguments say; not by ``command.main()``, which keeps an interrupt and a closed pipe to itself."""
    # The panels of rich cut what does not fit in them; plain text does not.
    app.rich_markup_mode = "markdown" if shutil.get_terminal_size().columns >= PANEL_WIDTH else None
    command = typer.main.get_command(app)
    if COMPLETING in os.environ:
        # A shell asks how a line may go on: this prints it and exits.
        command.main(prog_name="defective")
    try:
        with command.make_context("defective", arguments) as context:
            command.invoke(context)
    except typer.Exit as error:
        return error.exit_code
    return 0


def _message(error: Any) -> str | None:
    """What is wrong with the input or the machine; None for a fault of ours."""
    if isinstance(error, InputError):
        return str(error)
    if out_of_memory(error):
        if isinstance(error, MemoryError) and str(error):
            return f"out of memory: {error}; lower --batch-size"
        if isinstance(error, torch.OutOfMemoryError):
            return "out of memory on the device: lower --batch-size, or choose --device cpu; finished work is stored"
        return "out of memory: lower --batch-size; finished work is stored"
    if isinstance(error, SystemError):
        return f"out of memory, or a fault of Python ({error}): lower --batch-size; finished work is stored"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return f"{where}{error.strerror or error}{'; free some space or choose another folder; finished work is stored' if full else ''}"
    if not hasattr(error, "format_message"):
        return None
    # Of the arguments: typer names the option, the value is named here.
    cause = error.__cause__
    value = f", not {cause.errors()[0]['input']!r}" if isinstance(cause, ValidationError) else ""
    command = error.ctx.command_path if getattr(error, "ctx", None) else "defective"
    return f"{plain(error.format_message().removesuffix('.'))}{value} (see {command} --help)"
