"""Typed results of an exhibit. Their dump is the JSON that is stored and that ``--json`` prints."""

import math
import re
from functools import cached_property
from typing import Literal

from pydantic import Field

from defective.paper.claims import Kind as ClaimKind
from defective.paper.claims import Verdict
from defective.paper.setup import SCALES
from defective.specs import Document, High, Low

ControlVerdict = Literal["yes", "no", "undecided"]
Kind = Literal["published", "measured", "difference"]


class RowLabel(Document):
    """A row of an exhibit and how the paper prints it."""

    name: str
    label: str


class ImageCounts(Document):
    """How many images a number is of; for a share, how many of them were classified correctly."""

    num_evaluated: int
    num_correct: int | None = None


class Measured(Document):
    """What a cell holds: the mean over the seeds with its 95 % interval, and value, interval, count and number of each seed.

    Several seeds: the interval covers the images and training again, which are added.
    """

    mean: float
    low: Low
    high: High
    values: tuple[float, ...]
    intervals: tuple[tuple[Low, High], ...]
    counts: tuple[ImageCounts, ...]
    seeds: tuple[int, ...]

    @property
    def by_seed(self) -> dict[int, ImageCounts]:
        """The count of each seed."""
        return dict(zip(self.seeds, self.counts, strict=True))


class Difference(Document):
    """A difference with its 95 % interval."""

    mean: float
    low: Low
    high: High

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return not self.low <= 0 <= self.high


class Checkpoint(Document):
    """A checkpoint of a plain model on an adversarial set: epochs it was trained for, test accuracy and rate in %, its share in the
    interpolated rate, names of its training and of its score.
    """

    epochs: int
    accuracy: float
    rate: float
    share: float
    jobs: tuple[str, str]


class Control(Document):
    """A plain model of the same architecture, trained as long as it takes to be as accurate as a defective one.

    Attributes:
        accuracy: Test accuracy of the defective model in %, the mean over the seeds.
        rate: Rate of the plain model at that accuracy in %, between its nearest checkpoints, the mean over the seeds.
        difference: The defective model's rate minus that.
        verdict: Whether the defective model is more robust than an equally accurate plain model.
        reason: Why that is undecided; else empty.
        checkpoints: For each seed the checkpoints nearest in accuracy, one or two.
    """

    accuracy: float
    rate: float
    difference: Difference
    verdict: ControlVerdict
    reason: str
    checkpoints: tuple[tuple[Checkpoint, ...], ...]


class CellResult(Document):
    """One number of an exhibit.

    Attributes:
        row, column: Where it stands.
        published: In the paper; None if it prints none.
        measured: None while no seed is measured, or if no image could be counted.
        difference: Measured minus published, where there are both.
        jobs: Names of the finished jobs behind it, one for each seed.
        all: Of a rate that leaves attacked images out, the share of all of them.
        control: Of the rate of a defective model, that of a plain model of equal accuracy.
        at_chance: Models behind it that are no better than chance.
        epochs: For how many the model was trained that it is about; None if it is about no one model.
    """

    row: str
    column: str
    published: float | None
    measured: Measured | None
    difference: Difference | None
    jobs: tuple[str, ...]
    all: Measured | None = None
    control: Control | None = None
    at_chance: tuple[str, ...] = ()
    epochs: int | None = None


class AtChance(Document):
    """A trained model that is no better than always predicting the largest class; both shares are in %."""

    job: str
    model: str
    accuracy: float
    chance: float


class ContrastResult(Document):
    """What decides a part of a claim: a weighted sum of numbers, in points, or of logarithms of scores.

    Attributes:
        about: Which part it is, and of several data sets on which; empty if it is the only one.
        bound: What the sum lies above, if the claim holds; 0 for most.
        comparisons: Comparisons, or trends, of which it is the mean.
        measured: How many of them are measured; tables share some, which count once in the mean.
        unit: As in :class:`ExhibitResult`.
        level: Whether it is a share itself, no difference of shares.
        estimate, low, high: The sum with its 95 % interval.
        seeds: How often the model was trained that was trained least; 0 if nothing is measured.
        published: The same sum of the printed numbers.
    """

    about: str
    bound: float
    comparisons: int
    measured: int
    unit: Literal["%", "S(M)"] = "%"
    level: bool = False
    estimate: float | None = None
    low: Low = -math.inf
    high: High = math.inf
    seeds: int = 0
    published: float | None


class ClaimResult(Document):
    """A sentence of the paper, or an observation of ours, with its verdict.

    Attributes:
        name, text, section, kind, margin, note, ours, exhibits: As in :class:`defective.paper.Claim`.
        verdict: In the measured numbers.
        reason: Why it is undecided or not measured, or by which part it fails and why others are not tested; else empty.
        p: p value of what the numbers speak for, that the claim holds or that it fails; None while it is not measured.
        adjusted_p: The same, adjusted for the number of claims.
        published: The verdict in the printed numbers, which are exact, over the parts of which any are printed.
        published_bounds: The same at ``"half"`` and ``"double"`` the margin and bounds; empty if there are none.
        contrasts: What decides it; all must support it.
    """

    name: str
    text: str
    section: str
    kind: ClaimKind
    margin: float
    note: str
    ours: bool
    exhibits: tuple[str, ...]
    verdict: Verdict
    reason: str
    p: float | None
    adjusted_p: float | None
    published: Verdict
    published_bounds: dict[Literal["half", "double"], Verdict] = Field(default_factory=dict)
    contrasts: tuple[ContrastResult, ...]


class ClaimsResult(Document):
    """All claims at one scale, as they are stored beside the exhibits."""

    scale: str
    claims: tuple[ClaimResult, ...]


class JobRecord(Document):
    """A finished job: what it was, how long it took, where and when; of a training the number of parameters."""

    description: str
    seconds: float
    machine: dict[str, str]
    device_type: str
    finished: str
    parameters: int | None = None


class ExhibitResult(Document):
    """All that is known of one table or figure at one scale.

    Attributes:
        exhibit, title, caption, section, unit, view, columns, rows, notes: As in :class:`defective.paper.Exhibit`.
        scale: Scale of the experiments.
        data: Kind of data set to the name of the set that was used.
        readers: Kind of data set to the kind as which its files were read.
        seeds: Seeds asked for.
        cells: Row by row.
        beside: Numbers that are measured for claims alone.
        at_chance: Models behind the numbers that are no better than chance.
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
    beside: tuple[CellResult, ...] = ()
    at_chance: tuple[AtChance, ...]
    jobs: dict[str, JobRecord]

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
    def by_key(self) -> dict[tuple[str, str], CellResult]:
        """(row name, column) to cell, those beside the table among them."""
        return {(cell.row, cell.column): cell for cell in (*self.cells, *self.beside)}

    def cell(self, row: str, column: str) -> CellResult:
        """The cell of a row, by name, and a column."""
        return self.by_key[row, column]

    def column_label(self, column: str) -> str:
        """What stands above a column."""
        return SCALES[self.scale].column_label(column) if self.scale in SCALES else column

    def label(self, row: str) -> str:
        """The label of a row."""
        return next((each.label for each in self.rows if each.name == row), row)


def heading(exhibit: str) -> str:
    """What the paper calls an exhibit.

    Example:
        >>> heading("table4"), heading("figure11"), heading("table4-text")
        ('Table 4', 'Figure 11', 'Table 4 (placed by the text)')
    """
    spaced = re.sub(r"^([a-z]+)(\d+)", r"\1 \2", exhibit).capitalize()
    return spaced.replace("-text", " (placed by the text)")
