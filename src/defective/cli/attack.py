"""``defective attack``."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from defective.cli import options
from defective.cli.console import print_json, print_table
from defective.cli.references import open_attack, open_models, warn_of_other_classes
from defective.cli.weights import data_sizes
from defective.data import index_hash, load_data
from defective.evaluation import EvaluatedModel, generate
from defective.evaluation.inputs import check_encoders
from defective.experiments.adversarial_files import write_adversarial
from defective.experiments.stored_run import StoredRun
from defective.files import check_file
from defective.specs import ATTACK_DEFAULTS
from defective.statistics import Rate
from defective.tables import percent


def attack(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Model to attack: a checkpoint, a folder of train, a file of weights with --model, module:factory (its code is run), "
            "timm:NAME, or several joined by +.",
        ),
    ],
    data: options.Data,
    out: Annotated[Path, typer.Option(help="File for the adversarial images (safetensors).")],
    model: options.Builders = None,
    attack: Annotated[
        str,
        options.completed(
            'A name with numbers, as in "pgd:eps=8/255,steps=10", or module:function, any (model, x, y) -> x_adv.', *ATTACK_DEFAULTS
        ),
    ] = "pgd",
    samples: Annotated[
        int, typer.Option(min=1, max=10**9, help="Images, drawn at random among those that the model classifies correctly.")
    ] = 1000,
    keep_float: options.KeepFloat = False,
    batch_size: options.BatchSize = 250,
    seed: options.Seed = 0,
    image_size: options.ImageSize = None,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Generate adversarial examples on one model and write them to a file.

    Attacks: fgsm, pgd, mifgsm, difgsm, tifgsm, sifgsm, nifgsm, vmifgsm, cw, boundary, hopskipjump, hopskipjump-linf, noise; lspga for
    models with a thermometer; autoattack if its package is installed. A killed command resumes.

    Example: defective attack runs/plain --data shapes --attack "pgd:eps=8/255,steps=10" --out adversarial.safetensors
    """
    chosen = open_attack(attack)
    check_file(out)
    sizes = partial(data_sizes, data, image_size)
    ((name, attacked),) = open_models([[checkpoint]], device, models=model, sizes=sizes)[0].items()
    check_encoders({name: attacked}, [chosen])
    test = load_data(data, "test", image_size=image_size)
    warn_of_other_classes({name: attacked}, test)
    source = EvaluatedModel.of(name, attacked, test, StoredRun.in_cache(), batch_size=2 * batch_size)
    made = generate(source, chosen, samples=samples, seed=seed, rounded=not keep_float, batch_size=batch_size)
    write_adversarial(made, test, out)
    fooled = Rate.of(int(made.fooled.sum()), len(made.y))
    if json:
        about = {"source": name, "attack": str(chosen), "data": test.name, "sample": index_hash(made.index), "out": str(out)}
        print_json({**about, "fooled": fooled.as_dict()})
        return
    row = (name, str(chosen), f"{len(made.y):,}", percent(fooled))
    print_table(f"Adversarial examples of {test.name}", ("model", "attack", "images", "fooled %"), [row], f"written to {out}")
