"""The main job in minutes, on the synthetic data set `shapes`: is a defective model harder to fool than the plain one?"""

import json
import time
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from defective.data import ImageSet, shapes
from defective.evaluation import AdversarialSet, EvaluationResult, accuracy, corruption_curve, evaluate, shape_bias
from defective.files import check_folder, write_whole
from defective.inference import logits
from defective.machine import choose_device
from defective.report.figures import bars, curves
from defective.report.page import write_page
from defective.report.pictures import mask_picture, perturbation_picture, picture
from defective.specs import AttackSpec
from defective.statistics import Rate
from defective.surgery import defects, mask_layers
from defective.training.checkpoint import load
from defective.training.recipes import recipe_for
from defective.training.train import train

DEFECTIVE = "resnet18/0.1-bottom"
ATTACKS = ("fgsm:eps=16/255", "pgd:eps=16/255,step_size=2/255,steps=10")
SIGMAS = (8, 16, 24, 32)
COLUMNS = ("accuracy", "FGSM 16/255", "PGD 16/255", "noise σ = 32", "shape bias", "shape only", "texture only")


def run_demo(out: Path, *, seed: int = 0, samples: int = 500, device: str | None = None) -> dict[str, Any]:
    """Train a source, a plain and a defective model; attack both with images generated on the source; measure noise and shape bias.

    Args:
        out: Folder for the models, ``result.json`` and the page ``index.html``; a second call goes on from what is there.
        seed: Seed of the plain and the defective model; the source takes the next one.
        samples: Images to attack.
        device: Torch device name.

    Returns:
        The content of ``result.json``.
    """
    check_folder(out)
    place = choose_device(device)
    training, test = shapes("train"), shapes("test")
    recipe = recipe_for("tiny", training.name, training.image_shape)
    models, results = {}, {}
    for label, name, net_seed in (
        ("source", "resnet18", seed + 1),
        ("plain", "resnet18", seed),
        ("defective", DEFECTIVE, seed),
    ):
        results[label] = train(name, training, test, recipe, out / label, seed=net_seed, device=device)
        models[label] = load(out / label).to(place)
    started = time.perf_counter()
    targets = {label: models[label] for label in ("plain", "defective")}
    specs = [AttackSpec.parse(text) for text in ATTACKS]
    evaluation = evaluate(
        targets, test, sources={"source": models["source"]}, attacks=specs, parts=("transfer",), samples=samples, seed=seed
    )
    noise = {
        label: corruption_curve(model, test.x[:1000], test.y[:1000], "noise", strengths=SIGMAS, seed=seed)
        for label, model in targets.items()
    }
    table = {label: _row(model, label, evaluation, noise[label]) for label, model in targets.items()}
    result = {
        "net": DEFECTIVE,
        "data": "shapes",
        "seed": seed,
        "samples": samples,
        "recipe": recipe.model_dump(mode="json"),
        "attacks": list(ATTACKS),
        "table": {label: {column: rate.as_dict() for column, rate in row.items()} for label, row in table.items()},
        "noise": {label: {str(sigma): rate.as_dict() for sigma, rate in curve.items()} for label, curve in noise.items()},
        "seconds": sum(trained["seconds"] for trained in results.values()) + time.perf_counter() - started,
        "machine": results["defective"]["machine"],
        "page": str(out / "index.html"),
    }
    _page(out / "index.html", targets, evaluation, table, noise, result)
    write_whole(out / "result.json", lambda file: file.write_text(json.dumps(result, indent=1), encoding="utf-8"))
    return result


def _row(model: nn.Module, label: str, evaluation: EvaluationResult, noise: dict[float, Rate]) -> dict[str, Rate]:
    conflict = shapes("conflict")
    assert conflict.y_texture is not None
    fgsm, pgd = (outcome.rate() for outcome in evaluation.outcomes if outcome.target == label)
    bias = shape_bias(model, conflict.x, conflict.y, conflict.y_texture)
    single = [accuracy(model, made.x, made.y) for made in (shapes("shape-only"), shapes("texture-only"))]
    return dict(zip(COLUMNS, (evaluation.accuracies[label], fgsm, pgd, noise[SIGMAS[-1]], bias, *single), strict=True))


