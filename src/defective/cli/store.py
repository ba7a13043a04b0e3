"""``defective store``."""

import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from defective.campaign.describe import describe
from defective.campaign.measured import documents
from defective.campaign.plan import read_plan
from defective.campaign.store import Store, write_json
from defective.cli.console import JsonOption, print_json, print_table

app = typer.Typer(help="Look into a store of results, take them out, clean up.", no_args_is_help=True)
StoreOption = Annotated[Path, typer.Option(help="Folder of results that defective reproduce made.")]


@app.command("ls")
def ls(store: StoreOption, json: JsonOption = False) -> None:
    """List finished, running and failed jobs.

    Example: defective store ls --store runs/store
    """
    kept = Store.open(store)
    rows = [{"job": name, "about": describe(kept.spec(name)), **(kept.result(name) or {})} for name in kept.finished()]
    unfinished = sorted(place.name for place in (store / "running").iterdir() if place.is_dir())
    failures = [kept.failure(file.stem) or {} for file in sorted((store / "failed").glob("*.json"))]
    if json:
        print_json({"finished": rows, "unfinished": unfinished, "failed": failures})
        return
    lines = [(row["job"], row["about"], f"{row['seconds']:,.1f} s", row["finished"]) for row in rows]
    lines += [(name, "unfinished", "", "") for name in unfinished]
    lines += [(row["job"], f"failed: {row['error']}", "", "") for row in failures]
    print_table(f"Jobs in {store}", ("job", "what", "took", "on"), lines)


@app.command("show")
def show(job: Annotated[str, typer.Argument(help="Name as ls prints it, or its beginning.")], store: StoreOption) -> None:
    """Print one finished job: its spec and its result, as JSON.

    Example: defective store show train-0123456789abcdef --store runs/store
    """
    kept = Store.open(store)
    found = [name for name in kept.finished() if name.startswith(job)]
    name = found[0] if len(found) == 1 else job
    print_json({"job": name, "spec": kept.spec(name).model_dump(mode="json"), "result": kept.result(name)})


@app.command("export")
def export(store: StoreOption, out: Annotated[Path, typer.Option(help="Folder for the JSON documents.")]) -> None:
    """Write what was measured of each exhibit beside what was published, one small JSON document each, without images and nets.

    Files: OUT/DATA/SCALE/EXHIBIT.json.

    Example: defective store export --store runs/store --out results
    """
    kept = Store.open(store)
    for document in _measured(kept):
        place = out / "-".join(document["data"].values()) / document["scale"] / f"{document['exhibit']}.json"
        write_json(place, document)
        typer.echo(str(place))


def _measured(store: Store) -> list[dict[str, Any]]:
    """A document for each exhibit, scale and data sets of which anything is there, with the most seeds that were asked for."""
    best: dict[tuple[Any, ...], dict[str, Any]] = {}
    for plan in store.plans():
        for document in documents(read_plan(plan), store):
            key = (document["exhibit"], document["scale"], tuple(document["data"].values()))
            if document["jobs"] and document["seeds"] > best.get(key, {"seeds": 0})["seeds"]:
                best[key] = document
    return list(best.values())


@app.command("gc")
def gc(
    store: StoreOption,
    days: Annotated[float, typer.Option(min=0, help="Leave what was touched within so many days.")] = 1.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove what no report needs: parts of finished attacks, leftovers of killed jobs, old locks.

    Finished jobs stay. An unfinished training run that is removed begins anew.

    Example: defective store gc --store runs/store --days 7
    """
    Store.open(store)
    before = time.time() - 86_400 * days
    found = [
        place for part in ("pieces", "running", "locks", "failed") for place in (store / part).glob("*") if _touched(place) < before
    ]
    freed = sum(
        file.stat().st_size for place in found for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()
    )
    if not dry_run:
        for place in found:
            shutil.rmtree(place, ignore_errors=True) if place.is_dir() else place.unlink(missing_ok=True)
    typer.echo(f"{'would free' if dry_run else 'freed'} {freed / 1e6:,.1f} MB in {len(found)} places")


def _touched(place: Path) -> float:
    files = [place, *place.rglob("*")] if place.is_dir() else [place]
    return max(file.stat().st_mtime for file in files)
