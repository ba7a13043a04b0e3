"""Models that are no better than chance: what is measured on them decides no claim."""

from functools import cache

from defective.experiments.describe import title
from defective.experiments.store import Store, name_of
from defective.results.documents import AtChance
from defective.specs import Job, TrainJob, trained_models
from defective.statistics import Rate


class AtChanceFilter:
    """Finds the trained models in a store that are no better than always predicting the largest class.

    A model is at chance if the 95 % interval of its test accuracy does not lie above the share of that class. A bound such as twice
    chance would let no model of two classes pass.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._cached = cache(self._find)

    def of(self, job: Job) -> list[AtChance]:
        """The models at chance among those of a finished job."""
        if self.store.result(job) is None:
            return []
        found = map(self._cached, trained_models(job))
        return [each for each in found if each is not None]

    def _find(self, model: TrainJob) -> AtChance | None:
        result = self.store.result(model)
        if result is None or not result.get("chance"):
            return None
        counts, chance = result["values"]["test_accuracy"], result["chance"]
        rate = Rate.of(counts["num_correct"], counts["num_evaluated"])
        if not rate.num_evaluated or rate.interval[0] > chance:
            return None
        return AtChance(
            job=name_of(model), model=f"{title(model)} on {model.data}", accuracy=100 * float(rate), chance=100 * chance
        )