def _page(
    path: Path,
    targets: dict[str, nn.Module],
    evaluation: EvaluationResult,
    table: dict[str, dict[str, Rate]],
    noise: dict[str, dict[float, Rate]],
    result: dict[str, Any],
) -> None:
    attacked = {column: {label: table[label][column] for label in targets} for column in COLUMNS[1:5]}
    pgd_set = evaluation.outcomes[-1].adversarial
    plain, defective = (table[label] for label in ("plain", "defective"))
    write_page(
        path,
        title="A plain and a defective model under attack",
        lead=(
            f"Of the adversarial images that PGD (radius 16/255) generated on a third model, the plain ResNet-18 classifies "
            f"{_share(plain['PGD 16/255'])} correctly, the defective one, with nine tenths of its bottom neurons masked, "
            f"{_share(defective['PGD 16/255'])}; their clean accuracy is {_share(plain['accuracy'])} and "
            f"{_share(defective['accuracy'])}. Where shape and texture disagree, the plain model decides by shape in "
            f"{_share(plain['shape bias'])} of its decisions, the defective one in {_share(defective['shape bias'])}."
        ),
        columns=("measured, %", *table),
        rows=[{"name": column, "cells": [_cell(row[column]) for row in table.values()]} for column in COLUMNS],
        notes=[
            "FGSM and PGD: share of adversarial images classified correctly, among those whose clean image the model classified correctly "
            "and that fooled the source. Shape bias: shape decisions among the decisions for either cue, on images that wear another "
            "class's texture. Small print: 95 % intervals and the number of images."
        ],
        figures=[
            {
                "svg": bars(attacked, y_label="%"),
                "caption": "Defence rates, accuracy under noise, and shape bias, with 95 % intervals.",
            },
            {
                "svg": curves(noise, x_label="σ of the noise, in levels of 255", y_label="accuracy, %"),
                "caption": "Accuracy under Gaussian noise clipped to two standard deviations.",
            },
        ],
        examples_note=(
            "PGD images generated on the source: the first six that fooled it, not chosen further. The predictions of both models stand "
            "below each."
        ),
        examples=_examples(targets, pgd_set, shapes("test")),
        masks_note=(
            "First channels of the first masks of the defective model. Black neurons are masked: their output is 0 for every image, in "
            "training and in testing."
        ),
        masks=[
            {
                "site": defect.site,
                "live": f"{defect.live:,}",
                "total": f"{defect.total:,}",
                "picture": mask_picture(mask_layers(targets["defective"])[defect.site].defect_mask[0]),
            }
            for defect in defects(targets["defective"])[:2]
        ],
        provenance=_provenance(result),
    )


def _share(rate: Rate) -> str:
    return f"{100 * rate:.0f}\N{NO-BREAK SPACE}%" if rate.num_evaluated else "an unknown share"


def _cell(rate: Rate) -> dict[str, str]:
    if rate.num_evaluated == 0:
        return {"value": "–", "interval": "no images"}
    low, high = rate.interval
    return {
        "value": f"{100 * rate:.1f}",
        "interval": f"{100 * low:.1f}-{100 * high:.1f}, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{rate.num_evaluated:,}",
    }


def _examples(targets: dict[str, nn.Module], adversarial: AdversarialSet, test: ImageSet) -> list[dict[str, Any]]:
    chosen = adversarial.fooled.nonzero()[:6, 0]
    x, x_adv, y = adversarial.x[chosen], adversarial.x_adv[chosen], adversarial.y[chosen]
    answers: dict[str, Tensor] = {label: logits(model, x_adv).argmax(1) for label, model in targets.items()}
    return [
        {
            "label": test.classes[int(y[i])],
            "original": picture(x[i]),
            "perturbation": perturbation_picture(x[i], x_adv[i], 16 / 255),
            "adversarial": picture(x_adv[i]),
            "verdicts": [
                {"net": label, "says": test.classes[int(answer[i])], "right": bool(answer[i] == y[i])}
                for label, answer in answers.items()
            ],
        }
        for i in range(len(chosen))
    ]


def _provenance(result: dict[str, Any]) -> list[str]:
    recipe, machine = result["recipe"], result["machine"]
    attacks = "; ".join(result["attacks"]).replace(",", ", ")
    return [
        f"Data set shapes: synthetic images; in training, shape and texture predict the class equally well. Models resnet18 and "
        f"{result['net']} at width {recipe['width_mult']}, {recipe['epochs']} epochs, seed {result['seed']}; the source is another "
        f"resnet18, seed {result['seed'] + 1}. Attacks: {attacks}, on up to {result['samples']} images that the "
        f"source classifies correctly, rounded to 8 bits.",
        f"{machine['device']}, {machine['precision']} training, torch {machine['torch']}, defective {machine['defective']}; "
        f"{result['seconds']:.0f} seconds. One run of one seed: the intervals cover the sample of images, not other seeds.",
    ]
