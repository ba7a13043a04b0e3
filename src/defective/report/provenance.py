"""How it was measured: machines, cost, models, and what failed or is still to do."""

from collections.abc import Iterable
from typing import Any

from defective.experiments.describe import describe, title
from defective.experiments.plan import Plan
from defective.experiments.schema import JsonObject
from defective.experiments.store import Store
from defective.results.documents import ExhibitResult
from defective.specs import TrainJob
from defective.statistics import Rate
from defective.tables import DASH, Cell, Table, duration, exact, number

_MACHINE = ("device", "precision", "torch", "python", "defective")
# Corners of the little curves, in their own units.
_WIDTH, _HEIGHT = 96, 24


def how_measured(planned: Iterable[Plan], store: Store) -> dict[str, Any]:
    """What the end of the page tells: machines with their cost, trained models, jobs that failed and those with corrupt results."""
    jobs = list(dict.fromkeys(job for plan in planned for job in plan.jobs))
    results = {job: result for job in jobs if (result := store.result(job)) is not None}
    undone = [job for job in jobs if job not in results]
    columns = ("model", "data", "epochs", "width", "parameters", "0 to 100 %", "test accuracy, %", "took")
    models = tuple(_model(job, result) for job, result in results.items() if isinstance(job, TrainJob))
    return {
        "jobs": len(jobs),
        "finished": len(results),
        "cost": duration(sum(result["seconds"] for result in results.values())),
        "machines": _machines(results.values()),
        "models": Table(columns, models, align="llrrrlrr"),
        "failed": [{"about": describe(job), "error": found["error"]} for job in undone if (found := store.failure(job))],
        "corrupt": [describe(job) for job in undone if store.corrupt([job])],
    }


def job_notes(results: Iterable[ExhibitResult]) -> dict[str, Any]:
    """What the page's script shows of each job behind a number: jobs by name, their machines each once."""
    machines: dict[str, int] = {}
    jobs: dict[str, list[Any]] = {}
    for result in results:
        for name, job in result.jobs.items():
            machine = machines.setdefault(machine_line(job.machine), len(machines))
            jobs[name] = [job.description, duration(job.seconds), machine, job.finished]
    return {"machines": list(machines), "jobs": jobs}


def machine_line(machine: dict[str, str]) -> str:
    """A machine on one line.

    Example:
        >>> machine_line({"device": "NVIDIA H200", "precision": "tf32", "torch": "2.9.0", "python": "3.11.7", "defective": "0.2"})
        'NVIDIA H200, tf32, torch 2.9.0, python 3.11.7, defective 0.2'
    """
    known = [(key, machine[key]) for key in _MACHINE if machine.get(key)]
    return ", ".join(value if key in ("device", "precision") else f"{key} {value}" for key, value in known) or "machine not noted"


def _machines(results: Iterable[JsonObject]) -> Table:
    """Each machine: what it is, its jobs, what they took, when they were finished."""
    found: dict[str, list[JsonObject]] = {}
    for result in results:
        found.setdefault(machine_line(result["machine"]), []).append(result)
    rows = []
    for about, done in sorted(found.items(), key=lambda item: -len(item[1])):
        first, last = (end(result["finished"] for result in done) for end in (min, max))
        took = duration(sum(result["seconds"] for result in done))
        rows.append((about, f"{len(done):,}", took, first if first == last else f"{first} to {last}"))
    return Table(("machine and versions", "jobs", "took", "finished"), tuple(rows), align="lrrl")


def _model(job: TrainJob, result: JsonObject) -> tuple[str, ...]:
    """A trained model, with its test accuracy by epoch as a curve, which the page's script draws."""
    accuracy = 100 * Rate.read(result["values"]["test_accuracy"])
    points = _curve([row["test_accuracy"] for row in result.get("history", []) if "test_accuracy" in row])
    return (
        title(job),
        job.data,
        str(job.recipe.trained_epochs),
        f"{job.recipe.width_mult:g}",
        f"{result['parameters']:,}" if result.get("parameters") else DASH,
        Cell("", **({"data_curve": points} if points else {})),
        Cell(number(accuracy), data_kind="model", data_job=job.name, data_value=exact(accuracy)),
        duration(result["seconds"]),
    )


def _curve(accuracies: list[float]) -> str:
    """Points of a polyline from the first epoch to the last, 0 % at the bottom; empty for fewer than two epochs."""
    if len(accuracies) < 2:
        return ""
    steps = len(accuracies) - 1
    return " ".join(f"{_WIDTH * i / steps:.1f},{_HEIGHT * (1 - rate):.1f}" for i, rate in enumerate(accuracies))
