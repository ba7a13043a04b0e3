"""The table of an evaluation and its plot, from its JSON document: rows are measurements, columns are models."""

from html import escape
from typing import Any, NamedTuple

from defective.evaluation.threat_model import MARKS
from defective.statistics import Rate
from defective.tables import Table, difference, format_table, number, percent
from defective.text import one_line

Document = dict[str, Any]

# Parts of the table with cells of adversarial sets.
_TRANSFER, _SHARED, _WHITE_BOX = "transfer", "white-box, shared weights", "white-box"
_STIMULI = {
    "bias": "shape bias: shape decisions among decisions for either cue",
    "cue_accuracy": "cue-conflict images decided for either cue",
    "silhouettes": "accuracy on silhouettes",
    "edges": "accuracy on edge drawings",
}


class Row(NamedTuple):
    """One measurement: the part of the protocol, what was measured, and the cell of each model."""

    part: str
    label: str
    cells: dict[str, str]


def result_table(document: Document) -> Table:
    """All rows in the order of the protocol, with notes. Rates are in %, with their 95 % intervals."""
    models, rows = list(document["accuracy"]), table_rows(document)
    cells = tuple((row.label, *(row.cells.get(name, "") for name in models)) for row in rows)
    return Table(("", *models), cells, headings=tuple(row.part for row in rows), notes=tuple(notes(document)))


def html(document: Document) -> str:
    """The table and a plot of its transfer rates, as a notebook shows them."""
    return format_table(result_table(document), "html") + _plot(document)


def table_rows(document: Document) -> list[Row]:
    """All rows in the order of the protocol."""
    rows = [Row("clean", "accuracy", _percents(document["accuracy"]))]
    rows += _cells(document)
    rows += _differences(document)
    if document["decision"]:
        label = f"S(M) x 1e5, {document['settings']['decision']}"
        rows.append(Row("decision-based", label, {name: _score(found) for name, found in document["decision"].items()}))
    for part, label in (("noise", "sigma {}"), ("shuffle", "{0} x {0} patches")):
        if document[part]:
            rows += _curves(document[part], part, label)
    if document["stimuli"]:
        reports = document["stimuli"].items()
        rows += [
            Row("shape and texture", label, _percents({name: report[key] for name, report in reports}))
            for key, label in _STIMULI.items()
        ]
    for check in next(iter(document["checks"].values()), ()):
        cells = {
            name: next(each["verdict"] for each in checks if each["check"] == check["check"])
            for name, checks in document["checks"].items()
        }
        rows.append(Row("sanity check", check["tests"], cells))
    return rows


def notes(document: Document) -> list[str]:
    """Notes of the table: images, marks in use, accuracy of the sources, what was skipped, which checks failed and why."""
    lines = [f"In % with 95 % intervals, up to {document['settings']['samples']:,} images per source and attack."]
    found = {cell["threat_model"] for cell in document["cells"]}
    if marked := [f"{mark} = {meaning}" for each, (mark, meaning) in MARKS.items() if mark and each in found]:
        lines.append(f"Transfer cells that are not black-box are marked: {'; '.join(marked)}.")
    if document["sources"]:
        known = (f"{name} {number(100 * rate['rate'])}" for name, rate in document["sources"].items())
        lines.append(f"Accuracy of the sources: {', '.join(known)}.")
    lines += [f"{name} {reason}." for name, reason in document["skipped"].items()]
    if document["shuffle"] and not document["shuffle"]["images"]:
        sure = document["settings"]["confidence"]
        lines.append(f"No image to shuffle: all models are correct with a confidence of {sure} or more on none (--confidence).")
    if any(cell["defense"]["paper"]["num_evaluated"] == 0 for cell in document["cells"]):
        lines.append("no images: of those that the model classified correctly before, none fooled the source when attacked.")
    if document.get("stimuli_categories"):
        lines.append(
            f"Shape and texture: decisions among {', '.join(document['stimuli_categories'])} (mean probability of their classes)."
        )
    return lines + [
        f"{name} fails the sanity check that {each['tests']}: {each['measured']}."
        for name, checks in document["checks"].items()
        for each in checks
        if each["verdict"] == "failed"
    ]


