"""``defective models``."""

from typing import Any

import torch

from defective.cli import options
from defective.cli.console import print_json, print_records
from defective.models import BUILT_IN, create_model, list_models


def models(json: options.Json = False) -> None:
    """List the architectures with their blocks and mask sites, and the grammar of variant and baseline names.

    Example: defective models
    """
    rows: list[dict[str, Any]] = []
    for name in list_models():
        # Counted, not used: nothing is allocated.
        with torch.device("meta"):
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
    columns = {
        "model": "{name}",
        "parameters": "{parameters:,}",
        "bottom blocks": "{bottom}",
        "top blocks": "{top}",
        "bottom masks": "{mask_sites[authors][bottom]}",
        "top masks": "{mask_sites[authors][top]}",
        "@text bottom": "{mask_sites[text][bottom]}",
    }
    records = [row | {region: ", ".join(map(str, row[region])) for region in ("bottom", "top")} for row in rows]
    notes = (
        "Variants keep the share P of the neurons: MODEL/P-bottom, MODEL/P-top, MODEL/P-bottom+Q-top. Endings: -dc (whole channels), "
        "-sm (one mask for all channels), -bernoulli (each neuron drawn by itself), -x2 (twice the channels), -en (ensemble of five), "
        "@text (masks where the paper's text puts them).",
        "Baselines: MODEL/P-dropout, MODEL/P-spatial, MODEL/P-dropblock (top blocks, in training), MODEL/therm16 (thermometer code of the "
        "input); all may be joined, as in MODEL/0.5-bottom+0.9-dropblock-therm16-en.",
    )
    print_records("Built-in models", columns, records, *notes)
