"""Models that are no better than chance: what is measured on them decides no claim."""

from defective.experiments.describe import title
from defective.experiments.store import Store, name_of
from defective.results.documents import AtChance
from defective.specs import Job, trained_models
from defective.statistics import Rate


def at_chance(job: Job, store: Store) -> list[AtChance]:
    """The trained models behind a finished job that are no better than always predicting the largest class.

    A model is at chance if the 95 % interval of its test accuracy does not lie above the share of that class. A bound such as twice
    chance would let no model of two classes pass.
    """
    found = []
    for model in trained_models(job) if store.result(job) is not None else ():
        result = store.result(model) or {}
        if chance := result.get("chance"):
            rate = Rate.read(result["values"]["test_accuracy"])
            if rate.num_evaluated and rate.interval[0] <= chance:
                about = {"job": name_of(model), "model": f"{title(model)} on {model.data}"}
                found.append(AtChance(**about, accuracy=100 * float(rate), chance=100 * chance))
    return found
