"""Stores whose jobs are finished with made values: nothing is trained."""

import hashlib
from pathlib import Path
from typing import Any

from defective.experiments.json_files import write_json
from defective.experiments.plan import Plan
from defective.experiments.store import Store
from defective.specs import DecisionJob, GenerateJob, Job, NoiseJob, ScoreJob, ShuffleJob, TrainJob

MACHINE = {"device": "A made <machine>, 1 thread", "precision": "fp32", "torch": "2.9.0", "python": "3.11.7", "defective": "0.0.0"}


def filled_store(folder: Path, *plans: Plan, every: int = 0) -> Store:
    """A store that was asked for plans; one of ``every`` of their jobs is open, none for 0."""
    store = Store(folder)
    for plan in plans:
        store.note_plan(plan.as_dict())
        for number, job in enumerate(plan.jobs, start=1):
            if not every or number % every:
                finish(store, job)
    return store


def finish(store: Store, job: Job, **changes: Any) -> None:
    """Put a job's made result into a store."""
    with store.working(job) as place:
        if place is not None:
            values = _values(job) | changes.get("values", {})
            write_json(place / "result.json", result(job) | changes | {"values": values})


def result(job: Job) -> dict[str, Any]:
    """What a job's key decides that it measured."""
    about = {"seconds": _draw(job, "seconds") % 10_000 / 7, "machine": MACHINE, "kind_of_device": "cpu", "finished": "2025-01-31"}
    history = [
        {"epoch": i + 1, "train_loss": 2 / (i + 1), "test_accuracy": 1 - 0.7 / (i + 1), "train_accuracy": 1 - 0.8 / (i + 1)}
        for i in range(5)
    ]
    extra = {"history": history, "parameters": 700_000, "chance": 0.1} if isinstance(job, TrainJob) else {}
    return {"values": _values(job), **about, **extra}


def _values(job: Job) -> dict[str, dict[str, Any]]:
    match job:
        case TrainJob():
            names = ["test_accuracy"]
        case GenerateJob():
            names = ["fooled"]
        case ScoreJob():
            names = ["paper", "target-correct", "all"]
        case NoiseJob():
            names = [f"{number}/{sigma}" for number in range(len(job.targets)) for sigma in job.sigmas]
        case ShuffleJob():
            names = [f"{number}/{grid}" for number in range(len(job.targets)) for grid in job.grids]
        case DecisionJob():
            score = 1e-6 + _draw(job, "score") % 1000 / 3e7
            return {"score": {"score": score, "low": score / 2, "high": None, "images": 100}}
    return {name: _rate(job, name) for name in names}


def _rate(job: Job, name: str) -> dict[str, int]:
    total = 1 + _draw(job, "num_evaluated") % 999
    return {"num_correct": _draw(job, name) % (total + 1), "num_evaluated": total}


def _draw(job: Job, name: str) -> int:
    return int(hashlib.sha256(f"{job.key} {name}".encode()).hexdigest()[:8], 16)
