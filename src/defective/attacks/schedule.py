"""How the step lengths of the boundary attack follow its success."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

ADAPTATION = 1.5


class Schedule(NamedTuple):
    """How step lengths follow success.

    Attributes:
        directions: Most directions tried in a step.
        conditional: Whether one is dropped when its step on the sphere is queried and fails.
        low, high: Success rates of the step towards the image between which its length stays; on the sphere they are 0.2 and 0.5.
        every: Steps from one query about the sphere to the next; lengths change then, and outcomes of other steps do not count.
        on_sphere, towards: Outcomes that are counted before a length may change.
    """

    directions: int
    conditional: bool
    low: float
    high: float
    every: int = 10
    on_sphere: int = 100
    towards: int = 30


SCHEDULES = {
    "foolbox3": Schedule(1, False, 0.1, 0.25),
    "foolbox1": Schedule(25, True, 0.2, 0.5),
    "quick": Schedule(1, True, 0.2, 0.5, every=2, on_sphere=10, towards=10),
}
SCHEDULE_OF = {1: "foolbox3", 25: "foolbox1"}


@dataclass
class Recent:
    """The last outcomes of each image, and how many there were since its step last changed."""

    outcomes: Tensor
    seen: Tensor

    def add(self, rows: Tensor, outcomes: Tensor) -> None:
        self.outcomes[rows, self.seen[rows] % self.outcomes.shape[1]] = outcomes
        self.seen[rows] += 1

    def factor(self, low: float, high: float) -> Tensor:
        """What each image's step is to be multiplied by, if enough outcomes are in; those of a step that changes are forgotten."""
        size, successes = self.outcomes.shape[1], self.outcomes.sum(1)
        longer, shorter = ((self.seen >= size) & far for far in (successes > high * size, successes < low * size))
        self.seen[longer | shorter] = 0
        return ADAPTATION ** (longer.float() - shorter.float())
