"""What tests of experiments share: a small data set that is learned at once, plans and jobs on it, and what a store holds."""

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from defective.data.official import KINDS
from defective.experiments.execute import EXECUTORS, ExperimentRunner
from defective.experiments.json_files import sealed, write_json
from defective.experiments.plan import Plan
from defective.experiments.schema import value_names
from defective.experiments.store import Store
from defective.paper import Exhibit
from defective.results.documents import ExhibitResult
from defective.results.exhibit_result import document
from defective.specs import Job, NetSpec, Recipe, TrainJob
from image_files import pixels, write_image

SHAPE = (3, 16, 16)
QUICK = Recipe(name="quick", width_mult=0.0625, epochs=2, batch_size=8, lr=0.05)


def few(root: Path, *, train: int = 32, test: int = 12) -> Path:
    """Two classes that a net learns at once, dark images and bright ones: so many of each."""
    for split, count in (("train", train), ("test", test)):
        for shade, label in enumerate(("dark", "light")):
            for n in range(count):
                seed = 2 * n + shade + (1000 if split == "test" else 0)
                write_image(root / split / label / f"{n:03}.png", pixels(seed, SHAPE[1]) // 4 + 100 + 20 * shade)
    return root


# Plans are read alone, and their jobs take time to list.
@cache
def plan_of(*names: str, seeds: int = 1, data: str = "few") -> Plan:
    """Exhibits on CIFAR-10, in whose place stands the small set."""
    return Plan(names, "tiny", {"cifar10": data}, {"cifar10": SHAPE}, seeds)


def table4(seeds: int = 1) -> Plan:
    """A table on the official CIFAR-10."""
    return Plan(("table4",), "tiny", {"cifar10": "cifar10"}, {"cifar10": (3, 32, 32)}, seeds)


def net(name: str = "resnet18", seed: int = 0, *, data: str = "few", **recipe) -> TrainJob:
    """A net that is trained in a moment."""
    return TrainJob(net=NetSpec.parse(name), data=data, recipe=QUICK.changed(**recipe), seed=seed, mask_seed=seed)


def bench(folder: Path, images: Path) -> ExperimentRunner:
    """A place to do jobs of the small set."""
    return ExperimentRunner(Store(folder), {"few": f"folder:{images}"}, "cpu")


def execute(runner: ExperimentRunner, job: Job, folder: Path) -> dict[str, Any]:
    """Do a job in a folder that is no store's; what it measured."""
    with runner.recording(job, folder) as found:
        found |= EXECUTORS[job.kind](runner, job, folder)
    return found


def held(store: Path) -> dict[str, object]:
    """What a store holds of each finished job, but for what depends on the clock: values, and hashes of nets and images."""
    found: dict[str, object] = {}
    for file in sorted(file for file in (store / "jobs").rglob("*") if file.is_file()):
        name = str(file.relative_to(store / "jobs"))
        found[name] = _timeless(json.loads(file.read_text())) if file.suffix == ".json" else _hash(file)
    return found


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: _timeless(each)
            for key, each in value.items()
            if key not in ("seconds", "images_per_second", "finished", "checksum")
        }
    return [_timeless(each) for each in value] if isinstance(value, list) else value


MACHINE = {"device": "A made <machine>, 1 thread", "precision": "fp32", "torch": "2.13.0", "python": "3.11.7", "defective": "0.0.0"}


def blank(job: Job) -> dict[str, Any]:
    """A result of the form of a job's, which took a second and could count nothing."""
    score, rate = {"score": None, "low": 0.0, "high": None, "images": 0}, {"num_correct": 0, "num_evaluated": 0}
    about = {"seconds": 1.0, "machine": {}, "kind_of_device": "cpu", "finished": ""}
    return {"values": dict.fromkeys(value_names(job), score if job.kind == "decision" else rate), **about}


