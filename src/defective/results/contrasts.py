"""From the cells of exhibits to the contrast that decides a part of a claim."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from typing import NamedTuple

import numpy as np

from defective.paper.claims import Block, Part
from defective.results.documents import CellResult, ExhibitResult, Measured
from defective.results.per_image import PerImage, rate_term
from defective.statistics import UNKNOWN, Contrast, Rate, Term, contrast, seed_variance


@dataclass(frozen=True, eq=False)
class Evidence:
    """An exhibit with its numbers, and what is behind them: (row, column, seed) to per-image results, None where there are none."""

    document: ExhibitResult
    per_image: Callable[[str, str, int], PerImage | None] = lambda row, column, seed: None


class WeightedCell(NamedTuple):
    """A measured cell in a weighted sum."""

    evidence: Evidence
    cell: CellResult
    measured: Measured
    weight: float


# A block of a claim whose cells are all measured.
Comparison = tuple[WeightedCell, ...]


class MeasuredPart(NamedTuple):
    """A part of a claim, and what is measured of it on a data set."""

    part: Part
    about: str
    # Blocks that are measured; tables share some, and of equal ones one is compared.
    num_measured: int
    comparisons: list[Comparison]
    contrast: Contrast


def measure(part: Part, known: dict[str, list[Evidence]]) -> list[MeasuredPart]:
    """What is measured of a part, in the exhibits that are known by name, on each data set by itself."""
    blocks = [list(_on_each_data_set(block, known)) for block in part.blocks]
    sets = list(dict.fromkeys(_data(cells) for block in blocks for cells in block))
    if not sets:
        return [MeasuredPart(part, part.about, 0, [], Contrast(math.nan, (UNKNOWN,), 0))]
    on_each = {name: [[cells for cells in block if _data(cells) == name] for block in blocks] for name in sets}
    return [_measured_part(part, ", ".join(filter(None, [part.about, name * (len(sets) > 1)])), on_each[name]) for name in sets]


def _measured_part(part: Part, about: str, blocks: list[list[Comparison]]) -> MeasuredPart:
    """The mean of as many blocks as share a seed, or two of them where at least half of the blocks do."""
    blocks = _sharing(blocks, len(part.blocks))
    different: dict[object, Comparison] = {}
    # Tables share jobs: Table 4 prints some numbers of Table 11, and Tables 11-15 have the same test accuracies. The copies of the table
    # with more rows count, in which all models have the column.
    for cells in sorted(chain.from_iterable(blocks), key=lambda cells: -len(cells[0].evidence.document.rows)):
        numbers: object = tuple((each.cell.jobs, each.measured.counts, each.weight) for each in cells)
        known = different.get(numbers, cells)
        if known[0].evidence is cells[0].evidence and _places(known) != _places(cells):
            # Two numbers of one job that happen to be equal.
            numbers = (numbers, _places(cells))
        different.setdefault(numbers, cells)
    comparisons = list(different.values())
    return MeasuredPart(part, about, sum(map(bool, blocks)), comparisons, _mean_contrast(comparisons))


def _sharing(blocks: list[list[Comparison]], planned: int) -> list[list[Comparison]]:
    """The comparisons of each block that have the seeds in common which most have."""
    having = Counter(seed for block in blocks for cells in block for seed in _common_seeds(cells))
    seeds: set[int] = set()
    for seed, _ in having.most_common(2):
        kept = [[cells for cells in block if seeds | {seed} <= {*_common_seeds(cells)}] for block in blocks]
        if not seeds or 2 * sum(map(bool, kept)) >= planned:
            blocks, seeds = kept, seeds | {seed}
    return blocks


def _places(cells: Comparison) -> tuple[tuple[str, str], ...]:
    return tuple((each.cell.row.removesuffix(" again"), each.cell.column) for each in cells)


def _data(cells: Comparison) -> str:
    """Names of the data sets that a comparison is measured on."""
    return " and ".join(dict.fromkeys(name for each in cells for name in each.evidence.document.data.values()))


def _mean_contrast(measured: Sequence[Comparison]) -> Contrast:
    """The mean of comparisons, in points; of scores that of their logarithms.

    The rates of two models in the same columns are both moved by the source, which is trained anew with each seed: their variance is pooled
    over all models of the exhibits. Two groups of models count as two models, as if training moved all of a group alike. Of any other
    sum, and of scores, the values seed by seed tell how far training moves it, of sources as of targets.
    """
    cells = _mean(measured)
    seeds = _common_seeds(cells)
    terms = [_term(each, seed) for each, seed in product(cells, seeds)]
    known = [term for term in terms if term is not None]
    scores = cells[0].evidence.document.unit != "%"
    if scores and len(known) < len(terms):
        # A median alone does not tell how uncertain its logarithm is.
        logs = math.fsum(each.weight * math.log(each.measured.mean) for each in cells)
        return Contrast(logs, (UNKNOWN,), len(seeds))
    if scores:
        # Scores are compared on the images that all models have; each seed draws images of its own.
        common = {seed: np.logical_and.reduce([term.eligible for term in known if term.seed == seed]) for seed in seeds}
        known = [replace(term, eligible=common[term.seed]) for term in known]
    elif sides := _sides(cells):
        groups = [replace(term, model=sides[each.cell.row]) for (each, _), term in zip(product(cells, seeds), known, strict=True)]
        return contrast(groups, seed_variance(_terms_of_all_rows(cells)))
    whole = [replace(term, model="") for term in known]
    return contrast(whole, seed_variance(whole))


def _sides(cells: Sequence[WeightedCell]) -> dict[str, bool]:
    """Row to whether it is added or subtracted, where rows are compared in the same columns, weighted alike; else nothing."""
    rows: dict[str, dict[tuple[Evidence, str], float]] = defaultdict(dict)
    for each in cells:
        rows[each.cell.row][each.evidence, each.cell.column] = each.weight
    first = next(iter(rows.values()))
    largest = max(first, key=lambda each: abs(first[each]))
    factors = {row: weights.get(largest, 0.0) / first[largest] for row, weights in rows.items()}
    alike = all(
        weights.keys() == first.keys() and all(math.isclose(weights[key], factors[row] * first[key]) for key in first)
        for row, weights in rows.items()
    )
    return {row: factor > 0 for row, factor in factors.items()} if alike and abs(math.fsum(factors.values())) < 1e-9 else {}


def _on_each_data_set(block: Block, known: dict[str, list[Evidence]]) -> Iterator[Comparison]:
    names = list(dict.fromkeys(key.exhibit for key, _ in block))
    for chosen in product(*(known.get(name, []) for name in names)):
        data = [each.document.data for each in chosen]
        if all(data[0].get(kind, name) == name for each in data for kind, name in each.items()):
            of = dict(zip(names, chosen, strict=True))
            cells = _measured((of[key.exhibit], key.row, key.column, weight) for key, weight in block)
            if _common_seeds(cells):
                yield cells


def _measured(cells: Iterable[tuple[Evidence, str, str, float]]) -> Comparison:
    """Cells by exhibit, row and column with their weights; none unless all are measured."""
    found = []
    for evidence, row, column, weight in cells:
        cell = evidence.document.by_key.get((row, column))
        if cell is None or cell.measured is None:
            return ()
        found.append(WeightedCell(evidence, cell, cell.measured, weight))
    return tuple(found)


def _mean(measured: Sequence[Comparison]) -> list[WeightedCell]:
    """Each cell of the comparisons once, with its weight in their mean; cells that cancel are left out."""
    found: dict[tuple[Evidence, str, str], WeightedCell] = {}
    for each in chain.from_iterable(measured):
        key = each.evidence, each.cell.row, each.cell.column
        before = found[key].weight if key in found else 0.0
        found[key] = each._replace(weight=before + each.weight / len(measured))
    return [each for each in found.values() if abs(each.weight) > 1e-12]


def _common_seeds(cells: Iterable[WeightedCell]) -> list[int]:
    seeds = [set(each.measured.by_seed) for each in cells]
    return sorted(set.intersection(*seeds)) if seeds else []


def _terms_of_all_rows(cells: Sequence[WeightedCell]) -> list[Term]:
    """One row's sum over columns for every model in the exhibits, at all its seeds: they tell how far training moves it."""
    weights = {(each.evidence, each.cell.column): each.weight for each in cells if each.cell.row == cells[0].cell.row}
    terms: list[Term | None] = []
    for row in dict.fromkeys(row.name for evidence, _ in weights for row in evidence.document.rows):
        same = _measured((evidence, row, column, weight) for (evidence, column), weight in weights.items())
        terms += [_term(each, seed) for each, seed in product(same, _common_seeds(same))]
    return [term for term in terms if term is not None]


def _term(weighted: WeightedCell, seed: int) -> Term | None:
    """A cell at one seed; in points, where it is a share. None of a score without per-image results."""
    document, cell = weighted.evidence.document, weighted.cell
    row = cell.row.removesuffix(" again")
    model = (*document.data.values(), row)
    weight = weighted.weight * (100 if document.unit == "%" else 1)
    found = weighted.evidence.per_image(cell.row, cell.column, seed)
    if document.unit != "%":
        return None if found is None else Term(weight, model, seed, *found)
    count = weighted.measured.by_seed[seed]
    return rate_term(weight, model, seed, Rate.of(count.num_correct or 0, count.num_evaluated), found)
