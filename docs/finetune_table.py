"""The table of docs/finetune.md, from what examples/finetune_pretrained.py measured."""

from typing import Any

from defective.statistics import Rate
from defective.tables import DASH, Table, format_table, percent

_STAGES = ("converted", "norms", "fine-tuned")


def finetune_table(document: dict[str, Any]) -> str:
    """One network per row: accuracy at each stage, then under attack. In %, with 95 % intervals over images."""
    evaluation = document["evaluation"]
    cells = {(cell["target"], cell["source"]): cell["defense"] for cell in evaluation["cells"]}
    sources = list(dict.fromkeys(cell["source"] for cell in evaluation["cells"]))
    columns = ["Network", "Accuracy, converted", "norms", "fine-tuned"]
    for source in sources:
        columns += [f"Defence rate, source {source}", "all"]
    rows = []
    for name in evaluation["accuracy"]:
        known = document["models"].get(name, {"accuracy": {"converted": evaluation["accuracy"][name]}})
        row = [name, *(_percent(known["accuracy"].get(stage)) for stage in _STAGES)]
        for source in sources:
            # A network attacked from itself: no transfer.
            rates = {} if name == source else cells[name, source]
            row += [_percent(rates.get("paper")), _percent(rates.get("all"))]
        rows.append((*row, _percent(known.get("white_box"))))
    return format_table(Table((*columns, "White-box PGD, 1/255"), tuple(rows)), "markdown")


def _percent(rate: dict[str, Any] | None) -> str:
    return percent(Rate.of(rate["num_correct"], rate["num_evaluated"])) if rate else DASH
