"""Models that are no better than chance: what is measured on them decides no claim."""

from typing import Any

from defective.experiments.describe import title
from defective.experiments.plan import Plan
from defective.experiments.store import Store, name_of
from defective.specs import Job, TrainJob, nets_of
from defective.statistics import Rate

# Of the official sets, for results of versions that did not store the share of the largest class.
_CLASSES = {"cifar10": 10, "mnist": 10, "tiny-imagenet": 200, "imagenet": 1000}
Entry = dict[str, Any]


class AtChanceFilter:
    """Finds the trained models of a plan that are no better than always predicting the largest class.

    A model is at chance if the 95 % interval of its test accuracy does not lie above the share of that class. A bound such as twice
    chance would let no model of two classes pass.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        self._plan, self._store = plan, store
        self._known: dict[TrainJob, Entry | None] = {}

    def of(self, job: Job) -> list[Entry]:
        """The models at chance among those of a finished job: ``job``, ``net``, and in % its ``accuracy`` and ``chance``."""
        if self._store.result(job) is None:
            return []
        found = (self._cached(net) for net in nets_of(job))
        return [entry for entry in found if entry is not None]

    def _cached(self, net: TrainJob) -> Entry | None:
        if net not in self._known:
            self._known[net] = self._entry(net)
        return self._known[net]

    def _entry(self, net: TrainJob) -> Entry | None:
        result = self._store.result(net) or {}
        counts, chance = result.get("values", {}).get("test_accuracy"), result.get("chance") or self._guess(net)
        if not counts or not chance:
            return None
        rate = Rate.of(counts["hits"], counts["total"])
        if not rate.total or rate.interval[0] > chance:
            return None
        return {"job": name_of(net), "net": f"{title(net)} on {net.data}", "accuracy": 100 * rate, "chance": 100 * chance}

    def _guess(self, net: TrainJob) -> float | None:
        readers = (self._plan.readers.get(kind, kind) for kind, name in self._plan.data.items() if name == net.data)
        return next((1 / _CLASSES[reader] for reader in readers if reader in _CLASSES), None)
