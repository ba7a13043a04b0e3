"""Numbers as text: how pages, Markdown and LaTeX print what documents hold in full precision."""

import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from defective.data.download import REMOTES
from defective.results.measured import Document

DASH = "–"
# All is done, and no image qualified: none fooled the source, or the net was right on none.
NOTHING = "no images"
_MINUS = "−"


def missing(cell: Document) -> str:
    """What stands where a cell has no measured number: a dash before it is measured, words where no image could be counted.

    Example:
        >>> missing({"jobs": []}), missing({"jobs": ["score-0123456789abcdef"]})
        ('–', 'no images')
    """
    return NOTHING if cell.get("jobs") else DASH


def shown(value: float, unit: str, kind: str = "measured") -> str:
    """One number: percent with the two decimals that the paper prints, one where measured; scores with two digits.

    Args:
        value: The number, in the unit.
        unit: ``"%"`` or ``"S(M)"``.
        kind: ``"published"``, ``"measured"`` or ``"difference"``, which carries its sign.

    Example:
        >>> shown(51.294, "%", "published"), shown(51.294, "%"), shown(-3.96, "%", "difference"), shown(3.512e-05, "S(M)")
        ('51.29', '51.3', '−4.0', '3.5e-05')
    """
    if math.isinf(value):
        return "∞" if value > 0 else f"{_MINUS}∞"
    sign = "+" if kind == "difference" else ""
    text = f"{value:{sign}.1e}" if unit != "%" else f"{value:{sign}.{2 if kind == 'published' else 1}f}"
    if float(text) == 0:
        # A sign before nothing would tell of a difference that is not shown.
        text = text.lstrip("+-")
    # The minus of an exponent stays as it is: such text is read by programs too.
    return re.sub(r"^-", _MINUS, text)


def bounds(number: Mapping[str, float], unit: str, kind: str = "measured") -> str:
    """The interval of a number.

    Example:
        >>> bounds({"low": 40.24, "high": 50}, "%"), bounds({"low": -1, "high": 2.5}, "%", "difference")
        ('40.2–50.0', '−1.0 to +2.5')
    """
    low, high = (shown(number[end], unit, kind) for end in ("low", "high"))
    return f"{low} to {high}" if kind == "difference" else f"{low}{DASH}{high}"


def kinds(document: Document) -> list[str]:
    """What stands beside each other in a document's table: no published numbers where the paper prints none.

    Example:
        >>> kinds({"cells": [{"published": None}]})
        ['measured']
    """
    printed = any(cell["published"] is not None for cell in document["cells"])
    return ["published", "measured", "difference"] if printed else ["measured"]


def cells_by_place(document: Document) -> dict[tuple[str, str], Document]:
    """(row name, column) to the document's cell."""
    return {(cell["row"], cell["column"]): cell for cell in document["cells"]}


def heading(exhibit: str) -> str:
    """What the paper calls an exhibit.

    Example:
        >>> heading("table4"), heading("figure11")
        ('Table 4', 'Figure 11')
    """
    return re.sub(r"^([a-z]+)(\d+)$", r"\1 \2", exhibit).capitalize()


def setting(document: Document) -> str:
    """Scale, data and seeds of a document in words.

    Example:
        >>> setting({"scale": "tiny", "data": {"cifar10": "cifar10-jpeg"}, "seeds": 3})
        'tiny scale, cifar10-jpeg in place of cifar10, 3 seeds'
    """
    return ", ".join(
        [f"{document['scale']} scale", *map(partial(_set, document), document["data"]), counted(document["seeds"], "seed")]
    )


def stand_ins(document: Document) -> list[str]:
    """The sets of a document that stand for others, in words.

    Example:
        >>> data = {"cifar10": "cifar10-jpeg", "mnist": "mnist-17k", "tiny-imagenet": "tiny-imagenet", "imagenet": "ILSVRC2012"}
        >>> stand_ins({"data": data, "readers": {"mnist": "mnist", "imagenet": "imagenet"}})
        ['cifar10-jpeg in place of cifar10', 'mnist-17k in place of mnist']
    """
    return [_set(document, kind) for kind, name in document["data"].items() if stands_in(kind, name, _official(document, kind))]


def stands_in(kind: str, name: str, official: bool) -> bool:
    """Is a set another than the paper's, as far as its name and the form of its files tell?

    Official sets are downloaded under their own names. ImageNet alone is read from a folder, whose name says nothing.

    Example:
        >>> stands_in("mnist", "mnist-17k", True), stands_in("imagenet", "ILSVRC2012", True), stands_in("mnist", "mnist", False)
        (True, False, True)
    """
    return not official or (name != kind and kind in REMOTES)


