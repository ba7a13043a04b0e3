"""``defective describe``."""

import copy
from typing import Annotated, Any

import torch
import typer
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from defective.baselines import Thermometer, drops
from defective.build import build
from defective.cli import options
from defective.cli.console import print_json, print_line, print_table
from defective.cli.start import Start, conversion
from defective.cli.weights import sizes_of
from defective.errors import InputError
from defective.inference import device_of, dtype_of, evaluating, reported
from defective.models.from_timm import timm_image_shape
from defective.probes import NORMS_AND_CONVOLUTIONS
from defective.sites import architecture_of, image_shape, spec_of
from defective.specs import NetSpec
from defective.surgery import defects, mask_layers
from defective.text import as_text
from defective.wrapper import site_modules, unwrapped

Shape = tuple[int, int, int]


def describe(
    net: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=options.MODEL_NAMES,
            help="A name such as resnet18/0.1-bottom, a checkpoint (./FILE if it is called like a name), a file of weights with --model, "
            "module:factory (its code is run) or timm:NAME.",
        ),
    ],
    model: options.Builder = None,
    defect: options.Defect = None,
    sites: options.Sites = None,
    seed: Annotated[int | None, typer.Option(min=0, max=options.MAX_SEED, help="Seed of weights and masks. Default: 0.")] = None,
    num_classes: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Classes. Default: 10, or those of your own model.")
    ] = None,
    in_chans: Annotated[int | None, typer.Option(min=1, max=4096, help="Channels of an image. Default: 3.")] = None,
    image_size: Annotated[
        int | None, typer.Option(min=1, max=65_536, help="Height and width of an image. Default: 32, or those of timm's config.")
    ] = None,
    width_mult: Annotated[float | None, typer.Option(help="Factor on all channel counts of a built-in model. Default: 1.")] = None,
    json: options.Json = False,
) -> None:
    """Show a model's blocks, defective sites, live and dead neurons, dropout, input code, and cost.

    For your own model it lists the sites that can be made defective; with --defect and --sites, the masks that train would make.

    Example: defective describe resnet18/0.1-bottom
    """
    start = Start.parse(net, model, conversion(defect, sites))
    sizes = {"num_classes": num_classes, "in_chans": in_chans, "image_size": image_size, "width_mult": width_mult}
    given: dict[str, Any] = {name: value for name, value in ({"seed": seed} | sizes).items() if value is not None}
    start.check(width_mult=width_mult)
    found, shape = _opened(start, given)
    if start.conversion is not None:
        start.conversion.apply_(found, shape, seed=seed or 0)
    document = _describe(found, net, shape)
    if json:
        print_json(document)
    else:
        _print(document)


def _opened(start: Start, given: dict[str, Any]) -> tuple[nn.Module, Shape]:
    """A model before it is converted, and the shape of its images: as it was made or trained for, of timm's config, or else 32 x 32."""
    if isinstance(start.source, NetSpec):
        model, notes = build(start.source, **given), dict[str, Any]()
    else:
        sizes = {key: value for key, value in given.items() if key != "seed"}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(given.get("seed", 0))
            model, notes = start.opened(**sizes)
        if given and (image_shape(model) or sizes_of(notes)):
            raise InputError(f"{start.text} is a checkpoint, which knows its own {next(iter(given))}: leave the option out")
    first = next((module.in_channels for module in model.modules() if isinstance(module, nn.Conv2d)), 3)
    channels, height, width = image_shape(model) or timm_image_shape(model) or (first, 32, 32)
    sizes = given | sizes_of(notes)
    return model, (sizes.get("in_chans", channels), sizes.get("image_size", height), sizes.get("image_size", width))


def _print(document: dict[str, Any]) -> None:
    sites = document["sites"]
    rows = [
        (
            site["site"],
            " x ".join(map(str, site["shape"])),
            site["pattern"],
            f"{site['keep_prob']:g}",
            *(f"{site[kind]:,}" for kind in ("live", "dead")),
        )
        for site in sites
    ]
    if rows:
        rows.append(("all", "", "", "", *(f"{sum(site[kind] for site in sites):,}" for kind in ("live", "dead"))))
        print_table(document["name"], ("site", "C x H x W", "pattern", "keep_prob", "live", "dead"), rows)
    else:
        print_line(f"{document['name']}: no mask in it")
    for line in document["summary"]:
        print_line(line)


