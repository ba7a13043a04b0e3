"""``defective report``."""

from pathlib import Path
from typing import Annotated

import typer

from defective.cli.console import STORE, JsonOption, StoreOption, print_json, say, warn
from defective.cli.open_store import named, open_store
from defective.files import check_folder


def report(
    store: StoreOption = STORE,
    out: Annotated[
        Path, typer.Option(help="Folder for the page, the tables and the figures.", parser=named, metavar="<path>")
    ] = Path("runs/report"),
    json: JsonOption = False,
) -> None:
    """Show what was measured: one page (claims, tables, figures, images), tables as Markdown and LaTeX, figures as SVG, PDF and PNG.

    Example: defective report --store runs/store --out runs/report
    """
    from defective.report.report import write_report

    check_folder(out)
    opened = open_store(store)
    files, skipped = write_report(opened, out)
    for line in skipped:
        warn(line)
    if json:
        print_json({"page": str(out / "index.html"), "files": [str(file) for file in files]})
    else:
        say(f"{out / 'index.html'} and {len(files) - 1} files beside it")
