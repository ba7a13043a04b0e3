"""Evaluates the claims of an exhibit on the measured numbers."""

from collections.abc import Iterable
from functools import partial
from typing import TypeVar

from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.paper import EXHIBITS, Cell, Claim, Comparison, Exhibit, judge
from defective.paper.claims import Ref, Verdict, overall
from defective.results.at_chance import AtChanceFilter
from defective.results.documents import AtChance, ClaimResult, ComparisonResult, Difference, TrainingMismatch, Verdicts
from defective.results.paired_comparison import PairedComparison
from defective.results.training_mismatch import training_mismatch
from defective.results.values import measured
from defective.statistics import Estimate

_OfJob = TypeVar("_OfJob", AtChance, TrainingMismatch)


class ClaimEvaluator:
    """Evaluates the claims of a plan's exhibits on the numbers in a store.

    Attributes:
        at_chance: Finds the models that are no better than chance.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        self._plan, self._store = plan, store
        self._paired = PairedComparison(store)
        self.at_chance = AtChanceFilter(store)

    def evaluate(self, claim: Claim, exhibit: Exhibit) -> ClaimResult:
        """Verdicts of a claim and of each of its comparisons, in the measured and in the published numbers.

        A comparison with a model at chance, or of models trained for unequal numbers of epochs, is undecided: a model that learned
        nothing, or was trained for less time, neither supports nor refutes a claim.
        """
        judgements = judge(claim, partial(self._measured, exhibit), partial(self._correlations, exhibit))
        printed = [each.verdict for each in judge(claim, partial(_published, exhibit))]
        at_chance = [self._at_chance(exhibit, each) for each in claim.comparisons]
        mismatched = [self._mismatched(exhibit, each) for each in claim.comparisons]
        verdicts = [
            _doubt(each.verdict) if low or less else each.verdict
            for each, low, less in zip(judgements, at_chance, mismatched, strict=True)
        ]
        return ClaimResult(
            text=claim.text,
            section=claim.where,
            verdict=overall(verdicts),
            counts=_counts(verdicts),
            at_chance=once_per_job(each for models in at_chance for each in models),
            training_mismatch=once_per_job(each for models in mismatched for each in models),
            published=Verdicts(verdict=overall(printed), counts=_counts(printed)),
            comparisons=tuple(
                ComparisonResult(
                    left=comparison.left,
                    right=comparison.right,
                    within=comparison.within,
                    difference=judgement.difference and Difference(**judgement.difference._asdict()),
                    verdict=verdict,
                    published_verdict=of_paper,
                )
                for comparison, judgement, verdict, of_paper in zip(claim.comparisons, judgements, verdicts, printed, strict=True)
            ),
        )

    def _cells(self, exhibit: Exhibit, ref: Ref) -> list[Cell]:
        """One cell for each seed; none if the plan has no data set for the exhibit."""
        other, row, column = _place(exhibit, ref)
        return self._plan.of(other).get((row, column), []) if other.data in self._plan.data else []

    def _measured(self, exhibit: Exhibit, ref: Ref) -> Estimate | None:
        return measured(self._cells(exhibit, ref), self._store, _place(exhibit, ref)[0].unit)

    def _both(self, exhibit: Exhibit, left: Ref, right: Ref) -> dict[int, tuple[Cell, Cell]]:
        """Seed to the cells of both sides, where both are measured."""
        each = enumerate(zip(self._cells(exhibit, left), self._cells(exhibit, right), strict=False))
        return {seed: pair for seed, pair in each if all(self._store.result(cell.job) is not None for cell in pair)}

    def _correlations(self, exhibit: Exhibit, left: Ref, right: Ref) -> dict[int, float]:
        return {seed: self._paired.correlation(*pair) for seed, pair in self._both(exhibit, left, right).items()}

    def _at_chance(self, exhibit: Exhibit, comparison: Comparison) -> list[AtChance]:
        sides = [side for side in (comparison.left, comparison.right) if isinstance(side, tuple)]
        return [each for side in sides for cell in self._cells(exhibit, side) for each in self.at_chance.of(cell.job)]

    def _mismatched(self, exhibit: Exhibit, comparison: Comparison) -> list[TrainingMismatch]:
        if not isinstance(comparison.right, tuple):
            return []
        both = self._both(exhibit, comparison.left, comparison.right)
        return [found for pair in both.values() if (found := training_mismatch(*pair)) is not None]


def once_per_job(found: Iterable[_OfJob]) -> tuple[_OfJob, ...]:
    """The last entry of each job."""
    return tuple({each.job: each for each in found}.values())


def _place(exhibit: Exhibit, ref: Ref) -> tuple[Exhibit, str, str]:
    other, row, column = ref if len(ref) == 3 else (exhibit.name, *ref)
    return EXHIBITS[other], row, column


def _published(exhibit: Exhibit, ref: Ref) -> Estimate | None:
    other, row, column = _place(exhibit, ref)
    number = other.published(row, column)
    return None if number is None else Estimate.exact(number)


def _doubt(verdict: Verdict) -> Verdict:
    return "undecided" if verdict in ("holds", "fails") else verdict


def _counts(verdicts: list[Verdict]) -> dict[Verdict, int]:
    return {each: verdicts.count(each) for each in dict.fromkeys(verdicts)}
