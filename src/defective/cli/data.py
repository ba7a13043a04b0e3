"""``defective data get``, ``defective data check`` and ``defective data prune``."""

from typing import Annotated, Any

import typer

from defective.cli.console import DATA_NAMES, ImageSizeOption, JsonOption, print_json, print_table, say
from defective.data import load_splits, location
from defective.data.cache import prune as prune_cache
from defective.data.download import REMOTES, verify
from defective.files import cache_folder

app = typer.Typer(help="Download and verify data sets.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", autocompletion=DATA_NAMES, help="As for --data.")]


@app.callback(invoke_without_command=True)
def _data(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def get(name: NameArgument, image_size: ImageSizeOption = None, json: JsonOption = False) -> None:
    """Download a data set if it has to be, decode it, and say what it holds and where it lies.

    Example: defective data get cifar10
    """
    splits = list(load_splits(name, image_size=image_size).values())
    document: list[dict[str, Any]] = [
        {
            "name": data.name,
            "split": data.split,
            "images": len(data),
            "image_shape": list(data.image_shape),
            "classes": len(data.classes),
            "smallest_class": int(data.y.bincount(minlength=len(data.classes)).min()),
            "location": location(name),
        }
        for data in splits
    ]
    if json:
        print_json(document)
        return
    rows = [
        (
            row["split"],
            f"{row['images']:,}",
            " x ".join(map(str, row["image_shape"])),
            str(row["classes"]),
            f"{row['smallest_class']:,}",
        )
        for row in document
    ]
    print_table(splits[0].name, ("split", "images", "C x H x W", "classes", "smallest class"), rows, location(name))


@app.command()
def check(name: NameArgument, image_size: ImageSizeOption = None, json: JsonOption = False) -> None:
    """Verify checksums of downloaded files, exit code 1 if one is corrupt or missing; or decode a data set of yours.

    Example: defective data check mnist
    """
    if name not in REMOTES:
        get(name, image_size, json)
        return
    states = verify(name)
    if json:
        print_json([{"file": file, "state": state} for file, state in states])
    else:
        note = (
            "" if all(state == "whole" for _, state in states) else f"defective data get {name} fetches what is missing or corrupt"
        )
        print_table(name, ("file", "state"), states, note)
    if any(state != "whole" for _, state in states):
        raise typer.Exit(1)


@app.command()
def prune(
    everything: Annotated[bool, typer.Option("--all", help="The decoded and unpacked images too; they are made again.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove from the cache what killed processes left there; downloaded files stay.

    Example: defective data prune --all
    """
    files, size = prune_cache(everything=everything)
    if json:
        print_json({"cache": str(cache_folder()), "files": files, "bytes": size})
    else:
        say(f"{cache_folder()}: {files:,} files removed, {size / 1e6:,.1f} MB")
