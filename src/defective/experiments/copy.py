"""Copy results to another store, without models and images."""

import shutil
from pathlib import Path

from torch import Tensor

from defective.errors import InputError
from defective.experiments.describe import describe
from defective.experiments.store import Store
from defective.files import read_tensors, write_tensors
from defective.specs import GenerateJob, Job

# Tensors of an adversarial set that are copied: they identify the images of a number.
IMAGE_OUTCOMES = ("y", "predicted", "index")


def copy_measured(store: Store, to: Store) -> tuple[int, list[str]]:
    """Copy plans, and of each finished job its spec, its result and its per-image results; jobs that are there already stay.

    Reports without images, exports, claims and further seeds need no more; where a new number needs a model or adversarial images
    that are missing, their job is done again.

    Returns:
        Number of jobs copied, and a line for each that was skipped because a file of it is corrupt.

    Raises:
        InputError: If both stores have results of a data set of the same name with other images; nothing is copied then.
    """
    sets, known = store.data_sets(), to.data_sets()
    # Those that may be refused first.
    for name in sorted(sets, key=lambda name: name not in known):
        to.check_data(name, sets[name])
    for plan in store.plans()[0]:
        to.note_plan(plan)
    copied, left_out = 0, []
    for name in store.finished():
        about = name
        try:
            job = store.spec(name)
            if to.result(job) is not None:
                continue
            about = describe(job)
            outcomes = _outcomes(job, store.at(name))
        except InputError as error:
            left_out.append(f"{about}: {error}")
            continue
        with to.working(job) as folder:
            if folder is not None:
                for file, (tensors, metadata) in outcomes.items():
                    write_tensors(folder / file, tensors, metadata)
                # Last: with it the job is finished.
                shutil.copyfile(store.at(name) / "result.json", folder / "result.json")
                copied += 1
    return copied, left_out


def _outcomes(job: Job, folder: Path) -> dict[str, tuple[dict[str, Tensor], dict[str, object]]]:
    """Files with per-image results of a job; none of a job of an earlier version, which stored counts alone."""
    file, names = ("images.safetensors", IMAGE_OUTCOMES) if isinstance(job, GenerateJob) else ("outcome.safetensors", None)
    return {file: read_tensors(folder / file, names)} if (folder / file).exists() else {}
