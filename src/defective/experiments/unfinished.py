"""What is begun in a store and not finished: which jobs, and how far they are."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from defective.errors import InputError
from defective.experiments.describe import describe
from defective.experiments.store import Store
from defective.files import read_about
from defective.specs import TrainJob


def unfinished(store: Store) -> list[dict[str, Any]]:
    """The jobs that some process is at, or was when it was stopped.

    For each ``job``; what it is ``about``, None where nothing in the store says so; of training ``epochs`` done and ``of_epochs``, over all
    members of an ensemble, else None. Chunks of other jobs are not counted: what there is to do is known when a job runs.
    """
    rows = []
    for name in store.unfinished():
        job, epochs, of_epochs = store.begun(name), None, None
        if isinstance(job, TrainJob):
            of_epochs = job.recipe.trained_epochs * job.net.members
            epochs = min(_epochs(store.folder / "running" / name, job.recipe.trained_epochs), of_epochs)
        rows.append({"job": name, "about": job and describe(job), "epochs": epochs, "of_epochs": of_epochs})
    return rows


def _epochs(folder: Path, of_one: int) -> int:
    """Whole epochs that a run, or the members of an ensemble in folders of their own, have behind them."""
    done = 0
    for training in {file.parent for file in folder.rglob("*.safetensors")}:
        if (training / "result.json").exists():
            done += of_one
        else:
            # A run that ends at this moment takes its state away.
            with suppress(InputError):
                done += len(read_about(training / "state.safetensors").get("history", ()))
    return done
