"""``defective evaluate``."""

import json as json_module
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import nn

from defective.cli.console import (
    DataOption,
    DeviceOption,
    ImageSizeOption,
    JsonOption,
    SeedOption,
    percent,
    print_json,
    print_table,
)
from defective.cli.references import open_models
from defective.data import load_data
from defective.errors import InputError
from defective.evaluation.protocol import Evaluation, evaluate_transfer, read_crafted
from defective.files import check_folder, write_tensors, write_whole
from defective.machine import choose_device, describe_machine
from defective.specs import AttackSpec


def evaluate(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Checkpoints, folders of train, or module:factory.")],
    data: DataOption,
    source: Annotated[
        list[str] | None, typer.Option(help="Net the attacker owns; repeatable. Default: every MODEL, or none with --crafted.")
    ] = None,
    crafted: Annotated[list[Path] | None, typer.Option(help="File of defective attack to score too; repeatable.")] = None,
    attack: Annotated[list[str] | None, typer.Option(help="Attack; repeatable. Default: pgd and fgsm, eps 16/255.")] = None,
    white_box: Annotated[bool, typer.Option("--white-box", help="Also attack each MODEL on itself.")] = False,
    samples: Annotated[
        int, typer.Option(min=1, help="Images per source and attack, among those the source classifies right.")
    ] = 2000,
    keep_float: Annotated[bool, typer.Option("--float", help="Do not round attacked images to 8 bits.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.json and the outcome of every image.")] = None,
    seed: SeedOption = 0,
    image_size: ImageSizeOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> None:
    """Measure how many transferred attacks each model withstands.

    A cell is the paper's success defence rate: attacked images still classified right, among those that the model classified right
    before and that fooled the source; in brackets the 95 % interval. Where a model is attacked on itself, all images count that it
    classified right before (Table 8).

    Example: defective evaluate runs/plain runs/bottom01 --source runs/source --data shapes
    """
    if not source and not crafted and len(models) < 2:
        raise InputError("one model alone has no source to be attacked from: name --source, --crafted, or further models")
    specs = [AttackSpec.parse(text) for text in attack or ["pgd", "fgsm"]]
    if out is not None:
        check_folder(out)
    targets, sources = open_models([models, source or ([] if crafted else models)], device)
    test = load_data(data, "test", image_size=image_size)
    evaluation = evaluate_transfer(
        targets,
        sources,
        test,
        specs,
        crafted=[read_crafted(file, test) for file in crafted or ()],
        white_box=white_box,
        samples=samples,
        seed=seed,
        rounded=not keep_float,
    )
    document = _document(evaluation, samples, seed, not keep_float, device)
    document["models"] = {name: _provenance(model) for name, model in {**sources, **targets}.items()}
    if out is not None:
        write_tensors(out / "outcomes.safetensors", evaluation.as_tensors(), {"cells": document["cells"]})
        write_whole(out / "evaluation.json", lambda file: file.write_text(json_module.dumps(document, indent=1)))
    if json:
        print_json(document)
    else:
        _print(evaluation, samples)


def _document(evaluation: Evaluation, samples: int, seed: int, rounded: bool, device: str | None) -> dict[str, Any]:
    settings = {"samples": samples, "seed": seed, "rounded_to_8_bits": rounded}
    return {**evaluation.as_dict(), **settings, "machine": describe_machine(choose_device(device), "fp32")}


def _provenance(model: nn.Module) -> dict[str, Any]:
    """What is known of a net: its name in the grammar, what built it, what it was trained on; nothing for a net of the user's own."""
    spec = getattr(model, "spec", None)
    return {
        "net": None if spec is None else str(spec),
        "built": getattr(model, "build_options", None),
        "trained": getattr(model, "notes", None),
    }


def _print(evaluation: Evaluation, samples: int) -> None:
    cells: dict[str, dict[str, str]] = {}
    for outcome in evaluation.outcomes:
        made = outcome.crafted
        # The spaces let a narrow terminal break the heading.
        heading = f"{made.attack.replace(',', ', ')} on {'itself' if outcome.white_box else made.source}"
        # Among images that fooled the net itself none is withstood, so its own attack is counted over all it had right.
        cells.setdefault(heading, {})[outcome.target] = percent(outcome.rate("target-correct" if outcome.white_box else "paper"))
    rows = [
        (name, percent(accuracy), *(column.get(name, "") for column in cells.values()))
        for name, accuracy in evaluation.accuracies.items()
    ]
    columns = ("model", "accuracy %", *cells)
    note = f"defence rate in % with 95 % interval, up to {samples:,} images per source and attack"
    print_table(f"Transfer attacks on {evaluation.data}", columns, rows, note=note)
