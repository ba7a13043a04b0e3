"""``defective models`` and ``defective describe``."""

import os
from itertools import chain
from typing import Annotated, Any

import torch
import typer
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from defective.baselines import Thermometer, drops
from defective.build import build
from defective.cli.console import MAX_SEED, JsonOption, print_json, print_table, say
from defective.errors import InputError
from defective.evaluation.threat_model import spec_of
from defective.inference import dtype_of, evaluating, reported
from defective.models import BUILT_IN, create_model, list_models
from defective.sites import architecture_of, image_shape
from defective.specs import NetSpec
from defective.surgery import defects
from defective.training.checkpoint import load


def models(json: JsonOption = False) -> None:
    """List the architectures, their blocks and mask sites, and how the names of variants and baselines are made.

    Example: defective models
    """
    rows: list[dict[str, Any]] = []
    for name in list_models():
        net = create_model(name)
        sites = {
            placement: {region: sum(len(blocks[n]) for n in getattr(BUILT_IN[name], region)) for region in ("bottom", "top")}
            for placement, blocks in net.mask_sites.items()  # type: ignore[union-attr, operator]
        }
        parameters = sum(parameter.numel() for parameter in net.parameters())
        blocks = {"bottom": BUILT_IN[name].bottom, "top": BUILT_IN[name].top}
        rows.append({"name": name, "parameters": parameters, **blocks, "mask_sites": sites})
    if json:
        print_json(rows)
        return
    columns = ("net", "parameters", "bottom blocks", "top blocks", "bottom masks", "top masks", "@text bottom")
    table = [
        (
            row["name"],
            f"{row['parameters']:,}",
            ", ".join(map(str, row["bottom"])),
            ", ".join(map(str, row["top"])),
            str(row["mask_sites"]["authors"]["bottom"]),
            str(row["mask_sites"]["authors"]["top"]),
            str(row["mask_sites"]["text"]["bottom"]),
        )
        for row in rows
    ]
    notes = (
        "Variants: NET/P-bottom, NET/P-top, NET/P-bottom+Q-top, then -dc, -sm, -bernoulli, -x2, -en; a final @text: "
        "placement of the paper's text.",
        "Baselines: NET/P-dropout, NET/P-spatial, NET/P-dropblock (top blocks, in training), NET/therm16 (thermometer code of the input); "
        "all may be joined, as in NET/0.5-bottom+0.9-dropblock-therm16-en",
    )
    print_table("Nets", columns, table, *notes)


def describe(
    net: Annotated[str, typer.Argument(metavar="NET", help="A name such as resnet18/0.1-bottom, or a checkpoint.")],
    seed: Annotated[int | None, typer.Option(min=0, max=MAX_SEED, help="Seed of weights and masks. Default: 0.")] = None,
    num_classes: Annotated[int | None, typer.Option(help="Classes. Default: 10.")] = None,
    in_chans: Annotated[int | None, typer.Option(help="Channels of an image. Default: 3.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Height and width of an image. Default: 32.")] = None,
    width_mult: Annotated[float | None, typer.Option(help="Factor on all channel counts. Default: 1.")] = None,
    json: JsonOption = False,
) -> None:
    """Show a model's blocks, defective sites, live and dead neurons, dropout, input code, and cost.

    Example: defective describe resnet18/0.1-bottom
    """
    sizes = {"num_classes": num_classes, "in_chans": in_chans, "image_size": image_size, "width_mult": width_mult}
    given: dict[str, Any] = {name: value for name, value in {"seed": seed, **sizes}.items() if value is not None}
    # Unlike Path.exists it is False for what cannot be a path.
    if net and os.path.exists(net):  # noqa: PTH110
        if given:
            raise InputError(f"{net} is a checkpoint, which knows its own {next(iter(given))}: leave the option out")
        model = load(net)
    else:
        model = build(net, **given)
    document = _describe(model, net)
    if json:
        print_json(document)
        return
    sites = document["sites"]
    rows = [
        (
            site["site"],
            " x ".join(map(str, site["shape"])),
            site["pattern"],
            f"{site['keep_prob']:g}",
            f"{site['live']:,}",
            f"{site['dead']:,}",
        )
        for site in sites
    ]
    if rows:
        live, dead = (sum(site[kind] for site in sites) for kind in ("live", "dead"))
        rows.append(("all", "", "", "", f"{live:,}", f"{dead:,}"))
        print_table(document["name"], ("site", "C x H x W", "pattern", "keep_prob", "live", "dead"), rows)
    else:
        say(f"{document['name']}: no mask in it")
    for line in document["summary"]:
        say(line)