def _rate(counts: dict[str, Any]) -> Rate:
    return Rate.of(counts["num_correct"], counts["num_evaluated"])


def _percents(rates: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: percent(_rate(rate)) for name, rate in rates.items()}


def _cells(document: Document) -> list[Row]:
    blocks: dict[str, dict[str, dict[str, str]]] = {_TRANSFER: {}, _SHARED: {}, _WHITE_BOX: {}}
    for cell in document["cells"]:
        threat = cell["threat_model"]
        own = threat == "white-box"
        block = blocks[_TRANSFER if threat in MARKS else _WHITE_BOX if own else _SHARED]
        row = block.setdefault(_spaced(cell["attack"]) if own else _attack_on(cell), {})
        mark, _ = MARKS.get(threat, ("", ""))
        # Among images that fooled the model itself it is correct on none: its own attack counts all it classified correctly (Table 8).
        row[cell["target"]] = f"{percent(_rate(cell['defense']['target-correct' if own else 'paper']))} {mark}".rstrip()
    return [Row(part, label, cells) for part, block in blocks.items() for label, cells in block.items()]


def _differences(document: Document) -> list[Row]:
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for each in document["differences"]:
        if each["difference"] is not None:
            text = difference(100 * each["difference"], 100 * each["low"], 100 * each["high"])
            rows.setdefault((f"defence rate minus that of {each['against']}", _attack_on(each)), {})[each["model"]] = text
    return [Row(part, label, cells) for (part, label), cells in rows.items()]


def _curves(document: Document, part: str, label: str) -> list[Row]:
    curves = document["accuracy"]
    heading = f"{part}, {document['images']:,} images that all classify correctly"
    return [
        Row(heading, label.format(strength), _percents({name: curve[strength] for name, curve in curves.items()}))
        for strength in next(iter(curves.values()))
    ]


def _score(decision: dict[str, Any]) -> str:
    if decision["score"] is None:
        return "no start found"
    high = float("inf") if decision["high"] is None else 1e5 * decision["high"]
    low, score = (number(1e5 * decision[name], digits=2) for name in ("low", "score"))
    without = f", {decision['without_start']} without start" if decision["without_start"] else ""
    return f"{score} ({low}\N{EN DASH}{number(high, digits=2)}{without})"


def _attack_on(each: dict[str, Any]) -> str:
    return f"{_spaced(each['attack'])} on {each['source']}"


def _spaced(attack: str) -> str:
    # The spaces let a narrow terminal break the text.
    return attack.replace(",", ", ")


def _plot(document: Document) -> str:
    """Bars of the transfer rates with their 95 % intervals, as SVG; empty without a transfer cell."""
    cells = [cell for cell in document["cells"] if cell["threat_model"] in MARKS and cell["defense"]["paper"]["num_evaluated"]]
    if not cells:
        return ""
    lines = []
    for y, cell in enumerate(cells):
        rate = cell["defense"]["paper"]
        label = f"{cell['target']}: {cell['attack'].partition(':')[0]} on {cell['source']}"
        lines.append(
            f'<text x="294" y="{20 * y + 14}" text-anchor="end">{escape(one_line(label))}</text>'
            f'<rect x="300" y="{20 * y + 3}" width="{300 * rate["rate"]:.1f}" height="14" fill="#4477aa"/>'
            f'<path d="M{300 + 300 * rate["low"]:.1f} {20 * y + 10}H{300 + 300 * rate["high"]:.1f}" stroke="#222" stroke-width="2"/>'
        )
    size = f'width="610" height="{20 * len(cells) + 4}" font-size="12" font-family="sans-serif"'
    return f'<figure><svg {size} role="img">{"".join(lines)}</svg><figcaption>Defence rate, 0 to 100 %.</figcaption></figure>\n'
