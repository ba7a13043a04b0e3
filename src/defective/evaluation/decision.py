"""The decision-based attack: how far must an image be moved before the decision of a model changes?"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from defective.attacks import DecisionBasedResult, arguments, boundary_details, boundary_score, hopskipjump_details
from defective.data import index_hash
from defective.evaluation.evaluated_model import EvaluatedModel, naming
from defective.evaluation.measurement import Advance, Chunk, Measurement, Tensors
from defective.inference import as_images, device_of
from defective.masks import named_generator
from defective.specs import AttackSpec, Document, High
from defective.statistics import median_interval

# Images attacked together: what a kill can cost. Each has its own random numbers, so results are the same.
CHUNK = 50
# The same on an accelerator, by directions tried in a step. They are tried one after another, so that fewer images shorten a step but
# little: a compromise between what a kill costs and what the whole attack does.
ON_ACCELERATOR = {1: 500, 25: 125}


class DecisionResult(Document):
    """S(M) of one model with its 95 % interval, None where no image had a start; images attacked, those without a start, the median of
    the queries, and a hash of which images these were.
    """

    score: float | None
    low: float
    high: High
    images: int
    without_start: int
    median_queries: float
    sample: str


@dataclass(frozen=True)
class Decision:
    """What a decision-based attack found on one model: for each image ``(N,)`` its index in the test set, the mean squared change of a
    pixel in [0, 1] units squared, the number of queries, and whether a start was found; images without one are not counted.
    """

    index: Tensor
    squared: Tensor
    queries: Tensor
    started: Tensor

    def result(self) -> DecisionResult:
        """The score without the images: S(M) of Eq. 10, the median over those that had a start; larger is more robust."""
        counted = self.squared[self.started].double()
        low, high = median_interval(counted.tolist())
        return DecisionResult(
            score=float(counted.quantile(0.5)) if len(counted) else None,
            low=low,
            high=high,
            images=len(self.index),
            without_start=int((~self.started).sum()),
            median_queries=float(self.queries.double().quantile(0.5)),
            sample=index_hash(self.index),
        )


def decide(model: EvaluatedModel, attack: AttackSpec, *, samples: int, seed: int = 0, index: Tensor | None = None) -> Decision:
    """Attack a model by its decisions alone, on the first ``samples`` images that it classifies correctly, or on those of ``index``.

    Source: paper Appendix A.4 (500 images, Foolbox 1: ``boundary:steps=5000,directions=25``). Without ``index`` the images differ
    between models, as each is attacked on those that it classifies correctly.
    """
    index = model.sample(samples, seed=seed) if index is None else index
    steps = int(attack.parameters["steps"])
    details = partial(boundary_details if attack.name == "boundary" else hopskipjump_details, **arguments(attack))
    size = CHUNK if device_of(model.model).type == "cpu" else ON_ACCELERATOR[int(attack.parameters.get("directions", 1))]

    chunks = []
    for number, part in enumerate(index.split(size)):
        first = number * size
        inputs = model.inputs("decision", part, attack=attack.canonical, seed=seed, first=first, neurons=model.neurons)
        attacked = partial(_decide, model, part, partial(details, generator=_generator(seed, first)))
        chunks.append(Chunk(inputs, len(part) * steps, attacked))
    found = model.run(Measurement(f"{attack} on {model.name}", chunks, unit="steps"))
    return Decision(index, found["squared"], found["queries"], found["started"])


def _generator(seed: int, first: int) -> torch.Generator:
    """The generator as it is when the images before ``first`` have taken their seeds from it."""
    generator = named_generator(seed, "decision")
    for _ in range(first):
        torch.randint(2**63 - 1, (), generator=generator, device="cpu")
    return generator


def _decide(model: EvaluatedModel, index: Tensor, attack: Callable[..., DecisionBasedResult], advance: Advance) -> Tensors:
    x, y = model.data.take(index)
    x = as_images(x.to(device_of(model.model)))
    with naming(model.name):
        found = attack(model.fast, x, y, batch_size=model.batch_size, on_step=lambda: advance(len(index)))
    squared = torch.tensor([boundary_score(a[None], b[None]) for a, b in zip(x.cpu(), found.x_adv.cpu(), strict=True)])
    return {"squared": squared, "queries": found.queries, "started": found.started}