def _describe(model: nn.Module, name: str) -> dict[str, Any]:
    found, spec = defects(model), spec_of(model)
    input_shape = image_shape(model) or (3, 32, 32)
    # Of shapes alone: the images of a checkpoint may be larger than this machine's memory.
    shapes = {key: tensor.to("meta") for key, tensor in chain(model.named_parameters(), model.named_buffers())}
    images = torch.empty(1, *input_shape, dtype=dtype_of(model), device="meta")
    with evaluating(model), torch.no_grad(), FlopCounterMode(display=False) as counter, reported(f"{name} cannot be described"):
        functional_call(model, shapes, images)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    multiply_adds = counter.get_total_flops() // 2
    built_in = architecture_of(model) is not None
    thermometer = next((module.levels for module in model.modules() if isinstance(module, Thermometer)), None)
    summary = [
        f"{parameters:,} parameters, {multiply_adds / 1e6:,.1f} million multiply-adds per image (masks not used to save any)"
    ]
    summary += ([] if spec is None else _variant(spec)) + _dropouts(model)
    if thermometer:
        summary.append(
            f"Input: thermometer code of {thermometer} levels, {thermometer} channels of 0 and 1 for each channel of the image"
        )
    return {
        "name": str(spec or name),
        "placement": getattr(spec, "placement", None),
        "input_shape": list(input_shape),
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "mask_bytes": sum(defect.total for defect in found),
        "bottom": list(model.bottom) if built_in else [],  # type: ignore[arg-type]
        "top": list(model.top) if built_in else [],  # type: ignore[arg-type]
        "sites": [
            {
                "site": defect.site,
                "shape": list(defect.shape),
                "pattern": defect.pattern,
                "keep_prob": defect.keep_prob,
                "live": defect.live,
                "dead": defect.total - defect.live,
            }
            for defect in found
        ],
        "drops": [{"site": drop.site, "kind": drop.kind, "keep_prob": drop.keep_prob} for drop in drops(model)],
        "thermometer": thermometer,
        "summary": summary,
    }


def _variant(spec: NetSpec) -> list[str]:
    lines = []
    text = spec.placement == "text"
    projection = ", and one projection shortcut more in stage 1" if spec.arch == "resnet18" else ""
    if text and (spec.defects or spec.drops):
        lines.append("Placement of the paper's text (Eq. 5, Appendix C), not of its released code.")
    elif spec.defects and spec.pattern != "channel":
        lines.append("Placement of the released code: after the norm, before the activation, on the branch before the sum.")
    if spec.pattern == "channel" and text:
        lines.append("-dc: whole channels of the full model are masked (paper's text)")
    elif spec.pattern == "channel":
        lines.append(f"-dc: narrower, with no mask at all{projection}: what the released code builds for ResNet-18")
    if spec.sampling == "bernoulli":
        lines.append(
            "-bernoulli: each neuron is kept with that chance on its own (paper's text), not an exact share of a layer's neurons"
        )
    if spec.widen:
        lines.append(f"-x2: defective blocks have twice the channels{'' if text else projection}")
    return lines


_KINDS = {
    "dropout": "Dropout (single activations)",
    "spatial": "Spatial dropout (whole channels)",
    "dropblock": "DropBlock (3 x 3)",
}


def _dropouts(model: nn.Module) -> list[str]:
    groups: dict[tuple[str, float], list[str]] = {}
    for drop in drops(model):
        groups.setdefault((drop.kind, drop.keep_prob), []).append(drop.site)
    return [
        f"{_KINDS[kind]}, keep_prob {keep_prob:g}, in training only, after {len(sites)} modules: {', '.join(sites[:2])}"
        + (", ... (--json lists all)" if len(sites) > 2 else "")
        for (kind, keep_prob), sites in groups.items()
    ]
