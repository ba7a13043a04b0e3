"""``defective bench``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from defective.bench.page import cells, told
from defective.bench.rows import ROWS, chosen
from defective.bench.run import run
from defective.bench.settings import COSTS, Found, Settings
from defective.cli.console import DeviceOption, JsonOption, print_json, print_table
from defective.errors import InputError
from defective.machine import choose_device


def bench(
    rows: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ROWS]...", help=f"Names or numbers: {', '.join(f'{row.number} {row.name}' for row in ROWS)}."),
    ] = None,
    repeats: Annotated[int | None, typer.Option(min=1, help="Timed turns of each contestant; default 5.")] = None,
    net_width: Annotated[float | None, typer.Option(help="Width of the nets; default 1, the paper's.")] = None,
    images: Annotated[int | None, typer.Option(min=1, help="Images to attack or to train on, instead of the row's number.")] = None,
    data: Annotated[str, typer.Option("--data", help="Data set of small images, such as cifar10 or shapes.")] = "shapes",
    checkpoint: Annotated[Path | None, typer.Option(help="Folder of train: the net to attack; default: one is trained.")] = None,
    store: Annotated[Path, typer.Option(help="Store, or exported documents, with the costs of Table 3's jobs.")] = COSTS,
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny amounts, to try the bench itself: such numbers say nothing.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Results (JSON); rows that were measured earlier stay in it.")] = Path(
        "runs/bench.json"
    ),
    device: DeviceOption = None,
    json: JsonOption = False,
) -> None:
    """Measure speed and memory against peers and machine, side by side; correctness comes before time, exit code 1 where it fails.

    Contestants take turns, A B A B ...; ratios are medians over the turns. A peer that is not installed is named, the others go on.

    Example: defective bench gradient cw --repeats 5 --out runs/bench.json
    """
    if net_width is not None and not 0 < net_width <= 8:
        raise InputError(f"net width {net_width} lies outside (0, 8]")
    wanted = chosen(rows or [])
    settings = Settings(
        choose_device(device),
        out.parent / f"{out.stem}-nets",
        repeats=repeats or (2 if quick else 5),
        width=net_width or (0.0625 if quick else 1.0),
        images=images,
        quick=quick,
        data=data,
        checkpoint=checkpoint,
        store=store,
    )
    document = run(wanted, settings, out, lambda line: sys.stderr.write(f"{line}\n"))
    names = {row.name for row in wanted}
    now = [entry for entry in document["rows"] if entry["row"] in names and entry["on"] == settings.device.type]
    if json:
        print_json(document)
    else:
        _print(document, settings, names, out)
    if any(line["state"] == "check failed" for entry in now for line in entry["lines"].values()):
        raise typer.Exit(1)


def _print(document: Found, settings: Settings, names: set[str], out: Path) -> None:
    rows = []
    for each in told([document], sorted(names)):
        row, work, against, *rest = cells(each)
        rows.append((f"{row}: {work} | {against}", *rest))
    note = f"Ratios are medians of {settings.repeats} turns (lowest-highest). Saved in {out}"
    print_table("Bench", ("row: work | against", "on", "ratio", "to reach", "reached"), rows, note=note)
    for entry in document["rows"]:
        for line in entry.get("missing", ()) if entry["row"] in names else ():
            typer.echo(f"{entry['number']} {entry['row']}: {line}")
