"""Typed results of an exhibit. Their dump is the JSON that is stored and that ``--json`` prints."""

import math
import re
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from defective.paper.claims import Verdict
from defective.paper.setup import SCALES


def _finite(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None


_null = PlainSerializer(_finite, return_type=float | None, when_used="json")
# A bound of an interval. JSON knows no infinity: null is a bound that lies nowhere.
Low = Annotated[float, BeforeValidator(lambda found: -math.inf if found is None else found), _null]
High = Annotated[float, BeforeValidator(lambda found: math.inf if found is None else found), _null]
# (row, column) of the same exhibit, or (exhibit, row, column).
Reference = tuple[str, str] | tuple[str, str, str]
Kind = Literal["published", "measured", "difference"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return self.model_dump(mode="json")


class RowLabel(_Document):
    """A row of an exhibit and how the paper prints it."""

    name: str
    label: str


class Count(_Document):
    """How many images a number is of; for a share, how many of them were classified correctly."""

    num_evaluated: int
    num_correct: int | None = None


class Measured(_Document):
    """What a cell holds: the mean over the seeds with its 95 % interval, and value, interval and count of each seed."""

    mean: float
    low: Low
    high: High
    values: tuple[float, ...]
    intervals: tuple[tuple[Low, High], ...]
    counts: tuple[Count, ...]


class Difference(_Document):
    """A difference with its 95 % interval."""

    mean: float
    low: Low
    high: High

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return not self.low <= 0 <= self.high


class CellResult(_Document):
    """One number of an exhibit.

    Attributes:
        row, column: Where it stands.
        published: In the paper; None if it prints none.
        measured: None while no seed is measured, or if no image could be counted.
        difference: Measured minus published, where there are both.
        jobs: Names of the finished jobs behind it, one for each seed.
    """

    row: str
    column: str
    published: float | None
    measured: Measured | None
    difference: Difference | None
    jobs: tuple[str, ...]


class AtChance(_Document):
    """A trained model that is no better than always predicting the largest class; both shares are in %."""

    job: str
    model: str
    accuracy: float
    chance: float


class TrainingMismatch(_Document):
    """A model that was trained for fewer epochs than what it is compared with."""

    job: str
    model: str
    epochs: int
    other_epochs: int


class ComparisonResult(_Document):
    """One comparison of a claim: ``left`` lies above ``right``, or ``within`` so much of it.

    Attributes:
        difference: Left minus right; None while one of them is not measured.
        verdict: In the measured numbers.
        published_verdict: In the published numbers, taken as exact.
    """

    left: Reference
    right: Reference | float
    within: float | None
    difference: Difference | None
    verdict: Verdict
    published_verdict: Verdict


class Verdicts(_Document):
    """The verdict of a claim, and how many of its comparisons have each verdict."""

    verdict: Verdict
    counts: dict[Verdict, int]


class ClaimResult(_Document):
    """A sentence of the paper with its verdict.

    Attributes:
        section: Where the paper says it.
        verdict, counts: As in :class:`Verdicts`, in the measured numbers.
        published: The verdict in the published numbers.
        at_chance, training_mismatch: Models because of which comparisons are undecided.
    """

    text: str
    section: str
    verdict: Verdict
    counts: dict[Verdict, int]
    at_chance: tuple[AtChance, ...]
    training_mismatch: tuple[TrainingMismatch, ...]
    published: Verdicts
    comparisons: tuple[ComparisonResult, ...]


class JobRecord(_Document):
    """A finished job: what it was, how long it took, where and when."""

    description: str
    seconds: float
    machine: dict[str, str]
    device_type: str
    finished: str


class ExhibitResult(_Document):
    """All that is known of one table or figure at one scale.

    Attributes:
        exhibit, title, caption, section, unit, view, columns, rows, notes: As in :class:`defective.paper.Exhibit`.
        scale: Scale of the experiments.
        data: Kind of data set to the name of the set that was used.
        readers: Kind of data set to the kind as which its files were read.
        seeds: Seeds asked for.
        cells: Row by row.
        at_chance: Models behind the numbers that are no better than chance.
        claims: The paper's sentences about these numbers.
        jobs: The finished jobs behind the numbers, by name.
    """

    exhibit: str
    title: str
    caption: str
    section: str
    unit: Literal["%", "S(M)"]
    view: str
    columns: tuple[str, ...]
    rows: tuple[RowLabel, ...]
    notes: tuple[str, ...]
    scale: str
    data: dict[str, str]
    readers: dict[str, str]
    seeds: int = Field(ge=1)
    cells: tuple[CellResult, ...]
    at_chance: tuple[AtChance, ...]
    claims: tuple[ClaimResult, ...]
    jobs: dict[str, JobRecord]

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The result that a file holds.

        Raises:
            pydantic.ValidationError: If it holds anything else.
        """
        return cls.model_validate_json(text)

    @property
    def heading(self) -> str:
        """What the paper calls it, such as ``"Table 4"``."""
        return heading(self.exhibit)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What stands beside each other in its table: no published numbers where the paper prints none."""
        printed = any(cell.published is not None for cell in self.cells)
        return ("published", "measured", "difference") if printed else ("measured",)

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], CellResult]:
        return {(cell.row, cell.column): cell for cell in self.cells}

    def cell(self, row: str, column: str) -> CellResult:
        """The cell of a row, by name, and a column."""
        return self._by_place[row, column]

    def column_label(self, column: str) -> str:
        """What stands above a column."""
        return SCALES[self.scale].column_label(column) if self.scale in SCALES else column

    def label(self, row: str) -> str:
        """The label of a row."""
        return next(each.label for each in self.rows if each.name == row)


def heading(exhibit: str) -> str:
    """What the paper calls an exhibit.

    Example:
        >>> heading("table4"), heading("figure11")
        ('Table 4', 'Figure 11')
    """
    return re.sub(r"^([a-z]+)(\d+)$", r"\1 \2", exhibit).capitalize()
