"""``defective demo``."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from defective.cli import options
from defective.cli.console import print_json
from defective.demo import run_demo
from defective.tables import format_table


def demo(
    out: Annotated[Path, options.folder("Folder for models, result and page.")] = Path("demo-output"),
    seed: options.Seed = 0,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Compare a plain and a defective model in minutes: train, attack by transfer, add noise, measure shape bias, write a page.

    Example: defective demo --out demo-output
    """
    found = run_demo(out, seed=seed, device=device)
    if json:
        print_json(found.as_json())
        return
    table = found.as_table()
    page = f"{found.seconds:.0f} s; pictures and masks: {out / 'index.html'}"
    sys.stdout.write(format_table(replace(table, title="Black-box evaluation on shapes", notes=(*table.notes, page)), "terminal"))
