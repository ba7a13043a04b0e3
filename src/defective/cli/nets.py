"""``defective models`` and ``defective describe``."""

import math
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from defective.build import build
from defective.cli.console import MAX_SEED, JsonOption, print_json, print_table
from defective.errors import InputError
from defective.inference import evaluating
from defective.models import ZOO, create_model, list_models
from defective.surgery import defects
from defective.training.checkpoint import load


def models(json: JsonOption = False) -> None:
    """List the architectures, their blocks and mask sites.

    Example: defective models
    """
    rows: list[dict[str, Any]] = []
    for name in list_models():
        net = create_model(name)
        sites = {
            placement: {region: sum(len(blocks[n]) for n in getattr(ZOO[name], region)) for region in ("bottom", "top")}
            for placement, blocks in net.mask_sites.items()  # type: ignore[union-attr, operator]
        }
        parameters = sum(parameter.numel() for parameter in net.parameters())
        rows.append(
            {
                "name": name,
                "parameters": parameters,
                "bottom": ZOO[name].bottom,
                "top": ZOO[name].top,
                "mask_sites": sites,
            }
        )
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
    note = "Variants: NET/P-bottom, NET/P-top, NET/P-bottom+Q-top, then -dc, -sm, -x2, -en; a final @text: placement of the paper's text"
    print_table("Nets", columns, table, note=note)


def describe(
    net: Annotated[str, typer.Argument(metavar="NET", help="A name such as resnet18/0.1-bottom, or a checkpoint.")],
    seed: Annotated[int | None, typer.Option(min=0, max=MAX_SEED, help="Seed of weights and masks. Default: 0.")] = None,
    num_classes: Annotated[int | None, typer.Option(help="Classes. Default: 10.")] = None,
    in_chans: Annotated[int | None, typer.Option(help="Channels of an image. Default: 3.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Height and width of an image. Default: 32.")] = None,
    width_mult: Annotated[float | None, typer.Option(help="Factor on all channel counts. Default: 1.")] = None,
    json: JsonOption = False,
) -> None:
    """Show a net's blocks, defective sites, live and dead neurons, and cost.

    Example: defective describe resnet18/0.1-bottom
    """
    options: dict[str, Any] = {
        "seed": seed,
        "num_classes": num_classes,
        "in_chans": in_chans,
        "image_size": image_size,
        "width_mult": width_mult,
    }
    given = {name: value for name, value in options.items() if value is not None}
    if net and Path(net).exists():
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
        typer.echo(f"{document['name']}: no mask in it")
    for line in document["summary"]:
        typer.echo(line)


def _describe(model: nn.Module, name: str) -> dict[str, Any]:
    found = defects(model)
    input_shape = getattr(model, "input_shape", (3, 32, 32))
    with evaluating(model), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *input_shape))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    multiply_adds = counter.get_total_flops() // 2
    spec = getattr(model, "spec", None)
    return {
        "name": str(spec or name),
        "placement": getattr(spec, "placement", None),
        "input_shape": list(input_shape),
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "mask_bytes": sum(math.prod(defect.shape) for defect in found),
        "bottom": list(getattr(model, "bottom", ())),
        "top": list(getattr(model, "top", ())),
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
        "summary": _summary(model, parameters, multiply_adds),
    }


def _summary(model: nn.Module, parameters: int, multiply_adds: int) -> list[str]:
    spec = getattr(model, "spec", None)
    lines = [f"{parameters:,} parameters, {multiply_adds / 1e6:,.1f} million multiply-adds per image (masks not used to save any)"]
    if spec is None or not spec.defects:
        return lines
    if spec.placement == "text":
        lines.append("Placement of the paper's text (Eq. 5, Appendix C), not of its released code.")
    elif spec.pattern != "channel":
        lines.append("Placement of the released code: after the norm, before the activation, on the branch before the sum.")
    if spec.pattern == "channel":
        text = "whole channels of the full net are masked (paper's text)"
        code = f"narrower, with no mask at all{_projection(spec.arch)}: what the released code builds for ResNet-18"
        lines.append("-dc: " + (text if spec.placement == "text" else code))
    if spec.widen:
        text = "defective blocks have twice the channels"
        lines.append("-x2: " + text + ("" if spec.placement == "text" else _projection(spec.arch)))
    return lines


def _projection(arch: str) -> str:
    return ", and one projection shortcut more in stage 1" if arch == "resnet18" else ""
