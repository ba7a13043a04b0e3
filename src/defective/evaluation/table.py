"""The table of an evaluation and its plot: rows are measurements, columns are models."""

from itertools import count
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from defective.evaluation.decision import DecisionResult
from defective.evaluation.threat_model import MARKS
from defective.evaluation.transfer import TransferCell
from defective.figures import bars
from defective.statistics import Rate
from defective.tables import Table, difference, number, percent

if TYPE_CHECKING:
    from defective.evaluation.result import Curves, EvaluationResult, RateDifference

Cell = TypeVar("Cell", str, Rate)
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


def result_table(found: "EvaluationResult") -> Table:
    """All rows in the order of the protocol, with notes. Rates are in %, with their 95 % intervals."""
    rows = _rows(found)
    cells = tuple((row.label, *(row.cells.get(name, "") for name in found.accuracy)) for row in rows)
    return Table(("", *found.accuracy), cells, headings=tuple(row.part for row in rows), notes=tuple(_notes(found)))


def _rows(found: "EvaluationResult") -> list[Row]:
    rows = [Row("clean", "accuracy", _percents(found.accuracy)), *_cells(found.cells), *_differences(found.differences)]
    if found.decision:
        label = f"S(M) x 1e5, {found.settings.decision}"
        rows.append(Row("decision-based", label, {name: _score(each) for name, each in found.decision.items()}))
    rows += _curves(found.noise, "noise", "sigma {}") + _curves(found.shuffle, "shuffle", "{0} x {0} patches")
    for key, label in _STIMULI.items():
        rates: dict[str, Rate] = {name: getattr(each, key) for name, each in found.stimuli.items()}
        if any(rate.num_evaluated for rate in rates.values()):
            rows.append(Row("shape and texture", label, _percents(rates)))
    for check in next(iter(found.checks.values()), ()):
        verdicts: dict[str, str] = {
            name: each.verdict for name, checks in found.checks.items() for each in checks if each.check == check.check
        }
        rows.append(Row("sanity check", check.tests, verdicts))
    return rows


def _notes(found: "EvaluationResult") -> list[str]:
    """Images, marks in use, accuracy of the sources, what was skipped, which checks failed and why."""
    lines = [f"In % with 95 % intervals, up to {found.settings.samples:,} images per source and attack."]
    threats = {cell.threat_model for cell in found.cells}
    if threats - {"white-box"}:
        lines.append("Transfer cells: defence rate; all: the share of all attacked images that are classified correctly.")
    if marked := [f"{mark} = {meaning}" for each, (mark, meaning) in MARKS.items() if mark and each in threats]:
        lines.append(f"Transfer cells that are not black-box are marked: {'; '.join(marked)}.")
    if found.sources:
        known = (f"{name} {number(100 * rate)}" for name, rate in found.sources.items())
        lines.append(f"Accuracy of the sources: {', '.join(known)}.")
    if found.settings.precision == "bf16":
        lines.append("Gradient attacks worked on copies in bfloat16; images are classified by the models in float32.")
    lines += [f"{name} {reason}." for name, reason in found.skipped.items()]
    if found.shuffle and not found.shuffle.images:
        sure = found.settings.confidence
        lines.append(
            f"No image to shuffle: on none are all models correct with a confidence of at least {sure} (lower --confidence)."
        )
    if any(cell.defense["paper"].num_evaluated == 0 and cell.threat_model != "white-box" for cell in found.cells):
        lines.append("no images: of those that the model classified correctly before, none fooled the source when attacked.")
    if found.stimuli_categories:
        lines.append(
            f"Shape and texture: decisions among {', '.join(found.stimuli_categories)} (mean probability of their classes)."
        )
    return lines + [
        f"{name} fails the sanity check that {each.tests}: {each.measured}."
        for name, checks in found.checks.items()
        for each in checks
        if each.verdict == "failed"
    ]


