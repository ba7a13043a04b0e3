"""``defective train``."""

from pathlib import Path
from typing import Annotated

import typer

from defective.cli import options
from defective.cli.console import print_json, print_records
from defective.cli.start import Start, conversion
from defective.data import load_data
from defective.files import check_folder
from defective.machine import PRECISIONS, choose_device, rank_and_world_size, resolve_precision
from defective.specs import GRADIENT_ATTACKS, Recipe
from defective.tables import duration, number
from defective.training.recipes import ADVERSARIES, SCALES, adversary, recipe_for
from defective.training.train import train as train_net


def train(
    context: typer.Context,
    net: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=options.MODEL_NAMES,
            help="A name such as resnet18/0.1-bottom (see defective models), module:factory (its code is run), timm:NAME, or a "
            "file to start from (./FILE if it is called like a name). Arguments follow a comma, as in timm:resnet18,pretrained=true.",
        ),
    ],
    data: options.Data,
    out: Annotated[Path, options.folder("Folder for the checkpoint and the result.")],
    recipe: Annotated[
        str, options.completed("tiny (two cores, minutes), small (hours), fast (one GPU), paper (Appendix D).", *SCALES)
    ] = "tiny",
    model: options.Builder = None,
    defect: options.Defect = None,
    sites: options.Sites = None,
    seed: options.Seed = 0,
    mask_seed: Annotated[int | None, typer.Option(min=0, max=options.MAX_SEED, help="Seed of the masks; default: --seed.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Number of epochs. Default: the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Batch size. Default: the recipe's.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate. Default: the recipe's.")] = None,
    width_mult: Annotated[
        float | None, typer.Option(help="Factor on all channel counts of a built-in model. Default: the recipe's.")
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(help="Share of the target given to the incorrect classes, such as 0.1.")
    ] = None,
    adversarial: Annotated[
        str | None,
        options.completed(
            "Train on adversarial examples: madry, buckman (thermometer models), or an attack such as pgd:eps=4/255.",
            *ADVERSARIES,
            *GRADIENT_ATTACKS,
        ),
    ] = None,
    neurons: Annotated[
        str | None,
        options.completed(
            "live: compute only the live neurons of defective layers; batch norm then counts only these.", "all", "live"
        ),
    ] = None,
    nesterov: Annotated[bool | None, typer.Option(help="Nesterov's momentum.", show_default=False)] = None,
    averaging: Annotated[
        float | None, typer.Option(help="Score and save the moving average of the weights, with this decay, such as 0.999.")
    ] = None,
    flip: Annotated[
        str | None, options.completed("random, or alternating: each image mirrored in every other epoch.", "random", "alternating")
    ] = None,
    normalization: Annotated[
        str | None, options.completed("channel, or pixel-mean: subtract the mean training image.", "channel", "pixel-mean")
    ] = None,
    image_size: options.ImageSize = None,
    device: options.Device = None,
    precision: Annotated[str, options.completed("auto, fp32 or bf16.", *PRECISIONS)] = "auto",
    json: options.Json = False,
) -> None:
    """Train one model. A killed run resumes; a finished one is not repeated.

    Your own model is built by a function that returns a module from images in [0, 1] to logits. If it has arguments named num_classes,
    in_chans or image_size, they receive the values of the data. --defect 0.3 --sites PATTERN makes it defective before training.

    The same command trains baselines: dropout and thermometer models by name (resnet18/0.9-dropblock, resnet18/therm16), label
    smoothing and adversarial training by option. All combine with defective models (resnet18/0.1-bottom --adversarial madry).

    Example: defective train resnet18/0.1-bottom --data shapes --recipe tiny --out runs/bottom01
    """
    # Options have the names of the fields that they change.
    changes = {name: value for name, value in context.params.items() if name in Recipe.model_fields}
    changes["adversarial"] = None if adversarial is None else adversary(adversarial)
    # Mistakes are reported before a download; none of these checks depends on the data set of the recipe.
    start = Start.parse(net, model, conversion(defect, sites))
    planned = recipe_for(recipe, "cifar10", (3, 32, 32)).changed(**changes)
    start.check(planned, width_mult=width_mult, normalization=normalization, mask_seed=mask_seed)
    resolve_precision(choose_device(device), precision)
    check_folder(out)
    training, test = (load_data(data, split, image_size=image_size) for split in ("train", "test"))
    chosen = start.recipe(recipe_for(recipe, training.name, training.image_shape).changed(**changes))
    to_train = start.model(chosen, seed, mask_seed)
    result = train_net(to_train, training, test, chosen, out, seed=seed, mask_seed=mask_seed, device=device, precision=precision)
    if rank_and_world_size()[0] > 0:
        return
    if json:
        print_json(result)
        return
    title = f"{result['net']} on {result['data']}, recipe {chosen.name}, seed {seed}"
    accuracy = number(100 * result["test_accuracy"], digits=2)
    changed = "; * changed by options" if chosen.name.endswith("*") else ""
    # A trained model is tested in float32, whatever it was trained in.
    trained_in = result["machine"]["precision"]
    precise = "" if trained_in == "fp32" else f" in fp32 (rows: {trained_in})"
    note = f"test accuracy {accuracy} %{precise}, {duration(result['seconds'])}, saved in {out / 'model.safetensors'}{changed}"
    columns = {
        "epoch": "{epoch}",
        "last lr": "{lr:.3g}",
        "loss": "{train_loss:.3f}",
        "train %": "{train}",
        "test %": "{test}",
        "images/s": "{images_per_second:,.0f}",
    }
    shares = ({part: number(100 * row[f"{part}_accuracy"]) for part in ("train", "test")} | row for row in result["history"])
    print_records(title, columns, shares, note)
