"""Evaluates the claims of the paper on measured numbers: pure functions of documents and per-image results.

A claim goes through four steps: what is measured of its parts, whether that can decide anything, a test, and, once all claims are tested,
a verdict from the p value adjusted for their number.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from defective.paper import CLAIMS, EXHIBITS, OBSERVATIONS, Claim, Place, Verdict
from defective.paper.claims import Part
from defective.results.contrasts import Comparison, Evidence, MeasuredPart, measure
from defective.results.documents import ClaimResult, ContrastResult
from defective.statistics import LEVEL, UNKNOWN, Contrast, holm
from defective.text import shortened


@dataclass
class _Test:
    """A claim on the way to its verdict."""

    claim: Claim
    parts: list[MeasuredPart]
    # Why the numbers cannot decide, whatever they are; empty if they can.
    obstacle: str = ""
    # Whether the numbers speak for it, and the p value of what they speak for; None while something is missing, or nothing left to chance.
    holds: bool = False
    p: float | None = None
    adjusted_p: float | None = None


def evaluate_claims(evidence: Iterable[Evidence], claims: Sequence[Claim] = (*CLAIMS, *OBSERVATIONS)) -> list[ClaimResult]:
    """Verdicts of claims on all that was measured at one scale.

    p values are adjusted by Holm's method over all claims that are measured; over observations of ours apart.
    """
    known: dict[str, list[Evidence]] = {}
    for each in (each for each in evidence if not each.document.outdated):
        known.setdefault(each.document.exhibit, []).append(each)
    tests = [_test(claim, known) for claim in claims]
    for ours in (False, True):
        family = [test for test in tests if test.claim.ours == ours and test.p is not None]
        for test, adjusted in zip(family, holm([test.p or 0.0 for test in family]), strict=True):
            test.adjusted_p = adjusted
    return [_result(test) for test in tests]


def _test(claim: Claim, known: dict[str, list[Evidence]]) -> _Test:
    parts = [measure(part, known) for part in claim.parts]
    test = _Test(claim, parts)
    sides = [_p_values(claim, each.part.bound, each.contrast) for each in parts if each.contrast]
    if sides and len(sides) == len(parts) and claim.kind != "equal":
        # All parts must hold: the worst decides. One is enough to fail: the best counts for as many as there are.
        p_holds = max(p for p, _ in sides)
        p_fails = min(1.0, len(sides) * min(p for _, p in sides))
        test.obstacle = _obstacle(parts)
        test.holds = p_holds <= p_fails
        test.p = 1.0 if test.obstacle else min(p_holds, p_fails)
    return test


def _p_values(claim: Claim, bound: float, contrast: Contrast) -> tuple[float, float]:
    """p values of the tests that a part holds and that it fails."""
    match claim.kind:
        case "similar":
            return contrast.p_within(claim.margin), contrast.p_beyond(claim.margin)
        case "no better":
            return contrast.p_below(claim.margin), min(1.0, 2 * contrast.p_above(claim.margin))
    return min(1.0, 2 * contrast.p_above(bound)), min(1.0, 2 * contrast.p_below(bound))


def _obstacle(parts: Iterable[MeasuredPart]) -> str:
    measured = [cells for part in parts for cells in part.comparisons]
    if at_chance := sorted({model for cells in measured for each in cells for model in each.cell.at_chance}):
        return f"no better than chance: {shortened(at_chance)}"
    if unequal := list(dict.fromkeys(words for cells in measured for words in _trained_less(cells))):
        return f"trained for fewer epochs than what it is compared with: {shortened(unequal)}"
    if few := [part for part in parts if part.num_measured < len(part.part.blocks) / 2]:
        return f"fewer than half of its comparisons are measured: {few[0].num_measured} of {len(few[0].part.blocks)}"
    if any(part.contrast and part.contrast.seeds == 1 for part in parts):
        return "one seed decides nothing"
    return ""


def _trained_less(cells: Comparison) -> list[str]:
    """The models of a comparison that were trained for fewer epochs than another."""
    epochs = {each.evidence.document.label(each.cell.row): each.cell.epochs for each in cells if each.cell.epochs is not None}
    most = max(epochs.values(), default=0)
    return [f"{label} ({count} against {most})" for label, count in epochs.items() if count < most]


def _verdict(test: _Test) -> tuple[Verdict, str]:
    """The verdict, and why it is no clear one."""
    if test.claim.kind == "seen":
        return "not measured", "the eye decides"
    if not test.parts or not all(part.comparisons for part in test.parts):
        return "not measured", "numbers are missing"
    if test.claim.kind == "equal":
        return _equal_parameters([cells for part in test.parts for cells in part.comparisons])
    if test.obstacle:
        return "undecided", test.obstacle
    if test.p is not None and test.adjusted_p is not None and test.adjusted_p >= LEVEL:
        return "undecided", "not clear enough" + (" among so many claims" if test.p < LEVEL else "")
    return ("holds" if test.holds else "fails"), ""


def _equal_parameters(measured: Iterable[Comparison]) -> tuple[Verdict, str]:
    records = ([each.evidence.document.jobs.get(job) for each in cells for job in each.cell.jobs] for cells in measured)
    numbers = [{record and record.parameters for record in of_cells} for of_cells in records]
    if any(None in each for each in numbers):
        return "not measured", "the numbers of parameters are not stored"
    return ("holds" if all(len(each) == 1 for each in numbers) else "fails"), ""


def _result(test: _Test) -> ClaimResult:
    claim = test.claim
    verdict, reason = _verdict(test)
    return ClaimResult(
        **{name: getattr(claim, name) for name in ("name", "text", "section", "kind", "margin", "note", "ours", "exhibits")},
        verdict=verdict,
        reason=reason,
        p=test.p,
        adjusted_p=test.adjusted_p,
        published=published_verdict(claim),
        contrasts=tuple(map(_contrast_result, test.parts)) if claim.kind != "equal" else (),
    )


def _contrast_result(measured: MeasuredPart) -> ContrastResult:
    part = measured.part
    found = measured.contrast or Contrast(math.nan, (UNKNOWN,), 0)
    return ContrastResult(
        about=part.about,
        bound=part.bound,
        comparisons=len(part.blocks),
        measured=measured.num_measured,
        unit=EXHIBITS[part.blocks[0][0][0].exhibit].unit,
        level=abs(math.fsum(weight for _, weight in part.blocks[0])) > 1e-9,
        estimate=None if math.isnan(found.estimate) else found.estimate,
        low=found.interval[0],
        high=found.interval[1],
        seeds=found.seeds,
        published=published_sum(part),
    )


def published_verdict(claim: Claim) -> Verdict:
    """The verdict in the printed numbers, which are exact."""
    sums = [published_sum(part) for part in claim.parts]
    if not sums or claim.kind == "equal" or None in sums:
        return "not measured"
    exact = [Contrast(each or 0.0, (), 1) for each in sums]
    holds = all(_p_values(claim, part.bound, each)[0] == 0 for part, each in zip(claim.parts, exact, strict=True))
    return "holds" if holds else "fails"


def published_sum(part: Part) -> float | None:
    """The mean of the blocks of a part whose numbers are all printed; of S(M) that of the logarithms. None if nothing is printed."""
    found = []
    for block in part.blocks:
        terms = [(_published(place), weight) for place, weight in block]
        if all(number is not None for number, _ in terms):
            found.append(math.fsum(number * weight for number, weight in terms if number is not None))
    return math.fsum(found) / len(found) if found else None


def _published(place: Place) -> float | None:
    exhibit = EXHIBITS[place.exhibit]
    number = exhibit.published(place.row, place.column)
    return number if number is None or exhibit.unit == "%" else math.log(number)
