"""What a report shows: each exhibit once for every scale and data set that it was asked for on."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from torch import Tensor

from defective.errors import InputError
from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.files import read_tensors
from defective.paper import EXHIBITS, SCALES
from defective.results.documents import ExhibitResult
from defective.results.from_store import best_documents
from defective.specs import Job

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Section:
    """One exhibit as one plan has it, and what was measured.

    ``name`` is what its files and its anchor on the page are called: the exhibit, with scale and data where it is shown more than once.
    """

    name: str
    plan: Plan
    result: ExhibitResult


@dataclass
class ResultReader:
    """Reads files of finished jobs of a store; ``skipped`` has one line for each corrupt one, which says what to do about it."""

    store: Store
    skipped: list[str] = field(default_factory=list)

    def tensors(self, job: Job, name: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """A file of a finished job; None if it is not there, as in a store copied without its images, or corrupt."""
        file = self.store.at(job) / name
        return self.read(job.name, partial(read_tensors, file)) if file.is_file() else None

    def read(self, name: str, how: Callable[[], _Read]) -> _Read | None:
        """What a function reads of a finished job; None, and a line in ``skipped``, if it is corrupt."""
        try:
            return how()
        except InputError as error:
            away = self.store.folder / "jobs" / name
            what = str(error).partition(": move ")[0]
            line = f"{what}: left out of the report. With {away} moved away, defective reproduce makes it again"
            self.skipped += [line] if line not in self.skipped else []
            return None


def sections(planned: list[Plan], store: Store) -> list[Section]:
    """In the paper's order, the largest scale first; of similar plans see :func:`~defective.results.from_store.best_plans`."""
    found = sorted(best_documents(planned, store), key=lambda each: _order(each[0]))
    times = Counter(result.exhibit for result, _ in found)
    names = [_name(result, several=times[result.exhibit] > 1) for result, _ in found]
    # What is replaced in names may be all that tells them apart.
    numbered = [f"{name}-{number}" if (number := names[:at].count(name) + 1) > 1 else name for at, name in enumerate(names)]
    return [Section(name, plan, result) for name, (result, plan) in zip(numbered, found, strict=True)]


def _order(result: ExhibitResult) -> tuple[int, int, str]:
    return list(EXHIBITS).index(result.exhibit), -list(SCALES).index(result.scale), "-".join(result.data.values())


def _name(result: ExhibitResult, *, several: bool) -> str:
    name = "-".join((result.exhibit, result.scale, *result.data.values())) if several else result.exhibit
    # Names of data sets may hold anything, names of files and of anchors must not.
    return re.sub(r"[^\w.-]+", "-", name)