def _describe(model: nn.Module, name: str, input_shape: Shape) -> dict[str, Any]:
    found, spec = defects(model), spec_of(model)
    built_in = architecture_of(model) is not None
    multiply_adds = _multiply_adds(model, name, input_shape)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    candidates = {} if image_shape(model) else _candidates(model)
    levels = next((module.levels for module in model.modules() if isinstance(module, Thermometer)), None)
    saved = "(masks not used to save any)"
    summary = [
        f"{parameters:,} parameters, {multiply_adds / 1e6:,.1f} million multiply-adds per image {saved}",
        *([] if spec is None else _variant(spec)),
        *_dropouts(model),
        *(f"Sites to choose from: {len(names)} {kind} ({_some(names)})" for kind, names in candidates.items()),
    ]
    if levels:
        summary.append(f"Input: thermometer code of {levels} levels, {levels} channels of 0 and 1 for each channel of the image")
    return {
        "name": str(spec or as_text(name)),
        "placement": getattr(spec, "placement", None),
        "input_shape": list(input_shape),
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "mask_bytes": sum(defect.total for defect in found),
        "bottom": list(model.bottom) if built_in else [],  # type: ignore[arg-type]
        "top": list(model.top) if built_in else [],  # type: ignore[arg-type]
        "sites": [
            {name: getattr(defect, name) for name in ("site", "shape", "pattern", "keep_prob", "live")}
            | {"dead": defect.total - defect.live}
            for defect in found
        ],
        "drops": [{name: getattr(drop, name) for name in ("site", "kind", "keep_prob")} for drop in drops(model)],
        "thermometer": levels,
        "candidates": candidates,
        "summary": summary,
    }


def _multiply_adds(model: nn.Module, name: str, input_shape: Shape) -> int:
    """Of one image. Computed on shapes alone for models whose code is known: images of a checkpoint may be larger than the memory."""
    known = image_shape(model) is not None
    net = copy.deepcopy(model).to("meta") if known else model
    images = torch.zeros(1, *input_shape, dtype=dtype_of(net), device=device_of(net))
    size = "" if known else f" on images of shape {input_shape}, which --in-chans and --image-size change"
    about = reported(f"{name} cannot be described{size}")
    with evaluating(net), torch.no_grad(), about, FlopCounterMode(display=False) as counter:
        net(images)
    return int(counter.get_total_flops()) // 2


def _candidates(model: nn.Module) -> dict[str, list[str]]:
    """Norms and convolutions without a mask by the name of their class."""
    found: dict[str, list[str]] = {}
    masked = mask_layers(model)
    for name, module in site_modules(model).items():
        if name not in masked and isinstance(inner := unwrapped(module), NORMS_AND_CONVOLUTIONS):
            found.setdefault(type(inner).__name__, []).append(name)
    return found


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:3])}, ..., {names[-1]}"


def _variant(spec: NetSpec) -> list[str]:
    lines = []
    text = spec.placement == "text"
    projection = ", and one projection shortcut more in stage 1" if spec.arch == "resnet18" else ""
    if text and (spec.defects or spec.drops):
        lines.append("Placement of the paper's text (Eq. 5, Appendix C), not of its released code.")
    elif spec.masked:
        lines.append("Placement of the released code: after the norm, before the activation, on the branch before the sum.")
    if spec.pattern == "channel" and text:
        lines.append("-dc: whole channels of the full model are masked (paper's text)")
    if spec.narrows:
        lines.append(f"-dc: narrower, with no mask at all{projection}: what the released code builds for ResNet-18")
    if spec.sampling == "bernoulli":
        lines.append("-bernoulli: each neuron is kept with that chance on its own (paper's text), not an exact share of the layer")
    if spec.widen:
        lines.append(f"-x2: defective blocks have twice the channels{'' if text else projection}")
    return lines


_DROPS = {
    "dropout": "Dropout (single activations)",
    "spatial": "Spatial dropout (whole channels)",
    "dropblock": "DropBlock (3 x 3)",
}


def _dropouts(model: nn.Module) -> list[str]:
    groups: dict[tuple[str, float], list[str]] = {}
    for drop in drops(model):
        groups.setdefault((drop.kind, drop.keep_prob), []).append(drop.site)
    return [
        f"{_DROPS[kind]}, keep_prob {keep_prob:g}, in training only, after {len(sites)} modules: {', '.join(sites[:2])}"
        + (", ... (--json lists all)" if len(sites) > 2 else "")
        for (kind, keep_prob), sites in groups.items()
    ]
