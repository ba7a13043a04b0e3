"""The tables of docs/finetune.md, from what examples/finetune_pretrained.py measured; in %, with 95 % intervals over images."""

from typing import Any

from defective.statistics import Rate
from defective.tables import DASH, Table, format_table, percent

_STAGES = {"converted": "Accuracy, converted", "norms": "statistics anew", "fine-tuned": "fine-tuned"}


def survey_table(document: dict[str, Any]) -> str:
    """Before any training: one network per row."""
    stages = list(_STAGES)[:2]
    rows = [
        (
            f"{each['keep_prob']}-{each['sites']}" if each["sites"] else f"plain, {each['image_size']} pixels",
            *(_percent(each["accuracy"].get(stage)) for stage in stages),
        )
        for each in document["survey"]
    ]
    return format_table(Table(("Network", *map(_STAGES.__getitem__, stages)), tuple(rows)), "markdown")


def finetune_table(document: dict[str, Any]) -> str:
    """One network per row: accuracy at each stage, then under attack."""
    evaluation, models = document["evaluation"], document["models"]
    cells = {(cell["target"], cell["source"]): cell["defense"] for cell in evaluation["cells"]}
    sources = list(dict.fromkeys(cell["source"] for cell in evaluation["cells"]))
    columns = ["Network", *_STAGES.values()]
    for source in sources:
        columns += [f"Defence rate, source {source}", "all"]
    rows = []
    for name, accuracy in evaluation["accuracy"].items():
        known = models.get(name, {"accuracy": {"converted": accuracy}})
        row = [name, *(_percent(known["accuracy"].get(stage)) for stage in _STAGES)]
        for source in sources:
            # From the network itself it would be no transfer.
            rates = {} if name == source else cells[name, source]
            row += [_percent(rates.get("paper")), _percent(rates.get("all"))]
        rows.append((*row, _percent(known.get("white_box"))))
    return format_table(Table((*columns, "White-box PGD, 1/255"), tuple(rows)), "markdown")


def _percent(rate: dict[str, Any] | None) -> str:
    return percent(Rate.read(rate)) if rate else DASH
