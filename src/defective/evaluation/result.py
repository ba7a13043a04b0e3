"""What an evaluation measured: per-image outcomes, and the document made from them."""

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from defective.data import index_hash
from defective.evaluation.decision import Decision
from defective.evaluation.sanity_checks import SanityCheck
from defective.evaluation.settings import Settings
from defective.evaluation.shape_bias import ShapeReport
from defective.evaluation.table import html, result_table
from defective.evaluation.transfer import Outcome
from defective.statistics import Contrast, Rate, paired_difference
from defective.tables import Table


@dataclass(frozen=True)
class Curves:
    """Accuracies of every model on one set of corrupted images, by strength of the corruption."""

    index: Tensor
    rates: dict[str, dict[float, Rate]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        by_model = {name: {str(strength): rate.as_dict() for strength, rate in curve.items()} for name, curve in self.rates.items()}
        return {"images": len(self.index), "sample": index_hash(self.index), "accuracy": by_model}


@dataclass(frozen=True)
class EvaluationResult:
    """Everything that :func:`defective.evaluation.evaluate` measured; a part that was not asked for is empty.

    ``skipped`` holds, of a model that could not be attacked, or not by every attack, the reason; ``sources`` the accuracy of each
    source: one that is seldom correct makes no strong attacks.
    """

    data: str
    test_images: int
    settings: Settings
    accuracies: dict[str, Rate]
    outcomes: list[Outcome] = field(default_factory=list)
    decisions: dict[str, Decision] = field(default_factory=dict)
    noise: Curves | None = None
    shuffled: Curves | None = None
    stimuli: dict[str, ShapeReport] = field(default_factory=dict)
    checks: dict[str, list[SanityCheck]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    sources: dict[str, Rate] = field(default_factory=dict)

    def differences(self) -> list[tuple[Outcome, Outcome, Contrast]]:
        """Differences of the defence rates of every other model from the first on each adversarial set, with paired 95 % intervals.

        Sets that were generated on one of the two themselves say nothing about which of them is more robust to transfer.
        """
        first = next(iter(self.accuracies))
        pairs = []
        for outcome in self.outcomes:
            for other in self.outcomes:
                transferred = outcome.transferred and other.transferred
                if outcome.target == first != other.target and other.adversarial is outcome.adversarial and transferred:
                    ours, theirs = ((each.adv_correct, each.eligible("paper")) for each in (other, outcome))
                    pairs.append((outcome, other, paired_difference(ours, theirs)))
        return pairs

    def failed(self) -> list[str]:
        """The sanity checks that failed, as ``"model: check"``."""
        return [f"{name}: {each.name}" for name, checks in self.checks.items() for each in checks if each.verdict == "failed"]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "data": self.data,
            "test_images": self.test_images,
            "settings": self.settings.model_dump(mode="json") | {"decision": str(self.settings.decision)},
            "accuracy": {name: rate.as_dict() for name, rate in self.accuracies.items()},
            "cells": [
                {**each.as_dict(), "sample": index_hash(each.adversarial.index), "change": each.adversarial.changes()}
                for each in self.outcomes
            ],
            "differences": [
                {
                    "source": first.adversarial.source,
                    "attack": first.adversarial.attack,
                    "model": second.target,
                    "against": first.target,
                    "difference": None if math.isnan(found.estimate) else found.estimate,
                    "low": found.interval[0],
                    "high": found.interval[1],
                    "significant": found.significant,
                    "first": first.rate("paper").as_dict(),
                    "second": second.rate("paper").as_dict(),
                }
                for first, second, found in self.differences()
            ],
            "decision": {name: {**each.as_dict(), "sample": index_hash(each.index)} for name, each in self.decisions.items()},
            "noise": self.noise and self.noise.as_dict(),
            "shuffle": self.shuffled and self.shuffled.as_dict(),
            "stimuli": {name: report.as_dict() for name, report in self.stimuli.items()},
            "checks": {name: [each.as_dict() for each in checks] for name, checks in self.checks.items()},
            "skipped": self.skipped,
            "sources": {name: rate.as_dict() for name, rate in self.sources.items()},
        }

    def as_table(self) -> Table:
        """The table, as :func:`defective.tables.format_table` takes it."""
        return result_table(self.as_dict())

    def _repr_html_(self) -> str:
        return html(self.as_dict())

    def as_tensors(self) -> dict[str, Tensor]:
        """Per-image outcomes: for each cell the index in the test set, and whether the target was correct before and after."""
        tensors = {}
        for number, outcome in enumerate(self.outcomes):
            tensors[f"{number}.index"] = outcome.adversarial.index.clone()
            tensors[f"{number}.fooled"] = outcome.adversarial.fooled
            tensors[f"{number}.clean_correct"] = outcome.clean_correct
            tensors[f"{number}.adv_correct"] = outcome.adv_correct
        return tensors
