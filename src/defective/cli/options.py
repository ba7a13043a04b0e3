"""The options that several commands have."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from defective.data import NAMES
from defective.specs import ARCHITECTURES

# Room for the seeds made from it, such as those of an ensemble's members, within the 64 bits of a generator.
MAX_SEED = 1 << 48
MODELS_HELP = "Checkpoints, folders of train, files of weights with --model, module:factory (its code is run) or timm:NAME."
_BUILDER_HELP = (
    "Builder of the model whose weights a file holds (.pt, .pth, .safetensors, or a custom model saved by train): "
    "module:factory, timm:NAME or a built-in name"
)


def names(*values: str) -> Callable[[str], list[str]]:
    """What a shell completes a value with."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


def completed(help: str, *values: str) -> Any:
    """An option that a shell completes with one of these values."""
    return typer.Option(help=help, autocompletion=names(*values))


def _named(folder: str | Path) -> Path:
    """A folder that is named; as a path alone, no name would be the current one."""
    if not str(folder).strip():
        raise typer.BadParameter("'' names no folder: write ./ for the current one")
    return Path(folder)


def folder(help: str) -> Any:
    """An option that names a folder for results."""
    return typer.Option(help=help, parser=_named, metavar="<path>")


def _for_the_document(json: bool) -> bool:
    """With ``--json``, what a custom model or attack prints goes to standard error."""
    if json:
        sys.stdout = sys.stderr
    return json


DATA_NAMES = names("cifar10", "mnist", "tiny-imagenet", "shapes", *(f"{kind}:" for kind in NAMES if kind != "shapes"))
# Examples: a name may hold any share of any block.
MODEL_NAMES = names(*(f"{arch}{variant}" for variant in ("", "/0.1-bottom", "/0.5-bottom") for arch in ARCHITECTURES), "timm:")

BatchSize = Annotated[int, typer.Option(min=1, max=10**9, help="Images attacked at once: lower it if memory runs out.")]
Builder = Annotated[str | None, typer.Option("--model", help=f"{_BUILDER_HELP}.")]
Builders = Annotated[
    list[str] | None, typer.Option("--model", help=f"{_BUILDER_HELP}; or FILE=REFERENCE for one file; repeatable.")
]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        autocompletion=DATA_NAMES,
        help="cifar10, mnist, tiny-imagenet (downloaded), or cifar10:PATH, mnist:PATH, tiny-imagenet:PATH (your official files), "
        "imagenet:PATH or folder:PATH (train/CLASS/IMAGE and test/CLASS/IMAGE), shapes. PATH: a folder or an archive.",
    ),
]
Defect = Annotated[
    float | None,
    typer.Option(
        help="Make the model defective: the share of neurons kept at each site, such as 0.3. Built-in models: part of the name."
    ),
]
Device = Annotated[str | None, completed("cpu, cuda, cuda:1, ...; default: the accelerator if there is one.", "cpu", "cuda")]
KeepFloat = Annotated[bool, typer.Option("--float", help="Do not round adversarial images to 8 bits.")]
ImageSize = Annotated[int | None, typer.Option(min=1, help="Scale and crop the images of a folder to this size.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.", callback=_for_the_document)]
Seed = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed.")]
Sites = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Sites for --defect: names of modules, such as 'layer1.*.bn?', or a class, such as BatchNorm2d; repeatable.",
    ),
]
Store = Annotated[Path, folder("Store: models, adversarial images and measured numbers.")]
STORE = Path("runs/store")
