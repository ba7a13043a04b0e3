"""Evaluates the claims of the paper on measured numbers: pure functions of documents and per-image results."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, Self

import numpy as np

from defective.paper import CLAIMS, EXHIBITS, OBSERVATIONS, Claim, Place, Verdict
from defective.paper.claims import Block, Part, printed_verdict
from defective.results.documents import CellResult, ClaimResult, ContrastResult, ExhibitResult, Measured
from defective.results.per_image import PerImage
from defective.statistics import LEVEL, UNKNOWN, Contrast, Rate, Term, contrast, holm, seed_variance


@dataclass(frozen=True)
class Evidence:
    """An exhibit with its numbers, and what is behind them: (row, column, seed) to per-image results, None where there are none."""

    document: ExhibitResult
    per_image: Callable[[str, str, int], PerImage | None] = lambda row, column, seed: None


class _Entry(NamedTuple):
    """A measured cell and its weight."""

    evidence: Evidence
    cell: CellResult
    measured: Measured
    weight: float

    @classmethod
    def of(cls, evidence: Evidence, row: str, column: str, weight: float) -> list[Self]:
        """One, or none if the cell is not measured."""
        cell = evidence.document.by_place.get((row, column))
        return [] if cell is None or cell.measured is None else [cls(evidence, cell, cell.measured, weight)]

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.measured.seeds or tuple(range(len(self.measured.values)))


def evaluate_claims(evidence: Iterable[Evidence], claims: Sequence[Claim] = (*CLAIMS, *OBSERVATIONS)) -> list[ClaimResult]:
    """Verdicts of claims on all that was measured at one scale.

    p values are adjusted by Holm's method over all claims that are measured; over observations of ours apart.
    """
    known: dict[str, list[Evidence]] = {}
    for each in evidence:
        known.setdefault(each.document.exhibit, []).append(each)
    found = [_Evaluation(claim, known) for claim in claims]
    for ours in (False, True):
        family = [one for one in found if one.claim.ours == ours and one.p is not None]
        for one, adjusted in zip(family, holm([one.p or 0.0 for one in family]), strict=True):
            one.adjusted_p = adjusted
    return [one.result() for one in found]


class _Evaluation:
    """A claim on the way to its verdict.

    Attributes:
        p: Of the verdict that the numbers speak for; None while something is missing, or if nothing is left to chance.
        adjusted_p: The same, adjusted for the number of claims.
    """

    def __init__(self, claim: Claim, known: dict[str, list[Evidence]]) -> None:
        self.claim = claim
        self._parts = [_MeasuredPart(part, known) for part in claim.parts]
        self._measured = bool(self._parts) and all(part.blocks for part in self._parts)
        self.p: float | None = None
        self.adjusted_p: float | None = None
        self._supported = False
        if self._measured and claim.kind != "equal":
            sides = [_p_values(claim, part.part.bound, part.contrast) for part in self._parts]
            # All parts must hold: the worst decides. One is enough to fail: the best counts for as many as there are.
            holds, fails = max(p for p, _ in sides), min(1.0, len(sides) * min(p for _, p in sides))
            self._supported = holds <= fails
            self.p = 1.0 if self._obstacle() else min(holds, fails)

    def result(self) -> ClaimResult:
        claim = self.claim
        verdict, reason = self._verdict()
        printed, sums = printed_verdict(claim, _printed)
        return ClaimResult(
            name=claim.name,
            text=claim.text,
            section=claim.where,
            kind=claim.kind,
            margin=claim.margin,
            note=claim.note,
            ours=claim.ours,
            exhibits=claim.exhibits,
            verdict=verdict,
            reason=reason,
            p=self.p,
            adjusted_p=self.adjusted_p,
            published=printed,
            contrasts=tuple(
                part.result(of_paper) for part, of_paper in zip(self._parts, sums, strict=True) if claim.kind != "equal"
            ),
        )

    def _verdict(self) -> tuple[Verdict, str]:
        if self.claim.kind == "seen":
            return "not measured", "the eye decides"
        if not self._measured:
            return "not measured", "numbers are missing"
        if self.claim.kind == "equal":
            return self._equal()
        if obstacle := self._obstacle():
            return "undecided", obstacle
        if self.p is not None and self.adjusted_p is not None and self.adjusted_p >= LEVEL:
            return "undecided", "not clear enough" + (" among so many claims" if self.p < LEVEL else "")
        return ("holds" if self._supported else "fails"), ""

    def _obstacle(self) -> str:
        """Why the numbers cannot decide, whatever they are; empty if they can."""
        blocks = [block for part in self._parts for block in part.blocks]
        if at_chance := sorted({model for block in blocks for entry in block for model in entry.cell.at_chance}):
            return f"no better than chance: {_some(at_chance)}"
        if unequal := list(dict.fromkeys(words for block in blocks for words in _training_mismatch(block))):
            return f"trained for fewer epochs than what it is compared with: {_some(unequal)}"
        if any(part.contrast.seeds == 1 and not all(map(_of_one_training, part.blocks)) for part in self._parts):
            return "one seed cannot decide between trained models"
        return ""

    def _equal(self) -> tuple[Verdict, str]:
        found = [_parameters(block) for part in self._parts for block in part.blocks]
        if any(None in each for each in found):
            return "not measured", "the numbers of parameters are not stored"
        return ("holds" if all(len(each) == 1 for each in found) else "fails"), ""


class _MeasuredPart:
    """A part of a claim, as far as it is measured: each distinct block once, on the seeds that all its cells have."""

    def __init__(self, part: Part, known: dict[str, list[Evidence]]) -> None:
        self.part = part
        found: dict[object, tuple[_Entry, ...]] = {}
        for entries in (entries for block in part.blocks for entries in _measured(block, known)):
            # Tables share jobs: Table 4 prints some numbers of Table 11, and Tables 11-15 have the same test accuracies.
            found.setdefault(tuple((each.cell.jobs, each.measured.counts, each.weight) for each in entries), entries)
        self.blocks = list(found.values())
        if self.blocks:
            self.unit = self.blocks[0][0].evidence.document.unit
            self.contrast = self._contrast()

    def _contrast(self) -> Contrast:
        entries: dict[tuple[int, str, str], _Entry] = {}
        for entry in (entry for block in self.blocks for entry in block):
            key = (id(entry.evidence), entry.cell.row, entry.cell.column)
            before = entries[key].weight if key in entries else 0.0
            entries[key] = entry._replace(weight=before + entry.weight / len(self.blocks))
        used = [entry for entry in entries.values() if abs(entry.weight) > 1e-12]
        seeds = _common_seeds(used)
        terms = [_term(entry, seed) for entry, seed in product(used, seeds)]
        known = [term for term in terms if term is not None]
        if self.unit == "%" and known:
            return contrast(known, seed_variance(_of_all_rows(used)) or seed_variance(known))
        if known and len(known) == len(terms):
            # Scores are compared on the images that all models have.
            common = np.logical_and.reduce([term.eligible for term in known])
            known = [Term(term.weight, term.model, term.seed, term.values, common, term.images) for term in known]
            return contrast(known, seed_variance(known))
        # A median alone does not tell how uncertain its logarithm is.
        logs = math.fsum(entry.weight * math.log(entry.measured.mean) for entry in used)
        return Contrast(logs, (UNKNOWN,), len(seeds))

    def result(self, of_paper: float | None) -> ContrastResult:
        part = self.part
        found = self.contrast if self.blocks else Contrast(math.nan, (UNKNOWN,), 0)
        return ContrastResult(
            about=part.about,
            bound=part.bound,
            comparisons=len(part.blocks),
            measured=len(self.blocks),
            unit=EXHIBITS[part.blocks[0][0][0].exhibit].unit,
            estimate=None if math.isnan(found.estimate) else found.estimate,
            low=found.interval[0],
            high=found.interval[1],
            seeds=found.seeds,
            published=of_paper,
        )


def _p_values(claim: Claim, bound: float, found: Contrast) -> tuple[float, float]:
    """p values of the tests that a part holds and that it fails."""
    match claim.kind:
        case "similar":
            return found.p_within(claim.margin), found.p_beyond(claim.margin)
        case "no better":
            return found.p_below(claim.margin), min(1.0, 2 * found.p_above(claim.margin))
    return min(1.0, 2 * found.p_above(bound)), min(1.0, 2 * found.p_below(bound))


def _measured(block: Block, known: dict[str, list[Evidence]]) -> list[tuple[_Entry, ...]]:
    """A block on each data set on which all its cells are measured."""
    names = list(dict.fromkeys(place.exhibit for place, _ in block))
    found = []
    for chosen in product(*(known.get(name, []) for name in names)):
        data = [each.document.data for each in chosen]
        if any(data[0].get(kind, name) != name for each in data for kind, name in each.items()):
            continue
        of = dict(zip(names, chosen, strict=True))
        entries = [entry for place, w in block for entry in _Entry.of(of[place.exhibit], place.row, place.column, w)]
        if len(entries) == len(block) and _common_seeds(entries):
            found.append(tuple(entries))
    return found


def _common_seeds(entries: Sequence[_Entry]) -> list[int]:
    return sorted(set.intersection(*(set(entry.seeds) for entry in entries)))


def _of_all_rows(used: Sequence[_Entry]) -> list[Term]:
    """The same sum over columns of every model in the exhibits, at all its seeds: they tell how far training moves it."""
    of = {id(entry.evidence): entry.evidence for entry in used}
    rows: dict[str, dict[tuple[int, str], float]] = {}
    for entry in used:
        rows.setdefault(entry.cell.row, {})[id(entry.evidence), entry.cell.column] = entry.weight
    weights: dict[tuple[int, str], float] = {}
    for found in rows.values():
        # What is subtracted from a model is added to another: both are moved alike.
        sign = math.copysign(1, next(iter(found.values())))
        for key, weight in found.items():
            weights[key] = weights.get(key, 0.0) + sign * weight
    terms: list[Term | None] = []
    for row in dict.fromkeys(row.name for evidence in of.values() for row in evidence.document.rows):
        entries = [entry for (name, column), weight in weights.items() for entry in _Entry.of(of[name], row, column, weight)]
        if len(entries) == len(weights):
            terms += [_term(entry, seed) for entry, seed in product(entries, _common_seeds(entries))]
    return [term for term in terms if term is not None]


def _term(entry: _Entry, seed: int) -> Term | None:
    """A cell at one seed; in points, where it is a share. None of a score without per-image results."""
    document, cell = entry.evidence.document, entry.cell
    row = cell.row.removesuffix(" again")
    # Each table has a source of its own.
    model = (*document.data.values(), row, document.exhibit if row == "source" else "")
    weight = entry.weight * (100 if document.unit == "%" else 1)
    found = entry.evidence.per_image(cell.row, cell.column, seed)
    if found is not None:
        return Term(weight, model, seed, *found)
    if document.unit != "%":
        return None
    count = entry.measured.counts[sorted(entry.seeds).index(seed)]
    return Term.counted(weight, model, seed, Rate.of(count.num_correct or 0, count.num_evaluated))


def _of_one_training(block: tuple[_Entry, ...]) -> bool:
    """Whether a block compares numbers of one trained model alone, attacked from one source: one row of one table."""
    rows = {(id(entry.evidence), entry.cell.row) for entry in block}
    return len(rows) == 1 and abs(math.fsum(entry.weight for entry in block)) < 1e-9


def _training_mismatch(block: tuple[_Entry, ...]) -> list[str]:
    """The models of a block that were trained for fewer epochs than another."""
    epochs = {entry.evidence.document.label(entry.cell.row): entry.cell.epochs for entry in block if entry.cell.epochs is not None}
    most = max(epochs.values(), default=0)
    return [f"{label} ({count} against {most})" for label, count in epochs.items() if count < most]


def _parameters(block: tuple[_Entry, ...]) -> set[int | None]:
    records = [entry.evidence.document.jobs.get(job) for entry in block for job in entry.cell.jobs]
    return {None if record is None else record.parameters for record in records}


def _printed(place: Place) -> float | None:
    """A printed number; of S(M) the logarithm."""
    exhibit = EXHIBITS[place.exhibit]
    number = exhibit.published(place.row, place.column)
    return math.log(number) if number is not None and exhibit.unit != "%" else number


def _some(named: Sequence[str]) -> str:
    more = [f"{len(named) - 3} more"] if len(named) > 3 else []
    return ", ".join([*named[:3], *more])
