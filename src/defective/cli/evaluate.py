"""``defective evaluate``."""

import csv
import io
import json as json_module
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from defective.cli import options
from defective.cli.console import print_json, warn
from defective.cli.references import open_attack, open_models, warn_of_other_classes
from defective.cli.substitutes import PREFIX, Substitute, train_substitutes
from defective.cli.weights import data_sizes
from defective.data import Data, check_name, load_data
from defective.data.stimuli import Stimuli, check_stimuli, load_stimuli
from defective.errors import InputError
from defective.evaluation import AdversarialSet, EvaluationResult
from defective.evaluation import evaluate as evaluate_models
from defective.evaluation.inputs import as_sources, check_encoders, check_transfer
from defective.evaluation.model_vs_human import trial_tables
from defective.evaluation.result import Provenance
from defective.evaluation.settings import ATTACKS, DEFAULTS, PARTS, WHITE_BOX, Neurons, Settings
from defective.experiments.adversarial_files import read_adversarial, read_metadata
from defective.experiments.stored_run import StoredRun
from defective.files import check_folder, write_tensors, write_text
from defective.machine import PRECISIONS, choose_device, describe_machine, inference_precision
from defective.report.evaluation_page import write_evaluation_page
from defective.specs import ATTACK_DEFAULTS
from defective.surgery import defects
from defective.tables import Table, format_table