def _set(document: Document, kind: str) -> str:
    """One data set of a document."""
    name = document["data"][kind]
    if not stands_in(kind, name, _official(document, kind)):
        return name if name == kind else f"{kind} called {name}"
    return f"{name if name != kind else f'a folder {name}'} in place of {kind}"


def _official(document: Document, kind: str) -> bool:
    """As :meth:`defective.experiments.plan.Plan.official`."""
    return bool(document.get("readers", {}).get(kind, kind if document["data"][kind] == kind else "folder") == kind)


def some_seeds(cell: Document, document: Document) -> str:
    """How many seeds a measured number is of, where it is not all of them; else empty.

    Example:
        >>> some_seeds({"measured": {"values": [50.0]}}, {"seeds": 3}), some_seeds({"measured": {"values": [50.0]}}, {"seeds": 1})
        ('1 of 3 seeds', '')
    """
    count = len(cell["measured"]["values"])
    return f"{count} of {counted(document['seeds'], 'seed')}" if count != document["seeds"] else ""


def sample(document: Document) -> str:
    """How many images a document's numbers count, test accuracies apart; empty while nothing is measured.

    Example:
        >>> cells = [{"jobs": ["score-a"], "measured": {"counts": [{"hits": 5, "total": total}]}} for total in (691, 2000)]
        >>> sample({"cells": cells, "seeds": 1})
        '691–2,000 images a number'
        >>> cells += [{"jobs": ["train-a"], "measured": {"counts": [{"hits": 5, "total": 10_000}]}}]
        >>> sample({"cells": cells, "seeds": 3})
        '691–2,000 images a number and seed, 10,000 for test accuracies'
    """
    trained: list[int] = []
    other: list[int] = []
    for cell in document["cells"]:
        if cell["measured"] is not None:
            counts = trained if cell["jobs"][0].startswith("train-") else other
            counts += [each.get("total", each.get("images")) for each in cell["measured"]["counts"]]
    if not trained and not other:
        return ""
    words = f"{_range(other or trained)} images a number{' and seed' if document['seeds'] > 1 else ''}"
    return f"{words}, {_range(trained)} for test accuracies" if trained and other else words


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,}{DASH}{high:,}"


def chance_warning(entries: Sequence[Mapping[str, Any]]) -> str:
    """The nets that are no better than chance, in one sentence; empty if there is none.

    Example:
        >>> chance_warning([{"net": "vgg19 (tiny, seed 0) on mnist", "accuracy": 11.35, "chance": 11.35}])
        'No better than chance, so that no comparison with it is decided: vgg19 (tiny, seed 0) on mnist (11.3 % right, chance 11.3 %).'
    """
    named = [f"{each['net']} ({shown(each['accuracy'], '%')} % right, chance {shown(each['chance'], '%')} %)" for each in entries]
    which = "it" if len(named) == 1 else "them"
    return f"No better than chance, so that no comparison with {which} is decided: {_some(named)}." if named else ""


def unequal_warning(entries: Sequence[Mapping[str, Any]]) -> str:
    """The nets that were trained for fewer epochs than what they are compared with, in one sentence; empty if there is none.

    Example:
        >>> print(unequal_warning([{"net": "wrn32_4 (tiny, adversarial, 2 epochs, seed 0)", "epochs": 2, "other": 5}]))
        Trained for fewer epochs than what it is compared with, so that no comparison of the two is decided: \
wrn32_4 (tiny, adversarial, 2 epochs, seed 0) (2 against 5).
    """
    named = [f"{each['net']} ({each['epochs']} against {each['other']})" for each in entries]
    which = "it is" if len(named) == 1 else "they are"
    end = f"compared with, so that no comparison of the two is decided: {_some(named)}."
    return f"Trained for fewer epochs than what {which} {end}" if named else ""


def _some(named: Sequence[str]) -> str:
    more = [f"{len(named) - 3} more"] if len(named) > 3 else []
    return ", ".join([*named[:3], *more])


def counted(count: int, thing: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "seed"), counted(1200, "job")
        ('1 seed', '1,200 jobs')
    """
    return f"{count:,} {thing}{'s' * (count != 1)}"


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    Example:
        >>> duration(4.21), duration(75), duration(7380), duration(200_000)
        ('4.2 s', '1 min 15 s', '2 h 3 min', '2 d 7 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, next_size, next_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {name}" + (f" {rest} {next_name}" if rest else "")
    return f"{whole} s"
