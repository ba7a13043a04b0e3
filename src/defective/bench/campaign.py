"""Row 7: what a campaign saves by doing every job once, and what its bookkeeping costs."""

import json
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from defective.bench.paired import ratios
from defective.bench.settings import COSTS, Found, Settings, absent, measured, wrong
from defective.errors import InputError
from defective.experiments.cost import disk, work
from defective.experiments.execute import EXECUTORS, ExperimentRunner
from defective.experiments.plan import KINDS, Plan, read_plan
from defective.experiments.run import run
from defective.experiments.schema import blank
from defective.experiments.store import Store, name_of
from defective.files import write_tensors
from defective.specs import Job, ScoreJob, dependencies

EXHIBIT = "table3"
# What the paper's Table 3 asks for.
NETS, SOURCES, CELLS = 20, 5, 75


def measure(settings: Settings) -> Found:
    """Row 7."""
    if settings.store == COSTS and not COSTS.exists():
        return {"lines": dict.fromkeys(("once", "bookkeeping"), absent("no --store with the costs of Table 3's jobs"))}
    plan, known = _plan_and_costs(settings.store)
    counts: Counter[str] = Counter(job.kind for job in plan.jobs)
    nets = {needed.sources for job in plan.jobs for needed in dependencies(job) if needed.kind == "generate"}
    cells = [job for job in plan.jobs if isinstance(job, ScoreJob)]
    expected = {"train": NETS, "generate": SOURCES, "score": CELLS}
    check = ", ".join(f"{counts[kind]} of {kind} jobs, {count} expected" for kind, count in expected.items())
    if dict(counts) != expected or len(nets) != SOURCES:
        return {"lines": dict.fromkeys(("once", "bookkeeping"), wrong(check))}
    unknown = sum(name_of(job) not in known for job in plan.jobs)
    costs = _filled(plan, known)
    together = sum(costs.values())
    alone = sum(_alone(job, costs) for job in cells)
    seconds = settings.in_turn({"bookkeeping": partial(_keep_books, plan)})
    note = f"jobs as measured at scale {plan.scale}: {together:,.0f} s together, {alone:,.0f} s alone"
    note += f"; {unknown} of {len(plan.jobs)} costs estimated from like jobs" * (unknown > 0)
    return {
        "lines": {
            "once": measured(check, ratios([alone], [together]), note=note),
            "bookkeeping": measured(check, ratios(seconds["bookkeeping"], [together] * settings.repeats), seconds=seconds),
        }
    }


def _alone(cell: ScoreJob, costs: dict[Job, float]) -> float:
    """Seconds of a cell done by itself: its target, its source, the attack, the score."""
    parts: set[Job] = {cell, cell.target, cell.adversarial, *cell.adversarial.sources}
    return sum(costs[job] for job in parts)


def _keep_books(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Jobs take no time but for their files, which are as large as real ones.
        runner = ExperimentRunner(Store(Path(folder) / "store"), {}, "cpu", dict.fromkeys(EXECUTORS, partial(_ready_made, plan)))
        again = Plan(plan.exhibits, plan.scale, plan.data, plan.shapes, plan.seeds, plan.readers)
        summary = run(again.jobs, runner)
        assert summary.executed == len(again.jobs)


def _ready_made(plan: Plan, runner: ExperimentRunner, job: Job, folder: Path) -> dict[str, Any]:
    size = int(disk(job, plan.images))
    write_tensors(folder / "made.safetensors", {"made": torch.zeros(size, dtype=torch.uint8)}, {})
    return blank(job)


def _plan_and_costs(where: Path) -> tuple[Plan, dict[str, float]]:
    """The plan of Table 3, and seconds by job: of an exported document, of a folder with such documents, or of a store."""
    file = where / f"{EXHIBIT}.json" if where.is_dir() else where
    if file.is_file():
        document = json.loads(file.read_text())
        shapes = {kind: KINDS[kind] for kind in document["data"]}
        costs = {name: float(job["seconds"]) for name, job in document["jobs"].items()}
        return Plan((EXHIBIT,), document["scale"], document["data"], shapes), costs
    if (where / "jobs").is_dir():
        store = Store.open(where)
        about = next((plan for plan in store.plans() if EXHIBIT in plan["exhibits"]), None)
        if about is not None:
            costs = {name: float((store.result(name) or {})["seconds"]) for name in store.finished()}
            plan = read_plan({**about, "exhibits": [EXHIBIT], "seeds": 1})
            return plan, costs
    raise InputError(f"{where} holds no costs of {EXHIBIT}'s jobs: pass --store, a store in which it was measured")


def _filled(plan: Plan, known: dict[str, float]) -> dict[Job, float]:
    """Seconds of every job; of those that are not known as many as like jobs of the plan took for each unit of work."""
    took: dict[str, list[float]] = {}
    for job in plan.jobs:
        if name_of(job) in known:
            took.setdefault(job.kind, []).append(known[name_of(job)] / work(job, plan.images))
    return {job: known.get(name_of(job), work(job, plan.images) * median(took.get(job.kind, took["train"]))) for job in plan.jobs}
