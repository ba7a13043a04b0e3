"""Is a defective model more robust than a plain one of equal accuracy? Each number against the plain model's nearest checkpoints."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import chain
from typing import NamedTuple

from defective.experiments.store import Store
from defective.paper import Cell
from defective.paper.controls import controls
from defective.results.documents import Checkpoint, Control, ControlVerdict, Difference
from defective.results.per_image import per_image, rate_term
from defective.specs import ScoreJob
from defective.statistics import Contrast, Rate, SeedVariance, Term, contrast, seed_variance


class _Scored(NamedTuple):
    """A model on an adversarial set: its test accuracy and its rate."""

    job: ScoreJob
    test: Term
    robust: Term


# Checkpoints of a plain model, with their shares in the interpolated rate.
_Interpolated = Sequence[tuple[_Scored, float]]


class _Compared(NamedTuple):
    """A defective model with the plain checkpoints beside it: one pair for each measured seed, and the difference of their rates."""

    pairs: Sequence[tuple[_Scored, _Interpolated]]
    terms: Sequence[Term]
    # What these checkpoints are: cells that share them are attacked alike.
    checkpoints: Hashable


def exhibit_controls(cells: Mapping[tuple[str, str], Sequence[Cell]], store: Store) -> dict[tuple[str, str], Control]:
    """The control of each number that has one and is measured, by row and column; ``cells`` are one for each seed.

    Training moves each difference between a model and its control. How far is pooled over the models that share the checkpoints: those
    of one architecture, attacked with the same images.
    """
    scored = cache(partial(_read, store=store))
    found = {key: compared for key, of_seeds in cells.items() if (compared := _compared(of_seeds, scored))}
    alike: dict[Hashable, dict[Hashable, Sequence[Term]]] = {}
    for compared in found.values():
        # A model that has two rows counts once.
        alike.setdefault(compared.checkpoints, {})[compared.terms[0].model] = compared.terms
    variance = {checkpoints: seed_variance(chain(*of_models.values())) for checkpoints, of_models in alike.items()}
    return {key: _control(compared, variance[compared.checkpoints]) for key, compared in found.items()}


def _compared(cells: Sequence[Cell], scored: Callable[[Cell], _Scored | None]) -> _Compared | None:
    pairs: list[tuple[_Scored, _Interpolated]] = []
    terms: list[Term] = []
    others = [[Cell(job, cell.value) for job in controls(cell, seed)] for seed, cell in enumerate(cells)]
    for seed, cell in enumerate(cells):
        runs = [run for run in map(scored, others[seed]) if run is not None]
        if runs and (own := scored(cell)) is not None:
            pairs.append((own, _nearest(runs, own.test.mean)))
            terms += _terms(*pairs[-1], cells[0].job.name, seed)
    return _Compared(pairs, terms, tuple(chain(*others))) if pairs else None


def _control(compared: _Compared, variance: SeedVariance | None) -> Control:
    decided = contrast(compared.terms, variance)
    verdict, reason = _verdict(decided, compared.pairs)
    # Its limits are those of all terms, the accuracies among them.
    low, high = (min(100.0, max(-100.0, bound)) for bound in decided.interval)
    seeds = len(compared.pairs)
    return Control(
        accuracy=sum(100 * own.test.mean for own, _ in compared.pairs) / seeds,
        rate=sum(100 * own.robust.mean for own, _ in compared.pairs) / seeds - decided.estimate,
        difference=Difference(mean=decided.estimate, low=low, high=high),
        verdict=verdict,
        reason=reason,
        checkpoints=tuple(tuple(_checkpoint(run, share) for run, share in chosen) for _, chosen in compared.pairs),
    )


def _terms(own: _Scored, chosen: _Interpolated, model: str, seed: int) -> list[Term]:
    """The difference between a model's rate and the interpolated one, in points, as far as it depends on each measured share.

    The accuracies are measured too. By the delta method they enter with the slope between the checkpoints; their sum is 0.
    """
    weighted = [(100.0, own.robust), *((-100 * share, run.robust) for run, share in chosen)]
    if len(chosen) == 2:
        (low, _), (high, _) = chosen
        slope = (high.robust.mean - low.robust.mean) / (high.test.mean - low.test.mean)
        weighted += [(-100 * slope, own.test), *((100 * slope * share, run.test) for run, share in chosen)]
    return [replace(term, weight=weight, model=model, seed=seed) for weight, term in weighted]


def _read(cell: Cell, store: Store) -> _Scored | None:
    """None of a number that is no score, or not measured."""
    job = cell.job
    if not isinstance(job, ScoreJob):
        return None
    result, trained = store.result(job), store.result(job.target)
    if result is None or trained is None or not result["values"][cell.value]["num_evaluated"]:
        return None
    test, robust = (
        rate_term(1, "", 0, Rate.read(found["values"][of.value]), per_image(of, store))
        for found, of in ((trained, Cell(job.target, "test_accuracy")), (result, cell))
    )
    return _Scored(job, test, robust)


def _nearest(runs: Sequence[_Scored], accuracy: float) -> _Interpolated:
    """The runs nearest in accuracy from below and from above, with their shares in the linear interpolation; one if none lies beyond.

    Of several runs of one accuracy the last counts, which was trained longest.
    """
    by_accuracy = {run.test.mean: run for run in runs}
    low = max((each for each in by_accuracy if each <= accuracy), default=min(by_accuracy))
    high = min((each for each in by_accuracy if each >= accuracy), default=max(by_accuracy))
    if low == high:
        return [(by_accuracy[low], 1.0)]
    share = (accuracy - low) / (high - low)
    return [(by_accuracy[low], 1 - share), (by_accuracy[high], share)]


def _verdict(decided: Contrast, found: Sequence[tuple[_Scored, _Interpolated]]) -> tuple[ControlVerdict, str]:
    low, high = decided.interval
    if decided.seeds < 2:
        return "undecided", "one seed decides nothing"
    # A control that is more accurate than the model has too low a rate, one that is less accurate too high a one.
    higher = any(min(run.test.mean for run, _ in chosen) > own.test.mean for own, chosen in found)
    lower = any(max(run.test.mean for run, _ in chosen) < own.test.mean for own, chosen in found)
    if low > 0:
        return ("undecided", "no checkpoint of the plain model is as inaccurate") if higher else ("yes", "")
    if high < 0:
        return ("undecided", "no checkpoint of the plain model is as accurate") if lower else ("no", "")
    return "undecided", "the interval holds 0"


def _checkpoint(run: _Scored, share: float) -> Checkpoint:
    return Checkpoint(
        epochs=run.job.target.recipe.trained_epochs,
        accuracy=100 * run.test.mean,
        rate=100 * run.robust.mean,
        share=share,
        jobs=(run.job.target.name, run.job.name),
    )
