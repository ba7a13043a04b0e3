"""From exhibits to jobs: what has to be done, each thing once, in an order in which it can be done."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from defective.data.official import SIZES
from defective.errors import InputError
from defective.experiments.schema import Name, format_error
from defective.paper import SCALES, Cell, Exhibit, Setup, exhibits
from defective.paper.controls import controls
from defective.specs import Job, ScoreJob, dependencies
from defective.text import choices
from defective.training.recipes import recipe_for

_Size = Annotated[int, Field(ge=1, le=1 << 16)]
# Times that a plan may ask for each model: far more than anybody trains, and few enough to list its jobs.
MAX_SEEDS = 1000


@dataclass(frozen=True)
class Plan:
    """Some exhibits at one scale, on data sets by kind, for some seeds.

    Attributes:
        exhibits: Their names.
        scale: ``"tiny"``, ``"small"``, ``"fast"`` or ``"paper"``.
        data: Kind of data set to the name of the set used for it, such as ``{"cifar10": "cifar10-jpeg"}``.
        shapes: Kind of data set to ``(C, H, W)`` of that set's images.
        readers: Kind of data set to the kind as which its files are read: another than itself where a substitute set is used.
        seeds: Times that every model is trained, each time with other seeds.
        sizes: Kind of data set to the number of training and of test images of that set; default those of the official one. Only
            estimates ask.
        rows: Shell patterns. Only what is printed in rows whose name or label matches one has jobs; of no pattern, everything, numbers
            for claims alone among it. A store does not keep them: a report shows whole exhibits, as far as they are measured.

    Raises:
        InputError: If an exhibit or scale is unknown, an exhibit's kind of data is not in ``data``, or a set has no shape.

    Example:
        >>> plan = Plan(("table4",), "tiny", {"cifar10": "cifar10"}, {"cifar10": (3, 32, 32)})
        >>> len(plan.jobs), plan.jobs[0].kind
        (115, 'train')
    """

    exhibits: tuple[str, ...]
    scale: str
    data: dict[Name, Name]
    shapes: dict[Name, tuple[_Size, _Size, _Size]]
    seeds: int = 1
    readers: dict[Name, Name] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict, compare=False)
    rows: tuple[str, ...] = field(default=(), compare=False)
    _cells: dict[str, dict[tuple[str, str], list[Cell]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_scale(self.scale)
        if not 1 <= self.seeds <= MAX_SEEDS:
            raise InputError(f"seeds {self.seeds} must be 1 to {MAX_SEEDS}")
        for exhibit in exhibits(list(self.exhibits)):
            if exhibit.data and exhibit.data not in self.data:
                raise InputError(f"{exhibit.name} needs a data set for {exhibit.data}")
        if missing := sorted(self.data.keys() - self.shapes.keys()):
            raise InputError(f"no image shape for {missing[0]}")

    @cached_property
    def setups(self) -> list[Setup]:
        """One for each seed."""
        recipes = {kind: recipe_for(self.scale, self.data[kind], self.shapes[kind]) for kind in self.data}
        return [Setup(SCALES[self.scale], self.data, recipes, replicate) for replicate in range(self.seeds)]

    def of(self, exhibit: Exhibit) -> dict[tuple[str, str], list[Cell]]:
        """(row, column) of an exhibit to the cells that measure it, one for each seed."""
        if exhibit.name not in self._cells:
            found: dict[tuple[str, str], list[Cell]] = {}
            for setup in self.setups:
                for key, cell in exhibit.cells(setup).items():
                    found.setdefault(key, []).append(cell)
            self._cells[exhibit.name] = found
        return self._cells[exhibit.name]

    def kinds(self, exhibit: Exhibit) -> list[str]:
        """The kinds of data set that an exhibit is measured on, its own first."""
        return [kind for kind in exhibit.kinds if kind in self.data]

    @cached_property
    def jobs(self) -> list[Job]:
        """Every job once, what it needs before it: first all that one seed needs, so that whole tables come early."""
        return self.jobs_of(*exhibits(list(self.exhibits)))

    def jobs_of(self, *of: Exhibit) -> list[Job]:
        """The jobs of some exhibits, or of their chosen rows, what they need included."""
        return topological_order(job for seed in range(self.seeds) for exhibit in of for job in self._of_seed(exhibit, seed))

    def controls_of(self, exhibit: Exhibit) -> list[ScoreJob]:
        """The controls of equal accuracy of the numbers that an exhibit shows."""
        cells = self.of(exhibit)
        return list(dict.fromkeys(job for seed in range(self.seeds) for job in _controls(exhibit, cells, seed)))

    def _of_seed(self, exhibit: Exhibit, seed: int) -> list[Job]:
        """The cells of one exhibit, or of its chosen rows, at one seed; controls of equal accuracy come last."""
        cells = self.of(exhibit)
        if self.rows:
            chosen = {(row, column) for row in exhibit.matching(self.rows) for column in exhibit.columns}
            cells = {key: of_seeds for key, of_seeds in cells.items() if key in chosen}
        own = [of_seeds[seed].job for of_seeds in cells.values() if seed < len(of_seeds)]
        return [*own, *_controls(exhibit, cells, seed)]

    @property
    def images(self) -> dict[str, tuple[int, int, int]]:
        """Name of each data set to ``(C, H, W)`` of its images."""
        return {self.data[kind]: self.shapes[kind] for kind in self.data}

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Name of each data set to its numbers of training and of test images."""
        return {self.data[kind]: self.sizes.get(kind, SIZES[kind]) for kind in self.data}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found: dict[str, Any] = _PLAN.dump_python(self, mode="json", exclude={"sizes", "rows", "_cells"})
        return found


