"""``python -m benchmarks [ROW ...]``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.page import shown
from benchmarks.rows import ROWS, chosen
from benchmarks.run import run
from benchmarks.settings import Found, Settings
from defective.errors import InputError
from defective.machine import choose_device, keep_freed_memory

DESCRIPTION = """Measure speed and memory against other packages, side by side, with correctness checked first.
Contestants take turns, A B A B ...; ratios are medians over the turns. A package that is not installed is named and left out.
Exit code 1: a check failed. 2: bad input."""


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser("python -m benchmarks", description=DESCRIPTION)
    made.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(row.name for row in ROWS)}; default: all")
    made.add_argument("--repeats", type=int, help="timed turns of each contestant; default 5")
    made.add_argument("--net-width", type=float, help="width of the models; default 1, the paper's")
    made.add_argument("--epochs", type=int, help="epochs of our recipe in row accuracy; default: those of scale small")
    made.add_argument("--data", default="shapes", help="data set of small images, such as cifar10 or shapes")
    made.add_argument("--checkpoint", type=Path, help="folder of 'defective train': the model to attack; default: one is trained")
    made.add_argument("--quick", action="store_true", help="tiny amounts, to try the benchmark itself: the numbers mean nothing")
    made.add_argument("--out", type=Path, default=Path("runs/bench.json"), help="results (JSON); rows measured earlier stay in it")
    made.add_argument("--device", help="cpu, cuda, cuda:1, ...; default: a GPU if there is one")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    given = parser().parse_args(arguments)
    try:
        return _measure(given)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2


def _measure(given: argparse.Namespace) -> int:
    for name, value, allowed in (
        ("net-width", given.net_width, 8),
        ("repeats", given.repeats, 10_000),
        ("epochs", given.epochs, 10_000),
    ):
        if value is not None and not 0 < value <= allowed:
            raise InputError(f"--{name} {value} lies outside (0, {allowed}]")
    rows = chosen(given.rows)
    settings = Settings(
        choose_device(given.device),
        given.out.parent / f"{given.out.stem}-nets",
        repeats=given.repeats or (2 if given.quick else 5),
        width=given.net_width or (0.0625 if given.quick else 1.0),
        quick=given.quick,
        data=given.data,
        checkpoint=given.checkpoint,
        epochs=given.epochs,
    )
    # As the command line does: an attack or a training step there is faster for it, and so are those of the other packages.
    keep_freed_memory()
    document = run(rows, settings, given.out, lambda line: sys.stderr.write(f"{line}\n"))
    names = {row.name for row in rows}
    now = [entry for entry in document["rows"] if entry["row"] in names and entry["on"] == settings.device.type]
    for entry in now:
        _print(entry)
    return int(any(line["state"] == "check failed" for entry in now for line in entry["lines"].values()))


def _print(entry: Found) -> None:
    for line in entry["lines"].values():
        ratio = shown(line["ratio"]) if line["state"] == "measured" else line["state"]
        sys.stdout.write(f"{entry['row']}: {line['work']} | {line['against']}: {ratio}\n")
    for line in entry.get("missing", ()):
        sys.stdout.write(f"{entry['row']}: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
