"""Stores filled by hand, for tests of what is shown of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from defective.experiments.json_files import write_json
from defective.experiments.plan import Plan
from defective.experiments.schema import blank
from defective.experiments.store import Store
from defective.paper import Exhibit
from defective.results.documents import ExhibitResult
from defective.results.measured import document
from defective.specs import Job


def plan(seeds: int = 1) -> Plan:
    return Plan(("table4",), "tiny", {"cifar10": "cifar10"}, {"cifar10": (3, 32, 32)}, seeds)


def finish(store: Store, job: Job, **result: Any) -> Path:
    """Make a job look finished."""
    write_json(store.at(job) / "spec.json", job.model_dump(mode="json"))
    made = blank(job) | {"finished": "2026-01-01"} | result
    made["values"] = blank(job)["values"] | made["values"]
    write_json(store.at(job) / "result.json", made)
    return store.at(job)


def measured(
    exhibit: Exhibit, store: Store, value: Callable[[str, str, int], Any], *, seeds: int = 1, **result: Any
) -> ExhibitResult:
    """The document of an exhibit whose cells hold ``value(row, column, seed)``; None is not measured. Cells must not share a job."""
    asked = plan(seeds)
    for (row, column), cells in asked.of(exhibit).items():
        for seed, cell in enumerate(cells):
            found = value(row, column, seed)
            if found is not None:
                finish(store, cell.job, values={cell.value: found}, **result)
    return document(exhibit, asked, store)
