"""Is a defective model more robust than a plain one of equal accuracy? Each number against the plain model's nearest checkpoints."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from defective.experiments.store import Store, name_of
from defective.paper import Cell
from defective.paper.controls import controls
from defective.results.documents import Checkpoint, Control, ControlVerdict, Difference
from defective.results.per_image import PerImage, PerImageReader
from defective.specs import ScoreJob
from defective.statistics import Contrast, Rate, SeedVariance, Term, contrast, seed_variance


class _Scored(NamedTuple):
    """A model on an adversarial set: its test accuracy, its rate, both shares, and what became of each test image."""

    job: ScoreJob
    accuracy: float
    rate: Rate
    per_image: PerImage | None

    def term(self, weight: float, model: str, seed: int) -> Term:
        if self.per_image is None:
            return Term.counted(weight, model, seed, self.rate)
        return Term(weight, model, seed, *self.per_image)


class Controls:
    """Controls of the numbers of a store.

    Args:
        store: Where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._per_image = store, PerImageReader(store).of
        self._scored = lru_cache(4096)(self._read)

    def of(self, cells: Sequence[Cell], variance: SeedVariance | None) -> Control | None:
        """The control of one number, whose cells are one for each seed; None if it has none, or it is not measured yet.

        Args:
            cells: The number.
            variance: Of training, see :meth:`seed_variance`.
        """
        found, terms = {}, []
        for seed, cell in enumerate(cells):
            own = self._number(cell)
            runs = [run for job in controls(cell, 2 * seed) if (run := self._scored(job, cell.value)) is not None]
            if own is None or not runs:
                continue
            found[seed] = own, nearest(runs, own.accuracy)
            terms.append(own.term(100, "defective", seed))
            terms += [run.term(-100 * share, "plain", seed) for run, share in found[seed][1]]
        if not found:
            return None
        decided = contrast(terms, variance)
        own_rates = [100 * float(own.rate) for own, _ in found.values()]
        verdict, reason = _verdict(decided, found)
        low, high = decided.interval
        return Control(
            accuracy=sum(100 * own.accuracy for own, _ in found.values()) / len(found),
            rate=sum(own_rates) / len(own_rates) - decided.estimate,
            difference=Difference(mean=decided.estimate, low=low, high=high),
            verdict=verdict,
            reason=reason,
            checkpoints=tuple(tuple(_checkpoint(run, share) for run, share in chosen) for _, chosen in found.values()),
        )

    def seed_variance(self, column: Sequence[Sequence[Cell]]) -> SeedVariance | None:
        """Variance of training, from how far the numbers of a column, in %, differ between seeds."""
        numbers = [(row, seed, self._number(cell)) for row, cells in enumerate(column) for seed, cell in enumerate(cells)]
        return seed_variance(own.term(100, str(row), seed) for row, seed, own in numbers if own is not None)

    def _number(self, cell: Cell) -> _Scored | None:
        return self._scored(cell.job, cell.value) if isinstance(cell.job, ScoreJob) else None

    def _read(self, job: ScoreJob, value: str) -> _Scored | None:
        result, trained = self._store.result(job), self._store.result(job.target)
        if result is None or trained is None or not result["values"][value]["num_evaluated"]:
            return None
        return _Scored(
            job,
            float(Rate.of(**trained["values"]["test_accuracy"])),
            Rate.of(**result["values"][value]),
            self._per_image(Cell(job, value)),
        )


def nearest(runs: Sequence[_Scored], accuracy: float) -> list[tuple[_Scored, float]]:
    """The runs nearest in accuracy from below and from above, with their shares in the linear interpolation; one if none lies beyond.

    Of several runs of one accuracy the last counts, which was trained longest.
    """
    by_accuracy = {run.accuracy: run for run in runs}
    below = [each for each in by_accuracy if each <= accuracy]
    above = [each for each in by_accuracy if each >= accuracy]
    if not below or not above or max(below) == accuracy:
        return [(by_accuracy[max(below) if below else min(above)], 1.0)]
    low, high = max(below), min(above)
    share = (accuracy - low) / (high - low)
    return [(by_accuracy[low], 1 - share), (by_accuracy[high], share)]


def _verdict(found: Contrast, seeds: dict[int, tuple[_Scored, list[tuple[_Scored, float]]]]) -> tuple[ControlVerdict, str]:
    low, high = found.interval
    if found.seeds < 2:
        return "undecided", "one seed cannot decide between trained models"
    # A control that is more accurate than the model has too low a rate, one that is less accurate too high a one.
    higher = any(min(run.accuracy for run, _ in chosen) > own.accuracy for own, chosen in seeds.values())
    lower = any(max(run.accuracy for run, _ in chosen) < own.accuracy for own, chosen in seeds.values())
    if low > 0:
        return ("undecided", "no checkpoint of the plain model is as inaccurate") if higher else ("yes", "")
    if high < 0:
        return ("undecided", "no checkpoint of the plain model is as accurate") if lower else ("no", "")
    return "undecided", "the interval holds 0"


def _checkpoint(run: _Scored, share: float) -> Checkpoint:
    return Checkpoint(
        epochs=run.job.target.recipe.trained_epochs,
        accuracy=100 * run.accuracy,
        rate=100 * float(run.rate),
        share=share,
        jobs=(name_of(run.job.target), name_of(run.job)),
    )