def filled_store(folder: Path, *plans: Plan, every: int = 0) -> Store:
    """A store that was asked for plans; one of ``every`` of their jobs is open, none for 0."""
    store = Store(folder)
    for plan in plans:
        store.note_plan(plan)
        for number, job in enumerate(plan.jobs, start=1):
            if (not every or number % every) and store.result(job) is None:
                finish(store, job)
    return store


def finish(store: Store, job: Job, values: dict[str, object] | None = None, **more: object) -> Path:
    """Make a job look finished, with values that its key decides but for those given."""
    about = {"seconds": 1.5, "machine": MACHINE, "kind_of_device": "cpu", "finished": "2026-01-31"}
    if isinstance(job, TrainJob):
        rates = [(1 - 0.7 / epoch, 1 - 0.8 / epoch) for epoch in range(1, 6)]
        history = [{"epoch": n, "test_accuracy": test, "train_accuracy": train} for n, (test, train) in enumerate(rates, start=1)]
        about |= {"chance": 0.1, "history": history, "parameters": 700_000}
    write_json(store.at(job) / "spec.json", job.model_dump(mode="json"))
    write_json(store.at(job) / "result.json", sealed(job.name, about | more | {"values": made_values(job) | (values or {})}))
    return store.at(job)


def measured(
    exhibit: Exhibit, store: Store, value: Callable[[str, str, int], Any], *, seeds: int = 1, **result: Any
) -> ExhibitResult:
    """The document of an exhibit whose cells hold ``value(row, column, seed)``; None is not measured. Cells must not share a job."""
    asked = table4(seeds)
    for (row, column), cells in asked.of(exhibit).items():
        for seed, cell in enumerate(cells):
            found = value(row, column, seed)
            if found is not None:
                finish(store, cell.job, {cell.value: found}, **result)
    return document(exhibit, asked, store)


def made_values(job: Job) -> dict[str, object]:
    """Counts that differ from job to job, out of about 1000."""
    hits = int(job.key[:8], 16) % 1001
    if job.kind == "decision":
        return {"score": {"score": (1 + hits) / 1e7, "low": hits / 1e7, "high": None, "images": 5}}
    rates = [{"num_correct": (hits + 7 * number) % 1001, "num_evaluated": 1000 + hits % 7} for number in range(40)]
    return dict(zip(value_names(job), rates, strict=False))


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with what it holds."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@cache
def whole(*names: str, seeds: int = 1) -> Plan:
    """Exhibits at tiny scale, on official data sets."""
    return Plan(names, "tiny", {kind: kind for kind in KINDS}, KINDS, seeds)


def exhibit_result(
    exhibit: str, columns: Iterable[str], rows: dict[str, str], cells: Iterable[Any], **changes: Any
) -> ExhibitResult:
    """The document of an exhibit with rows by name and label."""
    about = dict.fromkeys(("title", "caption", "section"), "") | dict.fromkeys(("notes", "at_chance"), ())
    about |= {"exhibit": exhibit, "unit": "%", "view": "table", "scale": "tiny", "data": {"cifar10": "cifar10-jpeg"}, "readers": {}}
    labels = [{"name": name, "label": label} for name, label in rows.items()]
    shown = {"columns": tuple(columns), "rows": labels, "cells": tuple(cells), "seeds": 1, "jobs": {}}
    return ExhibitResult.model_validate(about | shown | changes)


def cell(
    row: str, column: str, published: float | None, found: tuple[float, float, float] | None, num_evaluated=50, seeds=1, job=""
) -> dict[str, Any]:
    """A cell of such a document; ``found`` is mean, low and high."""
    measured = found and {
        **dict(zip(("mean", "low", "high"), found, strict=True)),
        "values": [found[0]] * seeds,
        "intervals": [found[1:]] * seeds,
        "counts": [{"num_evaluated": num_evaluated}] * seeds,
        "seeds": list(range(seeds)),
    }
    jobs = [job] if job else []
    return {"row": row, "column": column, "published": published, "measured": measured, "difference": None, "jobs": jobs}
