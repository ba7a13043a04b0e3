"""The one table of an evaluation, from its JSON document: rows are measurements, columns are models."""

from typing import Any, NamedTuple

from defective.evaluation.threat_model import MARKS

Document = dict[str, Any]

# Parts of the table with cells of adversarial sets.
_TRANSFER, _SHARED, _WHITE_BOX = "transfer", "white-box, shared weights", "white-box"


class Row(NamedTuple):
    """One measurement: the part of the protocol, what was measured, and what it gave for each model."""

    part: str
    label: str
    cells: dict[str, str]


def table_rows(document: Document) -> list[Row]:
    """All rows of an evaluation's document, in the order of the protocol. Rates are in %, with their 95 % intervals."""
    models = list(document["accuracy"])
    rows = [Row("clean", "accuracy", {name: percent(document["accuracy"][name]) for name in models})]
    rows += _cells(document)
    rows += _differences(document)
    if document["decision"]:
        attack = document["settings"]["decision"]
        rows.append(
            Row("decision-based", f"S(M) x 1e5, {attack}", {name: _score(found) for name, found in document["decision"].items()})
        )
    for part, label in (("noise", "sigma {}"), ("shuffle", "{0} x {0} patches")):
        if document[part]:
            rows += _curves(document[part], part, label)
    rows += _stimuli(document["stimuli"])
    for check in next(iter(document["checks"].values()), ()):
        cells = {name: _verdict(checks, check["check"]) for name, checks in document["checks"].items()}
        rows.append(Row("sanity check", check["tests"], cells))
    return rows


def notes(document: Document) -> list[str]:
    """What belongs under the table: images, marks in use, how good the sources are, what was left out, which checks failed and why."""
    lines = [f"In % with 95 % intervals, up to {document['settings']['samples']:,} images per source and attack."]
    found = {cell["threat_model"] for cell in document["cells"]}
    if marked := [f"{mark} = {meaning}" for each, (mark, meaning) in MARKS.items() if mark and each in found]:
        lines.append(f"Transfer cells that are not black-box are marked: {'; '.join(marked)}.")
    if document["sources"]:
        known = (f"{name} {100 * rate['rate']:.1f}" for name, rate in document["sources"].items())
        lines.append(f"Accuracy of the sources: {', '.join(known)}.")
    lines += [f"{name} {reason}." for name, reason in document["skipped"].items()]
    if document["shuffle"] and not document["shuffle"]["images"]:
        sure = document["settings"]["confidence"]
        lines.append(f"No image to shuffle: all models are correct with a confidence of {sure} or more on none (--confidence).")
    if any(cell["defense"]["paper"]["total"] == 0 for cell in document["cells"]):
        lines.append("no images: of those that the model classified correctly before, none fooled the source when attacked.")
    return lines + [
        f"{name} fails the sanity check that {each['tests']}: {each['measured']}."
        for name, checks in document["checks"].items()
        for each in checks
        if each["verdict"] == "failed"
    ]


def markdown(document: Document) -> str:
    """The table as Markdown, with its notes."""
    models = list(document["accuracy"])
    lines = [f"| | {' | '.join(models)} |", "| --- |" + " ---: |" * len(models)]
    part = ""
    for row in table_rows(document):
        if row.part != part:
            part = row.part
            lines.append(f"| **{part}** |" + " |" * len(models))
        lines.append(f"| {row.label} | {' | '.join(row.cells.get(name, '') for name in models)} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes(document))]) + "\n"


def percent(rate: dict[str, Any]) -> str:
    """A rate in percent with its 95 % interval."""
    if not rate["total"]:
        return "no images"
    return f"{100 * rate['rate']:.1f} ({100 * rate['low']:.1f}-{100 * rate['high']:.1f})"


def _cells(document: Document) -> list[Row]:
    blocks: dict[str, dict[str, dict[str, str]]] = {_TRANSFER: {}, _SHARED: {}, _WHITE_BOX: {}}
    for cell in document["cells"]:
        threat = cell["threat_model"]
        own = threat == "white-box"
        block = blocks[_TRANSFER if threat in MARKS else _WHITE_BOX if own else _SHARED]
        row = block.setdefault(_spaced(cell["attack"]) if own else _attack_on(cell), {})
        mark, _ = MARKS.get(threat, ("", ""))
        # Among images that fooled the model itself it is correct on none: its own attack counts all it classified correctly (Table 8).
        rate = percent(cell["defense"]["target-correct" if own else "paper"])
        row[cell["target"]] = f"{rate} {mark}" if mark else rate
    return [Row(part, label, cells) for part, block in blocks.items() for label, cells in block.items()]


def _differences(document: Document) -> list[Row]:
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for each in document["differences"]:
        if each["difference"] is None:
            continue
        text = f"{100 * each['difference']:+.1f} ({100 * each['low']:+.1f} to {100 * each['high']:+.1f})"
        rows.setdefault((f"defence rate minus that of {each['against']}", _attack_on(each)), {})[each["model"]] = text
    return [Row(part, label, cells) for (part, label), cells in rows.items()]


def _curves(document: Document, part: str, label: str) -> list[Row]:
    curves = document["accuracy"]
    heading = f"{part}, {document['images']:,} images that all classify correctly"
    return [
        Row(heading, label.format(strength), {name: percent(curve[strength]) for name, curve in curves.items()})
        for strength in next(iter(curves.values()))
    ]


def _stimuli(document: Document) -> list[Row]:
    labels = {
        "bias": "shape bias: shape decisions among decisions for either cue",
        "cue_accuracy": "cue-conflict images decided for either cue",
        "silhouettes": "accuracy on silhouettes",
        "edges": "accuracy on edge drawings",
    }
    if not document:
        return []
    return [
        Row("shape and texture", label, {name: percent(report[key]) for name, report in document.items()})
        for key, label in labels.items()
    ]


def _score(decision: dict[str, Any]) -> str:
    if decision["score"] is None:
        return "no start found"
    high = "inf" if decision["high"] is None else f"{1e5 * decision['high']:.2f}"
    without = f", {decision['without_start']} without start" if decision["without_start"] else ""
    return f"{1e5 * decision['score']:.2f} ({1e5 * decision['low']:.2f}-{high}{without})"


def _verdict(checks: list[dict[str, Any]], name: str) -> str:
    return "".join(each["verdict"] for each in checks if each["check"] == name)


def _attack_on(each: dict[str, Any]) -> str:
    return f"{_spaced(each['attack'])} on {each['source']}"


def _spaced(attack: str) -> str:
    # The spaces let a narrow terminal break the text.
    return attack.replace(",", ", ")
