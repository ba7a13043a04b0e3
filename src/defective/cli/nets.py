"""``defective models``."""

from typing import Any

from defective.cli.console import JsonOption, print_json, print_table
from defective.models import BUILT_IN, create_model, list_models

_COUNTED = (("authors", "bottom"), ("authors", "top"), ("text", "bottom"))


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
            *(", ".join(map(str, row[region])) for region in ("bottom", "top")),
            *(str(row["mask_sites"][placement][region]) for placement, region in _COUNTED),
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
