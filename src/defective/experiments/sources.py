"""Which data set is used for each kind that the exhibits need: the official one or a substitute."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from defective.data import load_splits
from defective.data.archive import stem
from defective.data.official import KINDS, SIZES
from defective.errors import InputError
from defective.paper import Exhibit
from defective.text import choices, shortened


def data_sets(given: Sequence[str], wanted: Sequence[Exhibit], *, planned: bool = False) -> dict[str, str]:
    """Kind of data set to where it is read from.

    Args:
        given: ``D`` or ``KIND=D`` each, ``D`` as :func:`defective.data.load_data` takes it. ``mnist:PATH`` and the like are
            used for their kind; ``folder:PATH`` and ``shapes`` for every other kind that the exhibits need.
        wanted: The exhibits; kinds of theirs that are not given are the official sets.
        planned: Nothing is to be read, so that ImageNet, which cannot be downloaded, may be nowhere.

    Raises:
        InputError: If a kind is unknown, named twice or not asked for, or is ImageNet and nowhere given; if two sets have one name.

    Example:
        >>> from defective.paper import EXHIBITS
        >>> data_sets(["folder:pictures"], [EXHIBITS["table4"]])
        {'cifar10': 'folder:pictures'}
    """
    kinds = list(dict.fromkeys(exhibit.data for exhibit in wanted if exhibit.data))
    found: dict[str, str] = {}
    for text in given:
        kind, where = _kind(text)
        _check_asked_for(text, kind, where, wanted)
        if kind in found:
            raise InputError(f"--data {text}: {kind or 'what is not named'} is already {found[kind]}")
        found[kind] = where
    rest = found.pop("", "")
    for kind in kinds:
        if kind not in found:
            if kind == "imagenet" and not rest and not planned:
                names = ", ".join(exhibit.name for exhibit in wanted if exhibit.data == kind)
                raise InputError(
                    f"{names}: name ImageNet's folder, --data imagenet:PATH, or a substitute, --data imagenet=tiny-imagenet"
                )
            found[kind] = rest or kind
    by_name: dict[str, str] = {}
    for where in found.values():
        other = by_name.setdefault(data_name(where), where)
        if read_as(other) != read_as(where):
            raise InputError(f"{other} and {where} would both be called {data_name(where)}: rename one of them")
    return found


def inspect_data(where: str) -> tuple[tuple[int, int, int], tuple[int, int]]:
    """Shape ``(C, H, W)`` of a set's images, and its numbers of training and of test images, for a plan that is not run.

    Nothing is downloaded: of the official sets all this is known.

    Example:
        >>> inspect_data("cifar10")
        ((3, 32, 32), (50000, 10000))
    """
    if where in KINDS:
        return KINDS[where], SIZES[where]
    splits = load_splits(where)
    if "train" not in splits:
        raise InputError(f"{where} has no train/: it can be evaluated on, not trained on")
    return splits["test"].image_shape, (len(splits["train"]), len(splits["test"]))


def _kind(text: str) -> tuple[str, str]:
    """The kind that a set is used for, empty if none is named, and where it is."""
    if not text.strip():
        raise InputError(f"--data {text!r} names no data set: leave it out for the paper's own")
    kind, sign, where = text.partition("=")
    # A path may hold the sign too.
    if sign and kind in KINDS:
        return kind, where
    name = text.partition(":")[0]
    if name in KINDS:
        return name, text
    if sign and ":" not in kind:
        raise InputError(f"--data {text}: no kind {kind!r}{choices(kind, KINDS)}")
    return "", text


def _check_asked_for(text: str, kind: str, where: str, wanted: Sequence[Exhibit]) -> None:
    """Refuse a set of a kind that none of the exhibits is measured on."""
    asked = list(dict.fromkeys(each for exhibit in wanted for each in exhibit.kinds))
    if not kind or kind in asked:
        return
    names = shortened([exhibit.name for exhibit in wanted])
    if not asked:
        raise InputError(f"--data {text}: {names} need{'s' * (len(wanted) == 1)} no data set: leave it out")
    of = f"{'is' if len(wanted) == 1 else 'are'} measured on {' and '.join(asked)}, not on {kind}"
    raise InputError(f"--data {text}: {names} {of}: write --data {asked[0]}={where} to use it as a substitute")


def data_name(where: str) -> str:
    """Name of a data set in results, before it is read.

    Example:
        >>> data_name("cifar10"), data_name("folder:pictures/cifar10-jpeg.tar.xz")
        ('cifar10', 'cifar10-jpeg')
    """
    kind, path = read_as(where)
    return stem(path) if path else kind


def read_as(where: str) -> tuple[str, Path | None]:
    """How a data set is read, and its path if it has one."""
    kind, _, path = where.partition(":")
    resolved = Path(path)
    # The home of a user nobody knows stays as it is written.
    with suppress(RuntimeError):
        resolved = resolved.expanduser()
    # Unlike Path.resolve it does not fail on a link to itself.
    return kind, Path(os.path.realpath(resolved)) if path else None
