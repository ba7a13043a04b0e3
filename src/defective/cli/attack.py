"""``defective attack``."""

from pathlib import Path
from typing import Annotated

import typer

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
from defective.cli.references import open_attack, open_models
from defective.data import index_hash, load_data
from defective.evaluation import Subject, Work, craft_on
from defective.evaluation.crafted import write_crafted
from defective.files import check_file
from defective.machine import choose_device
from defective.statistics import Rate


def attack(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="NET", help="Net to attack: a checkpoint, a folder of train, module:factory, or several joined by +."
        ),
    ],
    data: DataOption,
    out: Annotated[Path, typer.Option(help="File for the attacked images (safetensors).")],
    attack: Annotated[
        str,
        typer.Option(help='A name with numbers, as in "pgd:eps=8/255,steps=10", or module:function, any (model, x, y) -> x_adv.'),
    ] = "pgd",
    samples: Annotated[int, typer.Option(min=1, help="Images, drawn at random among those the net classifies right.")] = 1000,
    keep_float: Annotated[bool, typer.Option("--float", help="Do not round to 8 bits.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Images attacked at once: lower it if memory runs out.")] = 250,
    seed: SeedOption = 0,
    image_size: ImageSizeOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> None:
    """Make adversarial images on one net and keep them.

    Attacks: fgsm, pgd, mifgsm, difgsm, tifgsm, sifgsm, nifgsm, vmifgsm, cw, boundary, noise; lspga for thermometer nets; autoattack
    where its package is installed. A killed command goes on where it stopped.

    Example: defective attack runs/plain --data shapes --attack "pgd:eps=8/255,steps=10" --out adversarial.safetensors
    """
    chosen = open_attack(attack)
    check_file(out)
    ((name, model),) = open_models([[checkpoint]], device)[0].items()
    test = load_data(data, "test", image_size=image_size)
    source = Subject.of(name, model, test, Work.in_cache(choose_device(device)))
    crafted = craft_on(source, chosen, samples=samples, seed=seed, rounded=not keep_float, batch_size=batch_size)
    write_crafted(crafted, test, out)
    fooled = Rate.of(int(crafted.fooled.sum()), len(crafted.y))
    if json:
        document = {
            "source": name,
            "attack": str(chosen),
            "data": test.name,
            "sample": index_hash(crafted.index),
            "out": str(out),
        }
        print_json({**document, "fooled": fooled.as_dict()})
        return
    rows = [(name, str(chosen), f"{len(crafted.y):,}", percent(fooled))]
    print_table(f"Attacked images of {test.name}", ("net", "attack", "images", "fooled %"), rows, note=f"saved in {out}")
