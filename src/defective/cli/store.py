"""``defective store``."""

from pathlib import Path
from typing import Annotated

import typer

from defective.campaign.clean import clean
from defective.campaign.describe import describe
from defective.campaign.measured import best_documents, plain
from defective.campaign.store import Store, write_json
from defective.cli.console import STORE, JsonOption, StoreOption, print_json, print_table
from defective.errors import InputError
from defective.files import check_folder

app = typer.Typer(help="Look into a store of results, take them out, clean up.")


@app.callback(invoke_without_command=True)
def _store(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("ls")
def ls(store: StoreOption = STORE, json: JsonOption = False) -> None:
    """List finished, unfinished and failed jobs.

    Example: defective store ls --store runs/store
    """
    kept = Store.open(store)
    rows = [{"job": name, "about": describe(kept.spec(name)), **(kept.result(name) or {})} for name in kept.finished()]
    if json:
        print_json({"finished": rows, "unfinished": kept.unfinished(), "failed": kept.failures()})
        return
    lines = [(row["job"], row["about"], f"{row['seconds']:,.1f} s", row["finished"]) for row in rows]
    lines += [(name, "unfinished", "", "") for name in kept.unfinished()]
    lines += [(row["job"], f"failed: {row['error']}", "", "") for row in kept.failures()]
    print_table(f"Jobs in {store}", ("job", "what", "took", "on"), lines)


@app.command("show")
def show(
    job: Annotated[str, typer.Argument(help="Name as ls prints it, or its beginning.")],
    store: StoreOption = STORE,
    json: JsonOption = False,
) -> None:
    """Show one finished job: what it was and what it measured; as JSON its whole spec and result.

    Example: defective store show train-0123456789abcdef --store runs/store
    """
    kept = Store.open(store)
    found = [name for name in kept.finished() if name.startswith(job)]
    if len(found) > 1 and job not in found:
        raise InputError(f"{len(found)} jobs begin with {job!r}, {found[0]} and {found[1]} among them: write more of the name")
    name = found[0] if len(found) == 1 else job
    spec, result = kept.spec(name), kept.result(name) or {}
    if json:
        print_json({"job": name, "spec": spec.model_dump(mode="json"), "result": result})
        return
    rows: list[tuple[str, str]] = [("what", describe(spec)), ("where", str(kept.at(name)))]
    rows += [(value, ", ".join(f"{key} {number}" for key, number in each.items())) for value, each in result["values"].items()]
    rows += [("took", f"{result['seconds']:,.1f} s"), ("on", result["finished"])]
    rows += [(key, str(value)) for key, value in result["machine"].items()]
    print_table(name, ("", ""), rows)


@app.command("export")
def export(
    out: Annotated[Path, typer.Option(help="Folder for the JSON documents.")], store: StoreOption = STORE, json: JsonOption = False
) -> None:
    """Write what was measured of each exhibit beside what was published, one small JSON document each, without images and nets.

    Files: OUT/DATA/SCALE/DEVICE/EXHIBIT.json, DEVICE being cpu, cuda or both.

    Example: defective store export --store runs/store --out results
    """
    kept = Store.open(store)
    check_folder(out)
    files = []
    for document in best_documents(kept):
        devices = sorted({job["kind_of_device"] for job in document["jobs"].values()})
        place = out / "-".join(document["data"].values()) / document["scale"] / "-".join(devices)
        files.append(place / f"{document['exhibit']}.json")
        write_json(files[-1], plain(document))
    if json:
        print_json({"files": [str(file) for file in files]})
        return
    for file in files:
        typer.echo(str(file))


@app.command("gc")
def gc(
    store: StoreOption = STORE,
    days: Annotated[float, typer.Option(min=0, help="Leave what was touched within so many days.")] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove what no report needs: parts of attacks, and leftovers of killed jobs.

    Finished jobs stay, and so does what a running process is at. An unfinished job that is removed begins anew.

    Example: defective store gc --store runs/store --days 7
    """
    freed, places = clean(Store.open(store), days=days, dry_run=dry_run)
    if json:
        print_json({"bytes": freed, "places": places, "removed": not dry_run})
    else:
        typer.echo(f"{'would free' if dry_run else 'freed'} {freed / 1e6:,.1f} MB in {places} places")
