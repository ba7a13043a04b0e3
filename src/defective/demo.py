"""The main job in minutes, on the synthetic data set `shapes`: is a defective model harder to fool than the plain one?"""

import time
from pathlib import Path

from defective.data import shapes
from defective.data.stimuli import Stimuli
from defective.evaluation import EvaluationResult, evaluate
from defective.evaluation.result import Provenance
from defective.evaluation.settings import Part
from defective.experiments.json_files import write_json
from defective.files import check_folder
from defective.machine import choose_device
from defective.report.evaluation_page import write_evaluation_page
from defective.statistics import Rate
from defective.tables import number
from defective.training.checkpoint import load
from defective.training.recipes import recipe_for
from defective.training.train import train

DEFECTIVE = "resnet18/0.1-bottom"
ATTACKS = ("fgsm:eps=16/255", "pgd:eps=16/255,step_size=2/255,steps=10")
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


def run_demo(out: Path, *, seed: int = 0, samples: int = 500, device: str | None = None) -> EvaluationResult:
    """Train a source, a plain and a defective model; attack both with images generated on the source; measure noise and shape bias.

    Args:
        out: Folder for the models, ``evaluation.json`` and the page ``index.html``; a second call goes on from what is there.
        seed: Seed of the plain and the defective model; the source takes the next one.
        samples: Images to attack.
        device: Torch device name.

    Returns:
        The content of ``evaluation.json``.
    """
    check_folder(out)
    torch_device = choose_device(device)
    training, test, conflict, flat = map(shapes, ("train", "test", "conflict", "shape-only"))
    assert conflict.y_texture is not None
    stimuli = Stimuli((conflict.x, conflict.y, conflict.y_texture), (flat.x, flat.y), (flat.x[:0], flat.y[:0]), 0, 0)
    recipe = recipe_for("tiny", training.name, training.image_shape).changed(**SHORT)
    models, trained = {}, {}
    for label, name, net_seed in (("source", "resnet18", seed + 1), ("plain", "resnet18", seed), ("defective", DEFECTIVE, seed)):
        # Float32 everywhere: two processors gave like rates in it, and bfloat16 on one of them quite others.
        trained[label] = train(name, training, test, recipe, out / label, seed=net_seed, device=device, precision="fp32")
        models[label] = load(out / label).to(torch_device)
    started = time.perf_counter()
    targets, source = {label: models[label] for label in ("plain", "defective")}, {"source": models["source"]}
    parts: tuple[Part, ...] = ("transfer", "noise", "stimuli")
    found = evaluate(
        targets, test, sources=source, attacks=ATTACKS, stimuli=stimuli, parts=parts, samples=samples, seed=seed, precision="fp32"
    )
    about = {
        "seconds": sum(each["seconds"] for each in trained.values()) + time.perf_counter() - started,
        "machine": trained["defective"]["machine"],
        "models": {label: Provenance.of(model) for label, model in models.items()},
    }
    found = found.model_copy(update=about)
    write_evaluation_page(
        found,
        targets,
        test.classes,
        out / "index.html",
        title="A plain and a defective model under attack",
        lead=_lead(found),
        notes=(
            "Data set shapes: synthetic images; in training, shape and texture predict the class equally well. Silhouettes have no "
            f"texture. Models resnet18 and {DEFECTIVE} at width {recipe.width_mult}, {recipe.epochs} epochs, seed {seed}; the source is "
            f"another resnet18, seed {seed + 1}.",
            "One run of one seed: another seed, precision or number of threads can give quite other defence rates.",
        ),
        next_steps=NEXT_STEPS,
    )
    write_json(out / "evaluation.json", found.as_json())
    return found


def _lead(found: EvaluationResult) -> str:
    # The last attack.
    kept = {cell.target: cell.defense["paper"] for cell in found.cells}
    bias = {label: report.bias for label, report in found.stimuli.items()}
    return (
        f"On PGD images (radius 16/255) that fool a third model, the defective ResNet-18 keeps {_share(kept['defective'])} of "
        f"its correct predictions, the plain one {_share(kept['plain'])}. Nine tenths of the neurons in the defective model's "
        f"bottom layers are masked; without an attack it classifies {_share(found.accuracy['defective'])} of the test images correctly, "
        f"the plain one {_share(found.accuracy['plain'])}. Where shape and texture disagree, it follows the shape in "
        f"{_share(bias['defective'])} of its decisions, the plain one in {_share(bias['plain'])}."
    )


def _share(rate: Rate) -> str:
    return f"{number(100 * rate, digits=0)}\N{NO-BREAK SPACE}%" if rate.num_evaluated else "an unknown share"