_PLAN = TypeAdapter(Plan)


def _controls(exhibit: Exhibit, cells: Mapping[tuple[str, str], list[Cell]], seed: int) -> list[ScoreJob]:
    shown = (cells.get((row.name, column), []) for row in exhibit.rows for column in exhibit.columns)
    return [job for of_seeds in shown if seed < len(of_seeds) for job in controls(of_seeds[seed], seed)]


def check_scale(scale: str) -> None:
    """Refuse a scale that does not exist."""
    if scale not in SCALES:
        raise InputError(f"no scale {scale!r}{choices(scale, SCALES)}")


def with_rows(found: list[Exhibit], patterns: Sequence[str]) -> list[Exhibit]:
    """Those of some exhibits that have a row which matches one of the patterns; all of them where there are no patterns.

    Raises:
        InputError: If a pattern matches no row.
    """
    for pattern in patterns:
        if not any(exhibit.matching([pattern]) for exhibit in found):
            known = dict.fromkeys(row.name for exhibit in found for row in exhibit.rows)
            raise InputError(
                f"no row matches {pattern!r}{choices(pattern, known) if known else '; these tables and figures have none'}"
            )
    return [exhibit for exhibit in found if exhibit.matching(patterns)] if patterns else found


def plan_key(document: dict[str, Any]) -> str:
    """What the file of a plan is named after."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def read_plan(key: str, document: dict[str, Any]) -> Plan:
    """The plan of this key that :meth:`Plan.as_dict` wrote down.

    Raises:
        ValueError: If it is another one, or none of this version.

    Example:
        >>> plan = Plan(("table4",), "tiny", {"cifar10": "cifar10"}, {"cifar10": (3, 32, 32)})
        >>> read_plan(plan_key(plan.as_dict()), plan.as_dict()) == plan
        True
    """
    try:
        plan: Plan = _PLAN.validate_python(document)
        # What is measured on what, and how, comes from these alone.
        _ = plan.setups
    except (InputError, ValidationError) as error:
        # Without the list of all that there is.
        raise ValueError(format_error(error).partition(";")[0]) from None
    if plan_key(document) != key:
        raise ValueError("it is not the plan that its file is named after")
    return plan


def topological_order(wanted: Iterable[Job]) -> list[Job]:
    """Jobs and what they need, each once, what is needed first.

    Example:
        >>> topological_order([])
        []
    """
    found: dict[Job, None] = {}

    def add(job: Job) -> None:
        if job not in found:
            for needed in dependencies(job):
                add(needed)
            found[job] = None

    for job in wanted:
        add(job)
    return list(found)