def _percents(rates: dict[str, Rate]) -> dict[str, str]:
    return {name: percent(rate) for name, rate in rates.items()}


def _cells(cells: tuple[TransferCell, ...]) -> list[Row]:
    blocks: dict[str, dict[str, dict[str, str]]] = {_TRANSFER: {}, _SHARED: {}, _WHITE_BOX: {}}
    for cell in cells:
        own = cell.threat_model == "white-box"
        block = blocks[_TRANSFER if cell.threat_model in MARKS else _WHITE_BOX if own else _SHARED]
        row = _free_row(block, _spaced(cell.attack) if own and cell.source == cell.target else _attack_on(cell), cell.target)
        mark, _ = MARKS.get(cell.threat_model, ("", ""))
        # Among images that fooled the model itself it is correct on none: its own attack counts all it classified correctly (Table 8).
        rate = f"{percent(cell.defense['target-correct' if own else 'paper'])} {mark}".rstrip()
        row[cell.target] = rate if own else f"{rate}, all {number(100 * cell.defense['all'])}"
    return [Row(part, label, each) for part, block in blocks.items() for label, each in block.items()]


def _differences(found: "tuple[RateDifference, ...]") -> list[Row]:
    rows: dict[str, dict[str, str]] = {}
    for each in found:
        if each.difference is not None:
            text = difference(100 * each.difference, 100 * each.low, 100 * each.high)
            _free_row(rows, _attack_on(each), each.model)[each.model] = text
    return [Row(f"defence rate minus that of {found[0].against}", label, cells) for label, cells in rows.items()]


def _free_row(rows: dict[str, dict[str, Cell]], label: str, model: str) -> dict[str, Cell]:
    """The row for a cell of a model; sets of one source and attack have numbered rows."""
    numbered = (label if number == 1 else f"{label} ({number})" for number in count(1))
    return next(row for each in numbered if model not in (row := rows.setdefault(each, {})))


def _curves(found: "Curves | None", part: str, label: str) -> list[Row]:
    if found is None:
        return []
    heading = f"{part}, {found.images:,} images that all models classify correctly"
    curves = found.accuracy
    return [
        Row(heading, label.format(strength), _percents({name: curve[strength] for name, curve in curves.items()}))
        for strength in next(iter(curves.values()))
    ]


def _score(found: DecisionResult) -> str:
    if found.score is None:
        return "no start found"
    score, low, high = (number(1e5 * each, digits=2) for each in (found.score, found.low, found.high))
    without = f", {found.without_start} without start" if found.without_start else ""
    return f"{score} ({low}\N{EN DASH}{high}{without})"


def _attack_on(each: "TransferCell | RateDifference") -> str:
    return f"{_spaced(each.attack)} on {each.source}"


def _spaced(attack: str) -> str:
    # The spaces let a narrow terminal break the text.
    return attack.replace(",", ", ")


def result_bars(found: "EvaluationResult") -> str:
    """Transfer rates, accuracy under the strongest noise and shape bias as bars with their 95 % intervals, as SVG; empty without any."""
    groups: dict[str, dict[str, Rate]] = {}
    attacks = {cell.attack for cell in found.cells}
    for cell in found.cells:
        name = cell.attack.partition(":")[0]
        if cell.threat_model in MARKS:
            alone = sum(attack.partition(":")[0] == name for attack in attacks) == 1
            group = f"{name if alone else _spaced(cell.attack)} on {cell.source}"
            _free_row(groups, group, cell.target)[cell.target] = cell.defense["paper"]
    if found.noise:
        strongest = max(next(iter(found.noise.accuracy.values())))
        groups[f"noise sigma {strongest}"] = {name: curve[strongest] for name, curve in found.noise.accuracy.items()}
    groups["shape bias"] = {name: report.bias for name, report in found.stimuli.items()}
    known = {group: rates for group, rates in groups.items() if any(rate.num_evaluated for rate in rates.values())}
    return bars(known, y_label="%") if known else ""
