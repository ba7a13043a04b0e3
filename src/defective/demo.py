"""The main job in minutes, on the synthetic data set `shapes`: is a defective model harder to fool than the plain one?"""

import time
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from defective.data import shapes
from defective.evaluation import AdversarialSet, EvaluationResult, accuracy, evaluate
from defective.evaluation.corruptions import corruption_curve
from defective.evaluation.shape_bias import shape_bias
from defective.experiments.json_files import write_json
from defective.figures import bars
from defective.files import check_folder
from defective.inference import logits
from defective.machine import choose_device
from defective.report.evaluation_page import examples_of
from defective.report.galleries import mask_pictures
from defective.report.page import write_page
from defective.statistics import Rate
from defective.tables import DASH, NO_IMAGES, Cell, Table, interval, number
from defective.training.checkpoint import load
from defective.training.recipes import recipe_for
from defective.training.train import train

DEFECTIVE = "resnet18/0.1-bottom"
ATTACKS = ("fgsm:eps=16/255", "pgd:eps=16/255,step_size=2/255,steps=10")
SIGMAS = (8, 16, 24, 32)
# Beside the recipe of scale tiny: averaged weights of smaller batches do in half the epochs.
SHORT = {"epochs": 2, "batch_size": 64, "nesterov": True, "averaging": 0.99}
NEXT_STEPS = (
    (
        "Make your own model defective, before or after its weights are loaded.",
        "python -c 'import defective; help(defective.defect_)'",
    ),
    ("Evaluate your own models and attacks in the same way.", "defective evaluate --help"),
    (
        "Reproduce a table of the paper on real images.",
        "defective reproduce table4 --data cifar10 --scale tiny --store runs/store\n"
        "defective report --store runs/store --out runs/report",
    ),
)
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
    torch_device = choose_device(device)
    training, test = shapes("train"), shapes("test")
    recipe = recipe_for("tiny", training.name, training.image_shape).changed(**SHORT)
    models, results = {}, {}
    for label, name, net_seed in (("source", "resnet18", seed + 1), ("plain", "resnet18", seed), ("defective", DEFECTIVE, seed)):
        # Float32 everywhere: two processors gave like rates in it, and bfloat16 on one of them quite others.
        results[label] = train(name, training, test, recipe, out / label, seed=net_seed, device=device, precision="fp32")
        models[label] = load(out / label).to(torch_device)
    started = time.perf_counter()
    targets, source = {label: models[label] for label in ("plain", "defective")}, {"source": models["source"]}
    evaluation = evaluate(targets, test, sources=source, attacks=ATTACKS, parts=("transfer",), samples=samples, seed=seed)
    noise = {
        label: corruption_curve(model, test.x[:1000], test.y[:1000], "noise", strengths=SIGMAS, seed=seed)
        for label, model in targets.items()
    }
    table = {label: _row(model, label, evaluation, noise[label]) for label, model in targets.items()}
    result = {
        "model": DEFECTIVE,
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
    _page(out / "index.html", targets, evaluation.outcomes[-1].adversarial, table, result)
    write_json(out / "result.json", result)
    return result


def _row(model: nn.Module, label: str, evaluation: EvaluationResult, noise: dict[float, Rate]) -> dict[str, Rate]:
    conflict = shapes("conflict")
    assert conflict.y_texture is not None
    fgsm, pgd = (outcome.rate() for outcome in evaluation.outcomes if outcome.target == label)
    bias = shape_bias(model, conflict.x, conflict.y, conflict.y_texture)
    single = [accuracy(model, made.x, made.y) for made in (shapes("shape-only"), shapes("texture-only"))]
    return dict(zip(COLUMNS, (evaluation.accuracy[label], fgsm, pgd, noise[SIGMAS[-1]], bias, *single), strict=True))


def _page(
    path: Path,
    targets: dict[str, nn.Module],
    pgd: AdversarialSet,
    table: dict[str, dict[str, Rate]],
    result: dict[str, Any],
) -> None:
    attacked = {column: {label: table[label][column] for label in targets} for column in COLUMNS[1:5]}
    predicted = {label: logits(model, pgd.x_adv).argmax(1).cpu() for label, model in targets.items()}
    plain, defective = table["plain"], table["defective"]
    write_page(
        path,
        title="A plain and a defective model under attack",
        lead=(
            f"On PGD images (radius 16/255) that fool a third model, the defective ResNet-18 keeps {_share(defective['PGD 16/255'])} of "
            f"its correct predictions, the plain one {_share(plain['PGD 16/255'])}. Nine tenths of the neurons in the defective model's "
            f"bottom layers are masked; without an attack it classifies {_share(defective['accuracy'])} of the test images correctly, the "
            f"plain one {_share(plain['accuracy'])}. Where shape and texture disagree, it follows the shape in "
            f"{_share(defective['shape bias'])} of its decisions, the plain one in {_share(plain['shape bias'])}."
        ),
        measured=Table(
            ("measured, %", *table),
            tuple((column, *(_cell(row[column]) for row in table.values())) for column in COLUMNS),
            notes=(
                "FGSM and PGD: share of adversarial images classified correctly, among those whose clean image the model classified "
                "correctly and that fooled the source. Shape bias: shape decisions among the decisions for either cue, on images that "
                "have another class's texture. Small print: 95 % intervals and the number of images.",
            ),
        ),
        figures={"Defence rates, accuracy under noise, and shape bias, with 95 % intervals.": bars(attacked, y_label="%")},
        about_examples=_about_examples(predicted, pgd),
        examples=examples_of(pgd, predicted, shapes("test").classes),
        about_masks="First channels of the first masks of the defective model.",
        masks=mask_pictures(targets["defective"], name=DEFECTIVE, data="shapes"),
        provenance=_provenance(result),
        next_steps=NEXT_STEPS,
    )


def _share(rate: Rate) -> str:
    return f"{100 * rate:.0f}\N{NO-BREAK SPACE}%" if rate.num_evaluated else "an unknown share"


def _cell(rate: Rate) -> Cell:
    if not rate.num_evaluated:
        return Cell(DASH, NO_IMAGES)
    low, high = rate.interval
    small = f"{interval(100 * low, 100 * high)}, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{rate.num_evaluated:,}"
    return Cell(number(100 * rate), small)


def _about_examples(predicted: dict[str, Tensor], pgd: AdversarialSet) -> str:
    fooled, y = pgd.fooled.cpu(), pgd.y.cpu()
    plain, defective = (fooled & (predicted[label] == y) for label in ("plain", "defective"))
    return (
        f"PGD images generated on the source. Of the {int(fooled.sum()):,} that fooled it, only the defective model is correct on "
        f"{int((defective & ~plain).sum())}, only the plain one on {int((plain & ~defective).sum())}; six are shown, those first on "
        "which the models differ, with the predictions of both."
    )


def _provenance(result: dict[str, Any]) -> list[str]:
    recipe, machine = result["recipe"], result["machine"]
    attacks = "; ".join(result["attacks"]).replace(",", ", ")
    return [
        f"Data set shapes: synthetic images; in training, shape and texture predict the class equally well. Models resnet18 and "
        f"{result['model']} at width {recipe['width_mult']}, {recipe['epochs']} epochs, seed {result['seed']}; the source is another "
        f"resnet18, seed {result['seed'] + 1}. Attacks: {attacks}, on up to {result['samples']} images that the "
        f"source classifies correctly, rounded to 8 bits.",
        f"{machine['device']}, {machine['precision']} training, torch {machine['torch']}, defective {machine['defective']}; "
        f"{result['seconds']:.0f} seconds. One run of one seed: the intervals cover the sample of images. "
        "Another seed, precision or number of threads can give very different defence rates.",
    ]
