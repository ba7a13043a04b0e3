"""What an evaluation measured, as one typed document: its dump is the JSON that is stored and that ``--json`` prints."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Self

from pydantic import Field, InstanceOf
from torch import Tensor, nn

from defective.evaluation.decision import DecisionResult
from defective.evaluation.sanity_checks import SanityCheck
from defective.evaluation.settings import Settings
from defective.evaluation.shape_bias import ShapeReport
from defective.evaluation.table import result_bars, result_table
from defective.evaluation.transfer import Outcome, TransferCell
from defective.sites import spec_of
from defective.specs import Document
from defective.statistics import Rate, paired_difference
from defective.tables import Table, format_table


class Curves(Document):
    """Accuracies of every model on one set of corrupted images, by strength of the corruption; ``sample`` hashes which images."""

    images: int
    sample: str
    accuracy: dict[str, dict[int, Rate]]


class RateDifference(Document):
    """Defence rate of ``model``, ``second``, minus that of ``against``, ``first``, on one adversarial set, with its paired 95 % interval.

    It is None where one of them has no image that counts.
    """

    source: str
    attack: str
    model: str
    against: str
    difference: float | None
    low: float
    high: float
    significant: bool
    first: Rate
    second: Rate


class Provenance(Document):
    """Of a built-in model its name in the grammar, what built it, and what it was trained on; None for others."""

    net: str | None
    built: dict[str, Any] | None
    trained: dict[str, Any] | None

    @classmethod
    def of(cls, model: nn.Module) -> Self:
        spec = spec_of(model)
        if spec is None:
            return cls(net=None, built=None, trained=None)
        return cls(net=str(spec), built=getattr(model, "build_options", None), trained=getattr(model, "notes", None))


class EvaluationResult(Document):
    """Everything that :func:`defective.evaluation.evaluate` measured; parts that were not run are empty.

    Attributes:
        data, test_images: Name of the test set and how many images it has.
        settings: What was done, and on how many images.
        accuracy: Of each model on the whole test set.
        cells: One for each adversarial set and model.
        differences: Of every other model's defence rate from the first one's.
        decision, noise, shuffle, stimuli, checks: What the other parts measured, by model.
        skipped: The reason why a model was not attacked, or not by every attack.
        sources: Accuracy of each source: an inaccurate source makes weak attacks.
        seconds, machine, models, stimuli_skipped, stimuli_categories: What ``defective evaluate`` adds: how long it took, where, what
            the models are, how many stimuli were left out, and the categories that were chosen among, if not among all classes.
        outcomes: Per-image outcomes of each cell; not in the JSON.
    """

    data: str
    test_images: int
    settings: Settings
    accuracy: dict[str, Rate]
    cells: tuple[TransferCell, ...]
    differences: tuple[RateDifference, ...]
    decision: dict[str, DecisionResult]
    noise: Curves | None
    shuffle: Curves | None
    stimuli: dict[str, ShapeReport]
    checks: dict[str, tuple[SanityCheck, ...]]
    skipped: dict[str, str]
    sources: dict[str, Rate]
    seconds: float | None = None
    machine: dict[str, str] | None = None
    models: dict[str, Provenance] | None = None
    stimuli_skipped: dict[str, int] | None = None
    stimuli_categories: tuple[str, ...] | None = None
    outcomes: tuple[InstanceOf[Outcome], ...] = Field(default=(), exclude=True, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return self.model_dump(mode="json", exclude_unset=True)

    def failed(self) -> list[str]:
        """The sanity checks that failed, as ``"model: check"``."""
        return [f"{name}: {each.check}" for name, checks in self.checks.items() for each in checks if each.verdict == "failed"]

    def as_table(self) -> Table:
        """The table, as :func:`defective.tables.format_table` takes it."""
        return result_table(self)

    def as_figure(self) -> str:
        """Bars of the transfer rates, of accuracy under the strongest noise and of shape bias as SVG text; empty where there is none."""
        return result_bars(self)

    def _repr_html_(self) -> str:
        return format_table(self.as_table(), "html") + self.as_figure()

    def as_tensors(self) -> dict[str, Tensor]:
        """Per-image outcomes: for each cell the index in the test set, and whether the target was correct before and after."""
        tensors: dict[str, Tensor] = {}
        for number, each in enumerate(self.outcomes):
            index, fooled = each.adversarial.index.clone(), each.adversarial.fooled
            parts = {"index": index, "fooled": fooled, "clean_correct": each.clean_correct, "adv_correct": each.adv_correct}
            tensors |= {f"{number}.{name}": tensor for name, tensor in parts.items()}
        return tensors


def differences(outcomes: Sequence[Outcome], first: str) -> Iterator[RateDifference]:
    """Differences of the defence rates of every other model from the first on each adversarial set.

    Sets generated on one of the two models do not show which of them is more robust to transfer.
    """
    transferred = [each for each in outcomes if each.transferred]
    for outcome in transferred:
        for other in transferred:
            if outcome.target == first != other.target and other.adversarial is outcome.adversarial:
                ours, theirs = ((each.adv_correct, each.eligible("paper")) for each in (other, outcome))
                found = paired_difference(ours, theirs)
                yield RateDifference(
                    source=outcome.adversarial.source,
                    attack=outcome.adversarial.attack,
                    model=other.target,
                    against=first,
                    difference=None if math.isnan(found.estimate) else found.estimate,
                    low=found.interval[0],
                    high=found.interval[1],
                    significant=found.significant,
                    first=outcome.rate(),
                    second=other.rate(),
                )
