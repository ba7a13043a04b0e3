"""Evaluates the claims of the paper on measured numbers: pure functions of documents and per-image results.

A claim goes through four steps: what is measured of its parts, whether that can decide anything, a test, and, once all claims are tested,
the p value adjusted for their number.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from defective.paper import CLAIMS, EXHIBITS, OBSERVATIONS, CellKey, Claim, Verdict
from defective.paper.claims import Part
from defective.results.contrasts import Comparison, Evidence, MeasuredPart, measure
from defective.results.documents import ClaimResult, ContrastResult
from defective.results.model_size import verdict_of_counts
from defective.statistics import LEVEL, Contrast, holm
from defective.text import shortened

# Kinds of claims about models as they are built.
_EXACT = ("equal", "fewer")


def evaluate_claims(evidence: Iterable[Evidence], claims: Sequence[Claim] = (*CLAIMS, *OBSERVATIONS)) -> list[ClaimResult]:
    """Verdicts of claims on all that was measured at one scale.

    p values are adjusted by Holm's method over all claims that are measured; over observations of ours apart.
    """
    known: dict[str, list[Evidence]] = {}
    for each in evidence:
        known.setdefault(each.document.exhibit, []).append(each)
    tested = [_tested(claim, known) for claim in claims]
    found = [claim for claim, _ in tested]
    for ours in (False, True):
        family = {number: claim.p for number, claim in enumerate(found) if claim.ours == ours and claim.p is not None}
        for number, adjusted in zip(family, holm([*family.values()]), strict=True):
            found[number] = _adjusted(*tested[number], adjusted)
    return found


def _tested(claim: Claim, known: dict[str, list[Evidence]]) -> tuple[ClaimResult, str]:
    """A claim as if it were the only one, and the part by which it fails, of several."""
    parts = [] if claim.kind in _EXACT else [measured for part in claim.parts for measured in measure(part, known)]
    verdict, reason, p, failing = _verdict(claim, parts)
    result = ClaimResult(
        **{name: getattr(claim, name) for name in ("name", "text", "section", "kind", "margin", "note", "ours", "exhibits")},
        verdict=verdict,
        reason=reason,
        p=p,
        adjusted_p=None,
        published=published_verdict(claim),
        published_bounds=_published_at_other_bounds(claim),
        contrasts=tuple(map(_contrast_result, parts)),
    )
    return result, failing


def _verdict(claim: Claim, parts: Sequence[MeasuredPart]) -> tuple[Verdict, str, float | None, str]:
    """The verdict, why it is no clear one, the p value of what the numbers speak for, and the part that speaks most against it.

    There is no p value where nothing is left to chance.
    """
    if claim.kind == "qualitative":
        return "not measured", "no number decides it", None, ""
    if claim.kind in _EXACT:
        return verdict_of_counts(claim), "", None, ""
    if not parts:
        return "not measured", "no table or figure measures it", None, ""
    if not any(part.comparisons for part in parts):
        return "not measured", "not run yet", None, ""
    # All parts must hold: the worst decides. One is enough to fail, whatever keeps others from a test: the best counts for as many as
    # there are.
    tests = [(1.0, 1.0) if _obstacle([each]) else _p_values(claim, each.part.bound, each.contrast) for each in parts]
    holds, fails = zip(*tests, strict=True)
    p_holds, p_fails = max(holds), min(1.0, len(fails) * min(fails))
    verdict: Verdict = "holds" if p_holds <= p_fails else "fails"
    return verdict, _obstacle(parts), min(p_holds, p_fails), parts[fails.index(min(fails))].about


def _adjusted(claim: ClaimResult, failing: str, p: float) -> ClaimResult:
    if p < LEVEL:
        by = f"by {failing}" if failing and claim.verdict == "fails" else ""
        others = f"other parts are not tested: {claim.reason}" if claim.reason else ""
        return claim.model_copy(update={"adjusted_p": p, "reason": "; ".join(filter(None, [by, others]))})
    among = " among so many claims" if claim.p is not None and claim.p < LEVEL else ""
    return claim.model_copy(update={"adjusted_p": p, "verdict": "undecided", "reason": claim.reason or f"not clear enough{among}"})


def _p_values(claim: Claim, bound: float, contrast: Contrast) -> tuple[float, float]:
    """p values of the tests that a part holds and that it fails."""
    match claim.kind:
        case "similar":
            return contrast.p_within(claim.margin), contrast.p_beyond(claim.margin)
        case "no better":
            return contrast.p_below(claim.margin), min(1.0, 2 * contrast.p_above(claim.margin))
    return min(1.0, 2 * contrast.p_above(bound)), min(1.0, 2 * contrast.p_below(bound))


def _obstacle(parts: Iterable[MeasuredPart]) -> str:
    if not all(part.comparisons for part in parts):
        return "a part is not run yet"
    measured = [cells for part in parts for cells in part.comparisons]
    if at_chance := sorted({model for cells in measured for each in cells for model in each.cell.at_chance}):
        return f"no better than chance: {shortened(at_chance)}"
    if unequal := list(dict.fromkeys(words for cells in measured for words in _trained_less(cells))):
        return f"trained for fewer epochs than what it is compared with: {shortened(unequal)}"
    if few := [part for part in parts if part.num_measured < len(part.part.blocks) / 2]:
        return f"fewer than half of its comparisons are measured: {few[0].num_measured} of {len(few[0].part.blocks)}"
    if any(part.contrast.seeds == 1 for part in parts):
        return "one seed decides nothing"
    return ""


def _trained_less(cells: Comparison) -> list[str]:
    """The models of a comparison that were trained for fewer epochs than another."""
    epochs = {each.evidence.document.label(each.cell.row): each.cell.epochs for each in cells if each.cell.epochs is not None}
    most = max(epochs.values(), default=0)
    return [f"{name} ({count} against {most})" for name, count in epochs.items() if count < most]


def _contrast_result(measured: MeasuredPart) -> ContrastResult:
    part, found = measured.part, measured.contrast
    return ContrastResult(
        about=measured.about,
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
    """The verdict in the printed numbers, which are exact, over the parts of which any are printed."""
    sums = {part: published_sum(part) for part in claim.parts if claim.kind not in _EXACT}
    exact = {part: Contrast(each, (), 1) for part, each in sums.items() if each is not None}
    if not exact:
        return "not measured"
    return "holds" if all(_p_values(claim, part.bound, each)[0] == 0 for part, each in exact.items()) else "fails"


def _published_at_other_bounds(claim: Claim) -> dict[Literal["half", "double"], Verdict]:
    """A bound of ours is a choice: whether another would change the verdict in the printed numbers."""
    if not claim.margin and not any(part.bound for part in claim.parts):
        return {}

    def times(factor: float) -> Verdict:
        parts = tuple(replace(part, bound=factor * part.bound) for part in claim.parts)
        return published_verdict(replace(claim, margin=factor * claim.margin, parts=parts))

    return {"half": times(0.5), "double": times(2)}


def published_sum(part: Part) -> float | None:
    """The mean of the blocks of a part whose numbers are all printed; of S(M) that of the logarithms. None if nothing is printed."""
    found = []
    for block in part.blocks:
        terms = [(_published(key), weight) for key, weight in block]
        if all(number is not None for number, _ in terms):
            found.append(math.fsum(number * weight for number, weight in terms if number is not None))
    return math.fsum(found) / len(found) if found else None


def _published(key: CellKey) -> float | None:
    exhibit = EXHIBITS[key.exhibit]
    number = exhibit.published(key.row, key.column)
    return number if number is None or exhibit.unit == "%" else math.log(number)
