"""What a store holds: documents of exhibits as plans asked for them, and the claims evaluated on these."""

from collections.abc import Iterable
from functools import lru_cache

from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.paper import EXHIBITS, exhibits
from defective.results.claims import evaluate_claims
from defective.results.contrasts import Evidence
from defective.results.documents import ClaimResult, ExhibitResult
from defective.results.exhibit_result import document
from defective.results.per_image import per_image

# A document and the plan that asked for it.
Planned = tuple[ExhibitResult, Plan]


def measured(plan: Plan, store: Store) -> tuple[list[ExhibitResult], list[ClaimResult]]:
    """The exhibits of a plan, and the claims that bear on them: these rest on all that the store holds at its scale on its data sets."""
    asked = {exhibit.name for exhibit in exhibits(list(plan.exhibits))}
    known = [exhibit for exhibit in EXHIBITS.values() if exhibit.name in asked or exhibit.data in plan.data]
    found = [(document(exhibit, plan, store), plan, store) for exhibit in known]
    tested = claims_by_scale(found).get(plan.scale, [])
    shown = [result for result, *_ in found if result.exhibit in asked]
    return shown, [claim for claim in tested if asked.intersection(claim.exhibits)]


def claims_by_scale(
    found: Iterable[tuple[ExhibitResult, Plan, Store]], others: Iterable[ExhibitResult] = ()
) -> dict[str, list[ClaimResult]]:
    """Scale to every claim, evaluated on the documents of that scale; of ``others``, whose stores are elsewhere, only counts are known."""
    # Results are kept in memory: claims compare a few rows over and over.
    read = lru_cache(4096)(per_image)

    def evidence(result: ExhibitResult, plan: Plan, store: Store) -> Evidence:
        cells = plan.of(EXHIBITS[result.exhibit])
        return Evidence(result, lambda row, column, seed: read(cells[row, column][seed], store))

    by_scale: dict[str, list[Evidence]] = {}
    for result, plan, store in found:
        by_scale.setdefault(plan.scale, []).append(evidence(result, plan, store))
    for result in others:
        by_scale.setdefault(result.scale, []).append(Evidence(result))
    return {scale: evaluate_claims(of_scale) for scale, of_scale in by_scale.items()}


def best_documents(plans: Iterable[Plan], store: Store) -> list[Planned]:
    """A document for each exhibit, scale and data set, by the best plan, see :func:`best_plans`."""
    return [(document(EXHIBITS[name], plan, store), plan) for (name, _, _), plan in best_plans(plans).items()]


def best_plans(plans: Iterable[Plan]) -> dict[tuple[str, str, str], Plan]:
    """(exhibit, scale, data sets) to the plan with the most seeds, of several alike to the one with the most data sets.

    A plan without one of the sets that an exhibit may be measured on is left out where another has that too, and as many seeds.
    """
    best: dict[tuple[str, str, frozenset[tuple[str, str]]], Plan] = {}
    # Of two plans the one to show comes last; claims may reach into exhibits of further data sets.
    for plan in sorted(plans, key=lambda plan: (plan.seeds, len(plan.data), sorted(plan.data.items()))):
        for exhibit in exhibits(list(plan.exhibits)):
            best[exhibit.name, plan.scale, frozenset((kind, plan.data[kind]) for kind in plan.kinds(exhibit))] = plan

    def part_of_another(name: str, scale: str, sets: frozenset[tuple[str, str]]) -> bool:
        more = (best[key].seeds for key in best if key[:2] == (name, scale) and sets < key[2])
        return best[name, scale, sets].seeds <= max(more, default=0)

    return {
        (name, scale, "-".join(plan.data[kind] for kind in plan.kinds(EXHIBITS[name]))): plan
        for (name, scale, sets), plan in best.items()
        if not part_of_another(name, scale, sets)
    }
