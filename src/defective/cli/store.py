"""``defective store`` and ``defective report``: what is in a store."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from defective.cli import options
from defective.cli.console import print_json, print_line, print_table, warn, warn_corrupt
from defective.errors import InputError
from defective.experiments.copy import copy_measured
from defective.experiments.describe import describe
from defective.experiments.prune import prune
from defective.experiments.store import Store
from defective.experiments.unfinished import unfinished
from defective.files import check_folder
from defective.results.export import export as write_exhibits
from defective.specs import read_job
from defective.tables import count, duration

app = typer.Typer(help="List, show, export, copy and clean up stored results.")


def open_store(folder: Path) -> Store:
    """A store to read, after a warning for each part that is skipped.

    Raises:
        InputError: If there is none.
    """
    store = Store.open(folder)
    warn_corrupt(store.corrupt(), "skipped; defective reproduce does the job again")
    for unread in store.plans()[1]:
        warn(f"{unread}: skipped")
    return store


def report(
    store: options.Store = options.STORE,
    out: Annotated[Path, options.folder("Folder for the page, the tables and the figures.")] = Path("runs/report"),
    json: options.Json = False,
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
        print_line(f"{out / 'index.html'} and {len(files) - 1} files beside it")


@app.command("ls")
def ls(store: options.Store = options.STORE, json: options.Json = False) -> None:
    """List finished, unfinished and failed jobs.

    Example: defective store ls --store runs/store
    """
    opened = open_store(store)
    rows = []
    for name in opened.finished():
        try:
            rows.append({"job": name, "about": describe(opened.spec(name)), **(opened.result(name) or {})})
        except InputError as error:
            warn(error)
    begun = unfinished(opened)
    if json:
        print_json({"finished": rows, "unfinished": begun, "failed": opened.failures()})
        return
    lines = [(row["about"], row["job"], duration(row["seconds"]), row["finished"]) for row in rows]
    for row in begun:
        epochs = f", {row['epochs']} of {row['of_epochs']} epochs done" if row["of_epochs"] else ""
        lines.append((f"unfinished: {row['about'] or 'begun by another version'}{epochs}", row["job"], "", ""))
    lines += [(f"failed: {_failed(row)}", row["job"], "", "") for row in opened.failures()]
    print_table(f"Jobs in {store}", ("what", "job", "took", "on"), lines)


def _failed(row: dict[str, Any]) -> str:
    try:
        return f"{describe(read_job(row['spec']))}: {row['error']}"
    except (KeyError, ValidationError):
        return str(row["error"])


@app.command("show")
def show(
    job: Annotated[str, typer.Argument(help="Name as ls prints it, or its beginning.")],
    store: options.Store = options.STORE,
    json: options.Json = False,
) -> None:
    """Show one finished job: what it was and what it measured; as JSON its whole spec and result.

    Example: defective store show train-0123456789abcdef --store runs/store
    """
    opened = open_store(store)
    found = [name for name in opened.finished() if name.startswith(job)]
    if len(found) > 1 and job not in found:
        raise InputError(f"{len(found)} jobs begin with {job!r}, {found[0]} and {found[1]} among them: write a longer name")
    name = found[0] if len(found) == 1 else job
    spec, result = opened.spec(name), opened.result(name)
    if result is None:
        raise InputError(f"the result of {name} is corrupt or gone; defective reproduce does the job again")
    if json:
        print_json({"job": name, "spec": spec.model_dump(mode="json"), "result": result})
        return
    rows: list[tuple[str, str]] = [("what", describe(spec)), ("where", str(opened.at(name)))]
    rows += [(value, ", ".join(f"{key} {number}" for key, number in each.items())) for value, each in result["values"].items()]
    rows += [("took", duration(result["seconds"])), ("on", result["finished"])]
    rows += [(key, str(value)) for key, value in result["machine"].items()]
    print_table(name, ("", ""), rows)


@app.command("export")
def export(
    out: Annotated[Path, options.folder("Folder for the JSON documents.")],
    store: Annotated[
        list[Path], typer.Option(help="Store; repeatable: claims rest on the per-image results of all that are named.")
    ] = [options.STORE],  # noqa: B006 - typer copies it
    json: options.Json = False,
) -> None:
    """Write measured and published numbers of each table and figure as one small JSON document each, without images and models.

    Files: OUT/DATA/SCALE/DEVICE/NAME.json, DEVICE being cpu, cuda or both. One that an earlier export wrote, before its table or figure
    was measured on another device or data set too, is removed. The claims of each scale: OUT/claims/SCALE.json; they rest on all
    documents there; of stores that are not named only counts are known.

    Example: defective store export --store runs/store --out results
    """
    check_folder(out)
    files, removed = write_exhibits([open_store(each) for each in store], out)
    if not files:
        warn(f"{', '.join(map(str, store))} holds no measured number: nothing was written")
    for old, new in removed.items():
        warn(f"{old} is removed: all of it is in {new}")
    if json:
        print_json({"files": [str(file) for file in files]})
        return
    for file in files:
        print_line(str(file))


@app.command("copy")
def copy(
    out: Annotated[Path, options.folder("Store to copy to; it is made if it is missing.")],
    store: options.Store = options.STORE,
    json: options.Json = False,
) -> None:
    """Copy measured numbers to another store, without models and images: a few KB for each job, to archive or share.

    The copy holds per-image results: reports, exports, claims and further seeds need no more. Copies of several stores into one merge
    them: jobs that are there stay, and a data set of the same name with other images is refused.

    Example: defective store copy --store runs/store --out runs/measured
    """
    opened = open_store(store)
    if os.path.realpath(out) == os.path.realpath(store):
        raise InputError(f"--out {out} is the store itself: name another folder")
    copied, left_out = copy_measured(opened, Store(out))
    for line in left_out:
        warn(f"{line}: skipped")
    if json:
        print_json({"store": str(out), "copied": copied})
    else:
        print_line(f"copied {copied:,} jobs to {out}")


@app.command("gc")
def gc(
    store: options.Store = options.STORE,
    days: Annotated[float, typer.Option(min=0, help="Leave what was changed within this many days.")] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    json: options.Json = False,
) -> None:
    """Remove what no report needs: predictions of models on the test set, and leftovers of killed jobs.

    Finished jobs stay, and so does what a running process is using: an unfinished job that one has locked, and predictions of the last
    hour, whatever --days says. An unfinished job that is removed begins anew.

    Example: defective store gc --store runs/store --days 7
    """
    freed, paths = prune(Store.open(store), days=days, dry_run=dry_run)
    if json:
        print_json({"bytes": freed, "paths": paths, "removed": not dry_run})
    else:
        print_line(f"{'would free' if dry_run else 'freed'} {freed / 1e6:,.1f} MB in {count(paths, 'path')}")