def evaluate(
    context: typer.Context,
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help=options.MODELS_HELP)],
    data: options.Data,
    model: options.Builders = None,
    source: Annotated[
        list[str] | None,
        options.completed(
            "Model that the attacker owns, several joined by +, substitute:SHARE (trained on each MODEL's predictions on that share of "
            "the training images) or cifar10-model (the network of that package); repeatable. "
            "Default: every MODEL where there are several, or none with --adversarial.",
            "substitute:",
            "cifar10-model",
        ),
    ] = None,
    adversarial: Annotated[
        list[Path] | None, typer.Option("--adversarial", help="File written by defective attack, to score as well; repeatable.")
    ] = None,
    attack: Annotated[
        list[str] | None,
        options.completed("Attack, or module:function of yours; repeatable. Default: pgd and fgsm, eps 16/255.", *ATTACK_DEFAULTS),
    ] = None,
    parts: Annotated[
        str | None,
        options.completed(
            f"Parts to run: {', '.join(PARTS)}. Default: all; transfer only with a source, stimuli only with --stimuli.", *PARTS
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(help="Images per source and attack, for noise and for shuffled patches.")
    ] = DEFAULTS.samples,
    decision: Annotated[
        str,
        options.completed(
            "Decision-based attack: boundary (directions=25 in the paper) or hopskipjump.", "boundary", "hopskipjump"
        ),
    ] = str(DEFAULTS.decision),
    decision_samples: Annotated[int, typer.Option(help="Images for the decision-based attack.")] = DEFAULTS.decision_samples,
    confidence: Annotated[
        float, typer.Option(help="Minimum confidence of every model in the images to shuffle.")
    ] = DEFAULTS.confidence,
    check_samples: Annotated[int, typer.Option(help="Images for the sanity checks.")] = DEFAULTS.check_samples,
    mask_draws: Annotated[
        int, typer.Option(help="Add a source that averages each defective source over this many fresh masks; 0: none.")
    ] = DEFAULTS.mask_draws,
    stimuli: Annotated[Path | None, typer.Option(help="Archive of cue-conflict images, silhouettes and edges.")] = None,
    human_categories: Annotated[
        bool,
        typer.Option(
            "--model-vs-human",
            help="Classify --stimuli among the 16 categories of Geirhos et al. 2021, and write trial tables to --out.",
        ),
    ] = False,
    neurons: Annotated[
        str,
        options.completed(
            "Models in attacks on a CPU. all: unchanged. auto: batch norm folded, dead neurons skipped. live: auto, with timed layers.",
            *get_args(Neurons),
        ),
    ] = DEFAULTS.neurons,
    precision: Annotated[
        str,
        options.completed(
            "Gradient attacks on a CPU: bf16 where --neurons replaces a model (auto: where that is faster), or fp32.",
            *PRECISIONS,
        ),
    ] = DEFAULTS.precision,
    keep_float: options.KeepFloat = False,
    batch_size: options.BatchSize = DEFAULTS.batch_size,
    out: Annotated[
        Path | None, options.folder("Folder for index.html, evaluation.md, evaluation.json and per-image outcomes.")
    ] = None,
    seed: options.Seed = DEFAULTS.seed,
    image_size: options.ImageSize = None,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Measure how robust each model is: the black-box protocol of the paper, with sanity checks.

    Transfer cells are the paper's defence success rate: adversarial images still classified correctly, among those that the model
    classified correctly before and that fooled the source; in brackets the 95 % interval. A cell is marked where the attack is not
    black-box: gray-box if source and MODEL have the same built-in name with other weights or masks, adaptive if both are defective.
    White-box cells count all images that the model classified correctly before (Table 8). In transfer cells every further MODEL is
    compared with the first on the same images.

    Finished chunks are stored in the cache folder: a killed command resumes. Exit code 1: a sanity check failed.

    Example: defective evaluate runs/plain runs/bottom01 --source runs/source --data shapes --out runs/evaluation
    """
    attacks = [open_attack(text) for text in attack] if attack else list(ATTACKS)
    alone = parts is None and len(models) == 1 and not source and not adversarial
    available = {"transfer": not alone, "stimuli": stimuli}
    chosen: tuple[str, ...] = tuple(part for part in PARTS if available.get(part, True))
    if parts is not None:
        chosen = tuple(part.strip() for part in parts.split(",") if part.strip())
    if not chosen:
        raise InputError(f"--parts {parts!r} names no part; there are {', '.join(PARTS)}")
    # What an option is called is what it sets.
    settings = {name: value for name, value in context.params.items() if name in Settings.model_fields}
    settings |= {"parts": chosen, "rounded": not keep_float}
    # Checked before any model or data set is read.
    Settings.make(**settings)
    substitutes = [Substitute.parse(text) for text in source or [] if text.startswith(PREFIX)]
    if parts is not None and ("stimuli" in chosen) != (stimuli is not None):
        raise InputError("the part stimuli and the option --stimuli ARCHIVE go together: name both, or neither")
    if human_categories and (stimuli is None or out is None):
        raise InputError("--model-vs-human needs --stimuli ARCHIVE, and --out FOLDER for its tables of trials")
    if out is not None:
        check_folder(out)
    check_name(data, image_size=image_size)
    if stimuli is not None:
        check_stimuli(stimuli)
    files = adversarial or []
    for number, file in enumerate(files):
        if os.path.realpath(file) in map(os.path.realpath, files[:number]):
            raise InputError(f"{file} is named twice")
        read_metadata(file)
    owned = [text for text in source or [] if not text.startswith(PREFIX)]
    sizes = partial(data_sizes, data, image_size)
    targets, opened = open_models([models, owned], device, models=model, sizes=sizes)
    sources = as_sources(opened if source else None, targets, files)
    check_transfer(chosen, sources or substitutes, attacks, files)
    if mask_draws and "transfer" not in chosen and not alone:
        raise InputError(f"--mask-draws {mask_draws} needs the part transfer, which --parts excludes: drop one of the two")
    if source and "transfer" not in chosen and not files:
        raise InputError(f"--source {source[0]} needs the part transfer, which --parts excludes: drop one of the two")
    if mask_draws and not any(map(defects, sources.values())):
        raise InputError(
            f"--mask-draws {mask_draws}: no source has masks to draw ({', '.join(sources) or 'there is none'}): name a defective "
            "--source, or leave it out"
        )
    check_encoders((sources if "transfer" in chosen else {}) | (targets if "white-box" in chosen else {}), attacks)
    if alone:
        warn("one model and no source: the part transfer is left out; name a model of the attacker with --source MODEL")
    test = load_data(data, "test", image_size=image_size)
    warn_of_other_classes(sources | targets, test)
    shapes = None
    if stimuli is not None:
        shapes = load_stimuli(stimuli, test.classes, image_shape=test.image_shape, human_categories=human_categories)
    if substitutes and "transfer" in chosen:
        training = load_data(data, "train", image_size=image_size)
        sources |= train_substitutes(substitutes, targets, training, test, seed=seed, device=device)
    run, torch_device = StoredRun.in_cache(), choose_device(device)
    generated = {(name, str(each)) for name in sources for each in attacks}
    if "white-box" in chosen:
        generated |= {(name, str(each)) for name in targets for each in (*WHITE_BOX, *attacks)}
    found = evaluate_models(
        targets,
        test,
        sources=sources,
        attacks=attacks,
        adversarial=_read(files, test, generated),
        stimuli=shapes,
        run=run,
        **settings,
    )
    about: dict[str, Any] = {
        "seconds": run.seconds,
        "machine": describe_machine(torch_device, inference_precision(torch_device)),
        "models": {name: Provenance.of(model) for name, model in (sources | targets).items()},
    }
    if shapes is not None:
        about["stimuli_skipped"] = {"other_class": shapes.other_class, "same_cues": shapes.same_cues}
    if shapes is not None and shapes.categories:
        about["stimuli_categories"] = tuple(shapes.categories)
    found = found.model_copy(update=about)
    if out is not None:
        _write(found, out, shapes if human_categories else None)
        write_evaluation_page(found, targets, test.classes, out / "index.html")
    if json:
        print_json(found.as_json())
    else:
        sys.stdout.write(format_table(_titled(found), "terminal"))
    if found.failed():
        raise typer.Exit(1)


def _read(files: list[Path], test: Data, made: set[tuple[str, str]]) -> list[AdversarialSet]:
    """Adversarial sets; the source is named with the file where it and the attack are another set's too, or are generated here."""
    sets = [read_adversarial(file, test) for file in files]
    labels = [(each.source, each.attack) for each in sets]
    names = [file.name for file in files]
    for number, (each, label, file) in enumerate(zip(sets, labels, files, strict=True)):
        if label in made or labels.count(label) > 1:
            sets[number] = replace(each, source=f"{each.source} ({file.name if names.count(file.name) == 1 else file})")
    return sets


def _titled(found: EvaluationResult) -> Table:
    return replace(found.as_table(), title=f"Black-box evaluation on {found.data}")


def _write(found: EvaluationResult, out: Path, trials: Stimuli | None) -> None:
    document = found.as_json()
    write_tensors(out / "outcomes.safetensors", found.as_tensors(), {"cells": document["cells"]})
    texts = {"evaluation.md": format_table(_titled(found), "markdown"), "evaluation.json": json_module.dumps(document, indent=1)}
    for file, rows in trial_tables(trials, found.stimuli).items() if trials else ():
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        texts[f"model-vs-human/{file}"] = text.getvalue()
    for file, content in texts.items():
        write_text(out / file, content)
