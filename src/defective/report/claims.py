"""The claims of the paper with their verdicts, as the page states them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from defective.paper import Verdict
from defective.report.sections import ResultReader, Section
from defective.report.wording import warnings
from defective.results.documents import ClaimResult, ComparisonResult, Reference, Verdicts, heading
from defective.tables import difference, exact, number

VERDICTS: tuple[Verdict, ...] = ("holds", "fails", "undecided", "not measured")
_VERBS: dict[Verdict, tuple[str, str]] = {
    "holds": ("holds", "hold"),
    "fails": ("fails", "fail"),
    "undecided": ("is undecided", "are undecided"),
    "not measured": ("is not measured", "are not measured"),
}


@dataclass(frozen=True)
class Side:
    """One side of a comparison: in words, without what both sides share, and the measured number, if it has a cell."""

    words: str
    exhibit: str = ""
    row: str = ""
    column: str = ""
    value: str = ""
    text: str = ""


@dataclass(frozen=True)
class SpelledComparison:
    """A comparison in words: what both sides share, the sides, how they should lie, how far they are apart."""

    result: ComparisonResult
    both: str
    left: Side
    relation: str
    right: Side
    apart: str


@dataclass(frozen=True)
class SpelledClaim:
    """A claim in words: verdicts of its comparisons in the measured and in the paper's numbers."""

    result: ClaimResult
    measured: str
    of_paper: str
    warnings: list[str]
    comparisons: list[SpelledComparison]


def claims(section: Section, reader: ResultReader) -> list[SpelledClaim]:
    """The claims of one exhibit with their comparisons spelled out."""
    return [
        SpelledClaim(
            result=claim,
            measured=in_words(claim.counts),
            of_paper=paper_in_words(claim.published),
            warnings=warnings(claim.at_chance, claim.training_mismatch),
            comparisons=[_spelled(each, section, reader) for each in claim.comparisons],
        )
        for claim in section.result.claims
    ]


def verdict_counts(counts: Mapping[Verdict, int]) -> list[tuple[Verdict, int]]:
    """The verdicts that there are and how many, always in one order."""
    return [(verdict, counts[verdict]) for verdict in VERDICTS if counts.get(verdict)]


def in_words(counts: Mapping[Verdict, int]) -> str:
    """Verdicts of comparisons, counted.

    Example:
        >>> in_words({"fails": 1, "holds": 17, "undecided": 2})
        '17 of 20 comparisons hold, 1 fails, 2 are undecided'
        >>> in_words({"not measured": 1})
        'the comparison is not measured'
    """
    total = sum(counts.values())
    present = verdict_counts(counts)
    if counts.get("not measured") == total > 1:
        return f"none of the {total} comparisons is measured"
    if total == 1:
        return f"the comparison {_VERBS[present[0][0]][0]}"
    (verdict, many), *rest = present
    first = f"{'all' if many == total else f'{many} of'} {total} comparisons {_VERBS[verdict][many == total or many > 1]}"
    return ", ".join([first, *(f"{many} {_VERBS[verdict][many > 1]}" for verdict, many in rest)])


def paper_in_words(published: Verdicts) -> str:
    """Whether the published numbers, taken as exact, support a claim.

    Example:
        >>> paper_in_words(Verdicts(verdict="fails", counts={"holds": 19, "fails": 1}))
        'contradict it in 1 of 20 comparisons'
    """
    counts = published.counts
    total, missing, failing = sum(counts.values()), counts.get("not measured", 0), counts.get("fails", 0)
    if missing == total:
        return "are not printed"
    if failing:
        return f"contradict it in {failing} of {total} comparisons" if total > 1 else "contradict it"
    return f"support it where they are printed, in {total - missing} of {total} comparisons" if missing else "support it"


def summary(found: Iterable[ClaimResult]) -> list[tuple[Verdict, int, str]]:
    """Each verdict, how many claims have it, and the verb that goes with the number."""
    counts = Counter(claim.verdict for claim in found)
    return [(verdict, counts[verdict], _VERBS[verdict][counts[verdict] != 1]) for verdict in VERDICTS]


def _spelled(comparison: ComparisonResult, section: Section, reader: ResultReader) -> SpelledComparison:
    unit, right, apart = section.result.unit, comparison.right, comparison.difference
    ours = _words(comparison.left, section, reader)
    theirs = _words(right, section, reader) if isinstance(right, tuple) else [number(right, unit)]
    alike = {
        place for place, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one == other and len(ours) == len(theirs)
    }
    if len(alike) == len(ours):
        # Rows may be labelled alike; of those nothing can be left out.
        alike = set()
    return SpelledComparison(
        result=comparison,
        both=", ".join(ours[place] for place in sorted(alike)),
        left=_side(comparison.left, _without(ours, alike), section, reader),
        relation="above" if comparison.within is None else f"within {number(comparison.within, unit)} of",
        right=_side(right, _without(theirs, alike), section, reader),
        apart="" if apart is None else difference(apart.mean, apart.low, apart.high, unit),
    )


def _without(words: list[str], alike: set[int]) -> str:
    return ", ".join(word for place, word in enumerate(words) if place not in alike)


def _place(reference: Reference, section: Section) -> tuple[str, str, str]:
    return reference if len(reference) == 3 else (section.result.exhibit, *reference)


def _words(reference: Reference, section: Section, reader: ResultReader) -> list[str]:
    exhibit, row, column = _place(reference, section)
    result = reader.result(exhibit, section.plan)
    if result is None:
        return [heading(exhibit), row, column]
    return [*([heading(exhibit)] if exhibit != section.result.exhibit else []), result.label(row), column]


def _side(reference: Reference | float, words: str, section: Section, reader: ResultReader) -> Side:
    if not isinstance(reference, tuple):
        return Side(words)
    exhibit, row, column = _place(reference, section)
    result = reader.result(exhibit, section.plan)
    measured = None if result is None else result.cell(row, column).measured
    if result is None or measured is None:
        return Side(words, exhibit, row, column)
    return Side(words, exhibit, row, column, exact(measured.mean), number(measured.mean, result.unit))
