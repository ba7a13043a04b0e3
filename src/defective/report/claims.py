"""The claims of the paper with their verdicts in words, as page, tables and terminal state them."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from defective.experiments.store import Store
from defective.paper import EXHIBITS, Verdict
from defective.report.sections import Section
from defective.results.documents import ClaimResult, ContrastResult, heading
from defective.results.from_store import claims_by_scale
from defective.tables import count, difference, number

# With the verbs that go with one claim and with many.
_VERBS: dict[Verdict, tuple[str, str]] = {
    "holds": ("holds", "hold"),
    "fails": ("fails", "fail"),
    "undecided": ("is undecided", "are undecided"),
    "not measured": ("is not measured", "are not measured"),
}
_APART = {
    "unmeasured": ("No numbers", "what no table or figure measures"),
    "ours": ("Ours", "observations that the paper does not make"),
}
_OF_PAPER: dict[Verdict, str] = {"holds": "support it", "fails": "contradict it"}


def summary(found: Iterable[ClaimResult]) -> list[tuple[Verdict, int, str]]:
    """Each verdict, how many claims have it, and the verb that goes with the number."""
    counts = Counter(claim.verdict for claim in found)
    return [(verdict, counts[verdict], verbs[counts[verdict] != 1]) for verdict, verbs in _VERBS.items()]


@dataclass(frozen=True)
class ClaimGroup:
    """Claims at one scale whose first exhibit is the same, in the paper's order; or all observations of ours.

    ``name`` is its place on the page, ``heading`` and ``title`` are those of the exhibit.
    """

    name: str
    scale: str
    heading: str
    title: str
    claims: list[ClaimResult]
    ours: bool = False


def claim_groups(sections: Sequence[Section], store: Store) -> list[ClaimGroup]:
    """Each claim that bears on exhibits of a report once for every scale, folded by its first exhibit; observations of ours last."""
    groups = []
    for scale, claims in claims_by_scale((each.result, each.plan, store) for each in sections).items():
        shown = {each.result.exhibit for each in sections if each.plan.scale == scale}
        named: dict[str, list[ClaimResult]] = {}
        for claim in claims:
            if not claim.exhibits or shown.intersection(claim.exhibits):
                named.setdefault("ours" if claim.ours else next(iter(claim.exhibits), "unmeasured"), []).append(claim)
        for name in sorted(named, key=[*EXHIBITS, *_APART].index):
            about = _APART[name] if name in _APART else (heading(name), EXHIBITS[name].title)
            groups.append(ClaimGroup(f"claims-{scale}-{name}", scale, *about, named[name], ours=name == "ours"))
    return sorted(groups, key=lambda group: group.ours)


def verdict_in_words(claim: ClaimResult) -> str:
    """The verdict with its reason.

    Example:
        >>> claim = ClaimResult.model_construct(verdict="undecided", reason="not clear enough")
        >>> verdict_in_words(claim)
        'undecided: not clear enough'
    """
    return f"{claim.verdict}: {claim.reason}" if claim.reason else claim.verdict


def contrast_in_words(found: ContrastResult) -> str:
    """A contrast with its interval and what it is the mean of; empty if nothing of it is measured.

    Example:
        >>> score = ContrastResult(
        ...     about="", bound=0, comparisons=1, measured=1, unit="S(M)", estimate=0.0, low=-1, high=1, seeds=2, published=None
        ... )
        >>> contrast_in_words(score)
        'factor 1 (0.37 to 2.7), 2 seeds'
    """
    if found.estimate is None:
        return ""
    if found.unit == "%":
        share = f"{number(found.estimate)} % ({number(found.low)} to {number(found.high)})"
        amount = share if found.level else f"{difference(found.estimate, found.low, found.high)} points"
    else:
        # A contrast of logarithms is the logarithm of a ratio.
        estimate, low, high = (math.inf if each > 700 else math.exp(each) for each in (found.estimate, found.low, found.high))
        amount = f"factor {estimate:.2g} ({low:.2g} to {high:.2g})"
    parts = [f"{found.about}: {amount}" if found.about else amount]
    if found.comparisons > 1:
        some = f"{found.measured} of " if found.measured < found.comparisons else ""
        parts.append(f"mean of {some}{count(found.comparisons, 'comparison')}")
    if found.seeds:
        parts.append(count(found.seeds, "seed"))
    return ", ".join(parts)


def p_in_words(claim: ClaimResult) -> str:
    """The p value adjusted for the number of claims; empty if there is none, or if nothing speaks for a verdict.

    Example:
        >>> p_in_words(ClaimResult.model_construct(adjusted_p=0.00004)), p_in_words(ClaimResult.model_construct(adjusted_p=0.03))
        ('p < 0.001', 'p = 0.030')
    """
    if claim.adjusted_p is None or claim.adjusted_p == 1:
        return ""
    return "p < 0.001" if claim.adjusted_p < 0.001 else f"p = {claim.adjusted_p:.3f}"


def paper_in_words(claim: ClaimResult) -> str:
    """Whether the published numbers, taken as exact, support a claim."""
    return f"The paper's own numbers {_OF_PAPER.get(claim.published, 'are not printed')}{paper_doubts(claim)}."


def paper_doubts(claim: ClaimResult) -> str:
    """Whether all of a claim's parts are printed, and at which other bounds the verdict in the printed numbers is another.

    Example:
        >>> bounds = {"half": "fails", "double": "holds"}
        >>> paper_doubts(ClaimResult.model_construct(published="holds", published_bounds=bounds, contrasts=()))
        '; at half the bounds they contradict it'
    """
    if claim.published not in _OF_PAPER:
        return ""
    parts = ", in the parts that are printed" * any(each.published is None for each in claim.contrasts)
    others = claim.published_bounds.items()
    return parts + "".join(f"; at {name} the bounds they {_OF_PAPER[each]}" for name, each in others if each != claim.published)


def exhibits_in_words(claim: ClaimResult) -> str:
    """The exhibits that bear on a claim, as ``"Tables 3, 5, 6"``.

    Example:
        >>> exhibits_in_words(ClaimResult.model_construct(exhibits=("table4", "table11", "figure5")))
        'Tables 4, 11, Figure 5'
    """
    words = []
    for kind in ("Table", "Figure"):
        numbers = [heading(each).removeprefix(kind).strip() for each in claim.exhibits if heading(each).startswith(kind)]
        if numbers:
            words.append(f"{kind}{'s' * (len(numbers) > 1)} {', '.join(numbers)}")
    return ", ".join([*words, *(heading(each) for each in claim.exhibits if not each.startswith(("table", "figure")))])
