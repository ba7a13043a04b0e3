"""The largest clear difference between measured and published numbers of an exhibit, as a sentence."""

import math

from defective.campaign.measured import Document
from defective.report.numbers import bounds, counted, shown, stand_ins


def largest_difference(document: Document) -> str:
    """Which measured number lies furthest from the printed one, and the named choices that bear on it; empty if none can be compared.

    A difference is clear if its 95 % interval excludes 0. Shares are compared by points, scores by their ratio.

    Example:
        >>> cell = {"row": "a", "column": "PGD16", "published": 14.14, "measured": {"mean": 54.1}}
        >>> cell |= {"difference": {"mean": 39.96, "low": 35.0, "high": 44.0}}
        >>> rows, about = [{"name": "a", "label": "ResNet-18"}], {"scale": "tiny", "data": {}, "seeds": 1, "unit": "%", "notes": ["n"]}
        >>> print(largest_difference({"cells": [cell], "rows": rows} | about))
        Largest clear difference: ResNet-18, PGD16, 54.1 measured and 14.14 published (+40.0, 95 % interval +35.0 to +44.0). What bears \
on it: tiny scale instead of the paper's, one seed, what is said in its 1 note.
    """
    compared = [cell for cell in document["cells"] if cell["difference"] is not None]
    if not compared:
        return ""
    clear = [cell for cell in compared if cell["difference"]["low"] > 0 or cell["difference"]["high"] < 0]
    if not clear:
        return (
            f"No clear difference: where numbers can be compared ({len(compared)}), the interval of the difference reaches over 0."
        )
    unit = document["unit"]
    cell = max(clear, key=lambda each: _size(each, unit))
    label = next(row["label"] for row in document["rows"] if row["name"] == cell["row"])
    measured, published = shown(cell["measured"]["mean"], unit), shown(cell["published"], unit, "published")
    moved = (
        f"{shown(cell['difference']['mean'], unit, 'difference')}, 95 % interval {bounds(cell['difference'], unit, 'difference')}"
    )
    choices = _choices(document)
    cause = f" What bears on it: {', '.join(choices)}." if choices else ""
    return f"Largest clear difference: {label}, {cell['column']}, {measured} measured and {published} published ({moved}).{cause}"


def _size(cell: Document, unit: str) -> float:
    measured, published = cell["measured"]["mean"], cell["published"]
    if unit == "%" or min(measured, published) <= 0:
        return abs(float(cell["difference"]["mean"]))
    return abs(math.log(measured / published))


def _choices(document: Document) -> list[str]:
    """What is known to be done otherwise than in the paper."""
    scale = [] if document["scale"] == "paper" else [f"{document['scale']} scale instead of the paper's"]
    seeds = ["one seed"] if document["seeds"] == 1 else []
    notes = [f"what is said in its {counted(len(document['notes']), 'note')}"] if document["notes"] else []
    return [*scale, *stand_ins(document), *seeds, *notes]
