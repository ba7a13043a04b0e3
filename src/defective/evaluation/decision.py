"""The decision-based part of the protocol: how far must an image go before a model's decision changes?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from defective.attacks import boundary_details, boundary_score
from defective.attacks.schedule import SCHEDULE_OF
from defective.evaluation.subject import Subject
from defective.evaluation.work import Tensors
from defective.inference import as_images, device_of
from defective.masks import stream
from defective.progress import Count, progress_bar
from defective.specs import AttackSpec
from defective.statistics import median_interval

# Images that walk together: what a kill can cost. Each has its own random numbers, so results are the same.
CHUNK = 50
# The same on an accelerator, by directions tried in a step. They are tried one after another, so that fewer images shorten a step but
# little: a compromise between what a kill costs and what the whole walk does.
ON_ACCELERATOR = {1: 500, 25: 125}


@dataclass(frozen=True)
class Decision:
    """What the boundary attack found on one model, image by image.

    Attributes:
        index: Where the images lie in the test set ``(N,)``.
        squared: Mean squared change of a pixel ``(N,)``, in [0, 1] units squared.
        queries: Decisions asked for ``(N,)``.
        started: Bool ``(N,)``: whether a start was found; images without one do not count.
    """

    index: Tensor
    squared: Tensor
    queries: Tensor
    started: Tensor

    @property
    def score(self) -> float:
        """S(M) of Eq. 10: the median over the images that had a start; larger is more robust, nan if none had one."""
        return float(self.squared[self.started].double().quantile(0.5)) if self.started.any() else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the score, see :func:`defective.statistics.median_interval`."""
        return median_interval(self.squared[self.started].double().tolist())

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the score is None where no image had a start."""
        low, high = self.interval
        return {
            "score": self.score if self.started.any() else None,
            "low": low,
            "high": None if high == float("inf") else high,
            "images": len(self.index),
            "without_start": int((~self.started).sum()),
            "median_queries": float(self.queries.double().quantile(0.5)),
        }


def decide(subject: Subject, spec: AttackSpec, *, samples: int, seed: int = 0) -> Decision:
    """Attack a model by its decisions alone, on the first ``samples`` images it classifies right.

    Source: paper Appendix A.4 (500 images, Foolbox 1: ``boundary:steps=5000,directions=25``). The images differ between models, as
    each is attacked on those it gets right.
    """
    index = subject.sample(samples, seed=seed)
    size = images_at_once(spec, device_of(subject.model).type)
    parts = []
    steps = int(spec.parameters["steps"])
    with progress_bar(f"{spec} on {subject.name}", len(index) * steps, unit="steps") as advance:
        for first in range(0, len(index), size):
            chunk = index[first : first + size]
            what = subject.identity("decision", chunk, attack=str(spec), seed=seed, first=first)

            count = Count(advance)

            def make(chunk: Tensor = chunk, first: int = first, count: Count = count) -> Tensors:
                return _walk(subject, chunk, spec, _generator(seed, first), lambda: count(len(chunk)))

            parts.append(subject.work.piece(what, make))
            count.to(len(chunk) * steps)
    squared, queries, started = (torch.cat([part[name] for part in parts]) for name in ("squared", "queries", "started"))
    return Decision(index, squared, queries, started)


def images_at_once(spec: AttackSpec, device: str) -> int:
    """Images of one piece of :func:`decide` on a kind of device.

    Example:
        >>> walks = [AttackSpec.parse(f"boundary:steps=5000,directions={each}") for each in (1, 25)]
        >>> [images_at_once(walk, device) for device in ("cpu", "cuda") for walk in walks]
        [50, 50, 500, 125]
    """
    return CHUNK if device == "cpu" else ON_ACCELERATOR[int(spec.parameters.get("directions", 1))]


def _generator(seed: int, first: int) -> torch.Generator:
    """The generator as it is when the images before ``first`` have taken their seeds from it."""
    generator = stream(seed, "decision")
    for _ in range(first):
        torch.randint(2**63 - 1, (), generator=generator, device="cpu")
    return generator


def _walk(subject: Subject, index: Tensor, spec: AttackSpec, generator: torch.Generator, on_step: Callable[[], object]) -> Tensors:
    x, y = subject.data.take(index)
    x = as_images(x.to(device_of(subject.model)))
    schedule = SCHEDULE_OF[int(spec.parameters.get("directions", 1))]
    steps = int(spec.parameters["steps"])
    found = boundary_details(subject.model, x, y, steps=steps, generator=generator, schedule=schedule, on_step=on_step)
    squared = torch.tensor([boundary_score(a[None], b[None]) for a, b in zip(x.cpu(), found.x_adv.cpu(), strict=True)])
    return {"squared": squared, "queries": found.queries, "started": found.started}
