"""``defective data get``, ``defective data check`` and ``defective data prune``."""

from typing import Annotated

import typer

from defective.cli import options
from defective.cli.console import print_json, print_line, print_records, print_table
from defective.data import check_name, load_splits, location
from defective.data.cache import prune as prune_cache
from defective.data.download import REMOTES, verify
from defective.files import cache_folder

app = typer.Typer(help="Download and verify data sets.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", autocompletion=options.DATA_NAMES, help="As for --data.")]


@app.command()
def get(name: NameArgument, image_size: options.ImageSize = None, json: options.Json = False) -> None:
    """Download a data set if necessary, decode it, and show what it holds and where it is stored.

    Example: defective data get cifar10
    """
    splits = list(load_splits(name, image_size=image_size).values())
    document = [
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
    columns = {
        "split": "{split}",
        "images": "{images:,}",
        "C x H x W": "{image_shape[0]} x {image_shape[1]} x {image_shape[2]}",
        "classes": "{classes}",
        "smallest class": "{smallest_class:,}",
    }
    print_records(splits[0].name, columns, document, location(name))


@app.command()
def check(name: NameArgument, image_size: options.ImageSize = None, json: options.Json = False) -> None:
    """Verify checksums of downloaded files (exit code 1 if one is corrupt or missing), or decode your own data set.

    Example: defective data check mnist
    """
    check_name(name, image_size=image_size)
    if name not in REMOTES:
        get(name, image_size, json)
        return
    states = verify(name)
    lacking = any(state != "ok" for _, state in states)
    if json:
        print_json([{"file": file, "state": state} for file, state in states])
    else:
        note = f"defective data get {name} downloads what is missing or corrupt" if lacking else ""
        print_table(name, ("file", "state"), states, note)
    if lacking:
        raise typer.Exit(1)


@app.command()
def prune(
    everything: Annotated[
        bool,
        typer.Option("--all", help="Remove decoded and unpacked images too, which no command may be reading; they are made again."),
    ] = False,
    json: options.Json = False,
) -> None:
    """Remove leftovers of killed processes from the cache; downloaded files stay.

    Example: defective data prune --all
    """
    files, size = prune_cache(everything=everything)
    if json:
        print_json({"cache": str(cache_folder()), "files": files, "bytes": size})
    else:
        print_line(f"{cache_folder()}: {files:,} files removed, {size / 1e6:,.1f} MB")
