"""Is a defective model more robust than a plain one of equal accuracy? Each number against the plain model's nearest checkpoints."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

from defective.experiments.store import Store, name_of
from defective.paper import Cell, Exhibit
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


def exhibit_controls(
    exhibit: Exhibit, cells: Mapping[tuple[str, str], Sequence[Cell]], store: Store
) -> dict[tuple[str, str], Control]:
    """The control of each number of an exhibit that has one and is measured, by row and column; ``cells`` are one for each seed.

    How far training moves a number is pooled over its column.
    """
    scored = cache(partial(_read, store=store, reader=PerImageReader(store)))
    found: dict[tuple[str, str], Control] = {}
    for column in exhibit.columns:
        rows = {row.name: cells.get((row.name, column), ()) for row in exhibit.rows}
        numbers = [(row, seed, scored(cell)) for row, of_seeds in rows.items() for seed, cell in enumerate(of_seeds)]
        variance = seed_variance(own.term(100, row, seed) for row, seed, own in numbers if own is not None)
        found |= {(row, column): control for row, of_seeds in rows.items() if (control := _control(of_seeds, scored, variance))}
    return found


def _control(cells: Sequence[Cell], scored: Callable[[Cell], _Scored | None], variance: SeedVariance | None) -> Control | None:
    found, terms = [], []
    for seed, cell in enumerate(cells):
        own, others = scored(cell), (scored(Cell(job, cell.value)) for job in controls(cell, 2 * seed))
        runs = [run for run in others if run is not None]
        if own is not None and runs:
            chosen = _nearest(runs, own.accuracy)
            found.append((own, chosen))
            terms.append(own.term(100, "defective", seed))
            terms += [run.term(-100 * share, "plain", seed) for run, share in chosen]
    if not found:
        return None
    decided = contrast(terms, variance)
    own_rates = [100 * float(own.rate) for own, _ in found]
    verdict, reason = _verdict(decided, found)
    low, high = decided.interval
    return Control(
        accuracy=sum(100 * own.accuracy for own, _ in found) / len(found),
        rate=sum(own_rates) / len(own_rates) - decided.estimate,
        difference=Difference(mean=decided.estimate, low=low, high=high),
        verdict=verdict,
        reason=reason,
        checkpoints=tuple(tuple(_checkpoint(run, share) for run, share in chosen) for _, chosen in found),
    )


def _read(cell: Cell, store: Store, reader: PerImageReader) -> _Scored | None:
    """None of a number that is no score, or not measured."""
    job = cell.job
    if not isinstance(job, ScoreJob):
        return None
    result, trained = store.result(job), store.result(job.target)
    if result is None or trained is None or not result["values"][cell.value]["num_evaluated"]:
        return None
    accuracy, rate = Rate.read(trained["values"]["test_accuracy"]), Rate.read(result["values"][cell.value])
    return _Scored(job, float(accuracy), rate, reader.of(cell))


def _nearest(runs: Sequence[_Scored], accuracy: float) -> list[tuple[_Scored, float]]:
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


def _verdict(decided: Contrast, found: Sequence[tuple[_Scored, list[tuple[_Scored, float]]]]) -> tuple[ControlVerdict, str]:
    low, high = decided.interval
    if decided.seeds < 2:
        return "undecided", "one seed cannot decide between trained models"
    # A control that is more accurate than the model has too low a rate, one that is less accurate too high a one.
    higher = any(min(run.accuracy for run, _ in chosen) > own.accuracy for own, chosen in found)
    lower = any(max(run.accuracy for run, _ in chosen) < own.accuracy for own, chosen in found)
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
