"""What a store's report shows: each exhibit once for every scale and data set that it was asked for on."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from defective.campaign.measured import Document, best_plans, document
from defective.campaign.plan import Plan
from defective.campaign.store import Store
from defective.paper import EXHIBITS, SCALES


@dataclass(frozen=True)
class Part:
    """One exhibit as one plan has it.

    Attributes:
        name: What its files and its place on the page are called: the exhibit, with scale and data where it is shown more than once.
        plan: The plan.
        document: What was measured, see :func:`defective.campaign.measured.document`.
    """

    name: str
    plan: Plan
    document: Document


@dataclass
class Shelf:
    """Documents of exhibits under plans, each made once: claims reach into exhibits that are not shown themselves."""

    store: Store
    _made: dict[tuple[str, int], Document] = field(default_factory=dict)

    def document(self, exhibit: str, plan: Plan) -> Document | None:
        """An exhibit's document; None if the plan has no data set for it."""
        if EXHIBITS[exhibit].data and EXHIBITS[exhibit].data not in plan.data:
            return None
        key = (exhibit, id(plan))
        if key not in self._made:
            self._made[key] = document(EXHIBITS[exhibit], plan, self.store)
        return self._made[key]


def parts(planned: list[Plan], shelf: Shelf) -> list[Part]:
    """In the paper's order, the largest scale first; of several plans alike the best, see :func:`best_plans`."""
    return list(_named(best_plans(planned), shelf))


def _named(found: dict[tuple[str, str, str], Plan], shelf: Shelf) -> Iterator[Part]:
    order, scales = list(EXHIBITS), list(SCALES)
    times = Counter(exhibit for exhibit, _, _ in found)
    for key in sorted(found, key=lambda key: (order.index(key[0]), -scales.index(key[1]), key[2])):
        name = key[0] if times[key[0]] == 1 else "-".join(each for each in key if each)
        made = shelf.document(key[0], found[key])
        assert made is not None
        # Names of data sets may hold anything, names of files and of places on a page must not.
        yield Part(re.sub(r"[^\w.-]+", "-", name), found[key], made)
