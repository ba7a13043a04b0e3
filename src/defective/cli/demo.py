"""``defective demo``."""

from pathlib import Path
from typing import Annotated

from defective.cli import options
from defective.cli.console import print_json, print_table
from defective.demo import COLUMNS, run_demo
from defective.statistics import Rate
from defective.tables import percent


def demo(
    out: Annotated[Path, options.folder("Folder for models, result and page.")] = Path("demo-output"),
    seed: options.Seed = 0,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Compare a plain and a defective model in minutes: train, attack by transfer, add noise, measure shape bias, write a page.

    Example: defective demo --out demo-output
    """
    result = run_demo(out, seed=seed, device=device)
    if json:
        print_json(result)
        return
    measured = result["table"]
    rows = [(column, *(percent(Rate.read(each[column])) for each in measured.values())) for column in COLUMNS]
    title = f"plain resnet18 and {result['model']} on shapes, in % with 95 % interval"
    print_table(title, ("measured", *measured), rows, f"{result['seconds']:.0f} s; pictures and masks: {result['page']}")
