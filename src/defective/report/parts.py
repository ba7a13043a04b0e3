"""What a store's report shows: each exhibit once for every scale and data set that it was asked for on."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from defective.campaign.measured import document
from defective.campaign.plan import Plan
from defective.campaign.store import Store
from defective.paper import EXHIBITS, SCALES, exhibits
from defective.report.numbers import Document


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


def plans(store: Store) -> list[Plan]:
    """The plans that a store remembers."""
    return [
        Plan(
            tuple(plan["exhibits"]),
            plan["scale"],
            plan["data"],
            {kind: tuple(shape) for kind, shape in plan["shapes"].items()},
            plan["seeds"],
        )
        for plan in store.plans()
    ]


def parts(planned: list[Plan], shelf: Shelf) -> list[Part]:
    """In the paper's order, the largest scale first; of several plans alike the one with the most seeds, then with the most data."""
    found: dict[tuple[str, str, str], Plan] = {}
    for plan in planned:
        for exhibit in exhibits(list(plan.exhibits)):
            key = (exhibit.name, plan.scale, plan.data.get(exhibit.data, ""))
            known = found.get(key)
            if known is None or (plan.seeds, len(plan.data)) > (known.seeds, len(known.data)):
                found[key] = plan
    return list(_named(found, shelf))


def _named(found: dict[tuple[str, str, str], Plan], shelf: Shelf) -> Iterator[Part]:
    order, scales = list(EXHIBITS), list(SCALES)
    times = Counter(exhibit for exhibit, _, _ in found)
    for key in sorted(found, key=lambda key: (order.index(key[0]), -scales.index(key[1]), key[2])):
        name = key[0] if times[key[0]] == 1 else "-".join(each for each in key if each)
        made = shelf.document(key[0], found[key])
        assert made is not None
        # Names of data sets may hold anything, names of files and of places on a page must not.
        yield Part(re.sub(r"[^\w.-]+", "-", name), found[key], made)
