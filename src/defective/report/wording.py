"""Facts about a result in words, as pages, tables and messages state them."""

from collections import Counter
from collections.abc import Iterable, Sequence

from defective.data.download import REMOTES
from defective.experiments.plan import Plan
from defective.paper.protocol import ROUNDED, TRANSFER
from defective.results.documents import AtChance, CellResult, ExhibitResult
from defective.tables import DASH, count, interval, number
from defective.text import shortened


def setting(result: ExhibitResult) -> str:
    """Scale, data and seeds, as ``"tiny scale, cifar10-jpeg in place of cifar10, 3 seeds"``."""
    return ", ".join([f"{result.scale} scale", *(_data_set(result, kind) for kind in result.data), count(result.seeds, "seed")])


def is_official(kind: str, of: Plan | ExhibitResult) -> bool:
    """Whether the set used for a kind is read as its official files."""
    return of.readers.get(kind, kind if of.data[kind] == kind else "folder") == kind


def is_substitute(kind: str, of: Plan | ExhibitResult) -> bool:
    """Whether a data set is another than the paper's, as far as its name and the form of its files tell.

    Official sets are downloaded under their own names. ImageNet alone is read from a folder, whose name says nothing.

    Example:
        >>> from defective.data.official import KINDS
        >>> data = {"mnist": "mnist-17k", "imagenet": "ILSVRC2012"}
        >>> plan = Plan(("figure14",), "tiny", {"cifar10": "cifar10", **data}, KINDS, readers={kind: kind for kind in data})
        >>> [is_substitute(kind, plan) for kind in ("cifar10", "mnist", "imagenet")]
        [False, True, False]
    """
    return not is_official(kind, of) or (of.data[kind] != kind and kind in REMOTES)


def _data_set(result: ExhibitResult, kind: str) -> str:
    name = result.data[kind]
    if not is_substitute(kind, result):
        return name if name == kind else f"{kind} called {name}"
    return f"{name if name != kind else f'a folder {name}'} in place of {kind}"


def some_seeds(cell: CellResult, result: ExhibitResult) -> str:
    """How many seeds a measured number is of, as ``"1 of 3 seeds"``; empty if it is of all."""
    found = len(cell.measured.values) if cell.measured is not None else result.seeds
    return f"{found} of {count(result.seeds, 'seed')}" if found != result.seeds else ""


def sample(result: ExhibitResult) -> str:
    """How many images the numbers are of, test accuracies apart, as ``"691–2,000 images per number"``; empty while none is measured."""
    trained: list[int] = []
    other: list[int] = []
    for cell in result.cells:
        if cell.measured is not None:
            counts = trained if cell.jobs[0].startswith("train-") else other
            counts += [each.num_evaluated for each in cell.measured.counts]
    if not trained and not other:
        return ""
    words = f"{_range(other or trained)} images per number{' and seed' if result.seeds > 1 else ''}"
    return f"{words}, {_range(trained)} for test accuracies" if trained and other else words


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,}{DASH}{high:,}"


def beside(cell: CellResult) -> list[str]:
    """What stands beside a rate: the share of all attacked images, and the plain model of equal accuracy with the verdict."""
    found = [] if cell.all is None else [f"all {number(cell.all.mean)}"]
    if cell.control is not None:
        control, apart = cell.control, cell.control.difference
        accuracies = [each.accuracy for of_seed in control.checkpoints for each in of_seed]
        found += [f"plain {number(control.rate)}", f"at {interval(min(accuracies), max(accuracies))}"]
        found.append(f"{number(apart.mean, signed=True)}: {control.verdict.replace('undecided', '?')}")
        found.append(interval(apart.low, apart.high, signed=True))
    return found


def beside_legend(result: ExhibitResult) -> list[str]:
    """What :func:`beside` means, and how many numbers have which verdict; nothing where no cell has any."""
    found = []
    if any(cell.all is not None for cell in result.cells):
        found.append("all: share of all attacked images.")
    verdicts = Counter(cell.control.verdict for cell in result.cells if cell.control is not None)
    if verdicts:
        found.append(
            "plain: rate of a plain model of the same architecture at the row's accuracy, interpolated between its checkpoints at the "
            "test accuracies named; then how far the row's rate lies above it, with its interval, and whether the row's model is more "
            "robust: yes "
            f"({verdicts['yes']} of {verdicts.total()}), no ({verdicts['no']}) or undecided (?, {verdicts['undecided']})."
        )
    return found


def common_notes(results: Iterable[ExhibitResult]) -> list[str]:
    """Notes on all models and all transfer attacks, as far as these results have them: they stand once, above the first table."""
    given = {note for result in results for note in result.notes}
    return [f"Transfer attacks: {note}" if note == ROUNDED else note for note in TRANSFER if note in given]


def own_notes(result: ExhibitResult) -> list[str]:
    """What must be known of one table or figure beside :func:`common_notes`."""
    return [note for note in result.notes if note not in TRANSFER]


def warnings(at_chance: Sequence[AtChance]) -> list[str]:
    """Which models are no better than chance, as a sentence; none if there is none.

    Example:
        >>> [said] = warnings([AtChance(job="train-0", model="vgg19 on mnist", accuracy=11.35, chance=11.35)])
        >>> said
        'No better than chance, so that no claim about it is decided: vgg19 on mnist (accuracy 11.3 %, chance 11.3 %).'
    """
    if not at_chance:
        return []
    named = [f"{each.model} (accuracy {number(each.accuracy)} %, chance {number(each.chance)} %)" for each in at_chance]
    which = "it" if len(named) == 1 else "them"
    return [f"No better than chance, so that no claim about {which} is decided: {shortened(named)}."]
