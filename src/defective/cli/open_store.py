"""What commands share that look into a store: they open it, say what in it cannot be read, and write into a folder."""

from pathlib import Path

import typer

from defective.cli.console import LEFT_OUT, warn, warn_corrupt
from defective.experiments.store import Store


def open_store(folder: Path) -> Store:
    """A store to look into, after a line on standard error for what of it is left out.

    Raises:
        InputError: If there is none.
    """
    store = Store.open(folder)
    warn_corrupt(store.corrupt(), LEFT_OUT)
    for plan in store.unread_plans():
        warn(f"{plan}: left out")
    return store


def named(folder: str | Path) -> Path:
    """A folder that is named; as a path alone, no name would be the current one."""
    if not str(folder).strip():
        raise typer.BadParameter("'' names no folder: write ./ for the current one")
    return Path(folder)
