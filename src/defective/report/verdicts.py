"""The claims of the paper with their verdicts, as the page says them."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from defective.report.numbers import bounds, cells_by_place, chance_warning, heading, setting, shown, unequal_warning
from defective.report.parts import Part, Shelf
from defective.results.measured import Document

VERDICTS = ("holds", "fails", "undecided", "not measured")
_VERBS = {
    "holds": ("holds", "hold"),
    "fails": ("fails", "fail"),
    "undecided": ("is undecided", "are undecided"),
    "not measured": ("is not measured", "are not measured"),
}


def claims(shown_parts: Iterable[Part], shelf: Shelf) -> list[dict[str, Any]]:
    """Every claim of every part, in order, with its comparisons spelled out."""
    found = []
    for place, part in enumerate(shown_parts):
        for claim in part.document["claims"]:
            found.append(
                {
                    **claim,
                    "counts": {verdict: claim["counts"].get(verdict, 0) for verdict in VERDICTS},
                    # What groups them on the page, in this order.
                    "place": place,
                    "part": part.name,
                    "exhibit": heading(part.document["exhibit"]),
                    "setting": setting(part.document),
                    "measured": in_words(claim["counts"]),
                    "warnings": [*filter(None, [chance_warning(claim["at_chance"]), unequal_warning(claim["unequal"])])],
                    "of_paper": paper_in_words(claim["published"]),
                    "comparisons": [_spelled(each, part, shelf) for each in claim["comparisons"]],
                }
            )
    return found


def in_words(counts: dict[str, int]) -> str:
    """Verdicts of comparisons, counted.

    Example:
        >>> in_words({"fails": 1, "holds": 17, "undecided": 2})
        '17 of 20 comparisons hold, 1 fails, 2 are undecided'
        >>> in_words({"not measured": 1})
        'the comparison is not measured'
    """
    total = sum(counts.values())
    present = [(verdict, counts[verdict]) for verdict in VERDICTS if counts.get(verdict)]
    if counts.get("not measured") == total > 1:
        return f"none of the {total} comparisons is measured"
    if total == 1:
        return f"the comparison {_VERBS[present[0][0]][0]}"
    (verdict, count), *rest = present
    first = f"{'all' if count == total else f'{count} of'} {total} comparisons {_VERBS[verdict][count == total or count > 1]}"
    return ", ".join([first, *(f"{count} {_VERBS[verdict][count > 1]}" for verdict, count in rest)])


def paper_in_words(published: dict[str, Any]) -> str:
    """Do the printed numbers, taken as they stand, bear a claim out?

    Example:
        >>> paper_in_words({"verdict": "fails", "counts": {"holds": 19, "fails": 1}})
        'contradict it in 1 of 20 comparisons'
    """
    counts = published["counts"]
    total, missing, failing = sum(counts.values()), counts.get("not measured", 0), counts.get("fails", 0)
    if missing == total:
        return "are not printed"
    if failing:
        return f"contradict it in {failing} of {total} comparisons" if total > 1 else "contradict it"
    return f"bear it out where they are printed, in {total - missing} of {total} comparisons" if missing else "bear it out"


def summary(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Number of claims of each verdict, and the verb that goes with it."""
    counts = Counter(claim["verdict"] for claim in found)
    return [{"verdict": each, "count": counts[each], "words": _VERBS[each][counts[each] != 1]} for each in VERDICTS]


def _spelled(comparison: Document, part: Part, shelf: Shelf) -> dict[str, Any]:
    """A comparison with what both sides share said once, in front."""
    unit, right = part.document["unit"], comparison["right"]
    left = _side(comparison["left"], part, shelf)
    other = _side(right, part, shelf) if isinstance(right, list) else {"words": [shown(right, unit)]}
    both, apart = _shared(left, other), comparison["difference"]
    return {
        **comparison,
        "both": both,
        "left": left,
        "right": other,
        "apart": "" if apart is None else f"{shown(apart['mean'], unit, 'difference')} ({bounds(apart, unit, 'difference')})",
        "relation": "above" if comparison["within"] is None else f"within {shown(comparison['within'], unit)} of",
    }


def _shared(left: dict[str, Any], right: dict[str, Any]) -> str:
    """Take out of both sides what they share, such as the attack that two nets are under, and put their words together."""
    words = left["words"], right["words"]
    alike = {i for i, (one, other) in enumerate(zip(*words, strict=False)) if one == other and len(words[0]) == len(words[1])}
    if len(alike) == len(words[0]):
        # Rows may be labelled alike; of those nothing can be left out.
        alike = set()
    for side in (left, right):
        side["words"] = ", ".join(word for i, word in enumerate(side["words"]) if i not in alike)
    return ", ".join(words[0][i] for i in sorted(alike))


def _side(ref: list[str], part: Part, shelf: Shelf) -> dict[str, Any]:
    exhibit, row, column = ref if len(ref) == 3 else (part.document["exhibit"], *ref)
    document = shelf.document(exhibit, part.plan)
    if document is None:
        return {"words": [heading(exhibit), row, column]}
    label = next(each["label"] for each in document["rows"] if each["name"] == row)
    other = [heading(exhibit)] if exhibit != part.document["exhibit"] else []
    found: dict[str, Any] = {"words": [*other, label, column], "exhibit": exhibit, "row": row, "column": column}
    measured = cells_by_place(document)[row, column]["measured"]
    if measured is not None:
        found |= {"value": repr(measured["mean"]), "text": shown(measured["mean"], document["unit"])}
    return found
