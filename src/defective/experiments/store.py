"""The store: a folder with one directory for each finished job, written whole or not at all."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

from pydantic import ValidationError

from defective.errors import InputError
from defective.experiments.json_files import JsonFiles, unsealed, write_json
from defective.experiments.locks import locked, owner
from defective.experiments.plan import Plan, plan_key, read_plan
from defective.experiments.schema import DataSet, Failure, JsonObject, check_result, safe_name, value_names
from defective.files import check_folder
from defective.specs import Job, read_job

# Where only these are, a store was removed while a process was at it.
_PARTS = {"jobs", "running", "failed", "plans", "locks", "chunks", "corrupt", "data"}
# Seconds within which another process has written the record of a data set.
_PATIENCE = 10.0


class Store:
    """Finished, running and failed jobs by the key of their spec.

    ``jobs/KIND-KEY`` holds ``spec.json``, ``result.json`` and what else a finished job left; ``running/KIND-KEY`` what an unfinished one
    has so far, chunks of its measurements among it; ``failed/KIND-KEY.json`` the error of one that failed; ``plans`` what was asked for;
    ``chunks`` those of no job: predictions of models on the test set, and what :func:`defective.evaluation.evaluate` stores; ``corrupt``
    finished jobs whose result could not be read, put there when they were done again.
    Several processes, also of several machines on a shared folder, may work on one store: a job is locked while it runs, and the
    lock goes with its process.

    With ``make`` it is made if it is missing, and one that must not be written is refused; without, a missing store is an empty one.

    Raises:
        InputError: If it cannot be made or written, or is another kind of folder.

    Example:
        >>> import tempfile
        >>> store = Store(Path(tempfile.mkdtemp()))
        >>> list(store.finished())
        []
    """

    def __init__(self, folder: Path, *, make: bool = True) -> None:
        self.folder = folder
        self._files = JsonFiles()
        if make or not folder.is_dir():
            check_folder(folder)
        if folder.is_dir() and not (folder / "jobs").is_dir() and {each.name for each in folder.iterdir()} - _PARTS:
            raise InputError(f"{folder} is not empty and not a store: choose another folder")
        if make:
            self.make()

    def make(self) -> None:
        """Make its folders where they are missing."""
        # What tells a store from another folder comes first.
        for part in ("jobs", "plans", "running", "failed", "locks"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """A store that must be there already; it may be one that can only be read.

        Raises:
            InputError: If it is not.
        """
        if folder.is_file():
            raise InputError(f"{folder} is a file, not a store: name the folder that defective reproduce made")
        if not (folder / "jobs").is_dir():
            raise InputError(f"{folder}: there is no store; defective reproduce --store {folder} makes one")
        return cls(folder, make=False)

    def at(self, job: Job | str) -> Path:
        """Directory of a finished job."""
        return self.folder / "jobs" / _name(job)

    def result(self, job: Job | str) -> JsonObject | None:
        """What a finished job measured; None if it is not finished, which it is not either where the file is corrupt."""
        with suppress(InputError):
            return self._measured(job)
        return None

    def corrupt(self, jobs: Iterable[Job | str] | None = None) -> list[Path]:
        """Results, of all jobs or of some, that cannot be read: moved to ``corrupt`` when their jobs are done again."""
        found = []
        for name in [place.name for place in (self.folder / "jobs").glob("*")] if jobs is None else map(_name, jobs):
            try:
                self._measured(name)
            except InputError:
                found.append(self.at(name) / "result.json")
        return sorted(found)

    def _measured(self, job: Job | str) -> JsonObject | None:
        name = _name(job)
        # Not by pathlib: a report asks a hundred thousand times.
        found = self._files.read(f"{self.folder}/jobs/{name}/result.json", partial(_result, name))
        if found and not isinstance(job, str) and not set(value_names(job)) <= found["values"].keys():
            raise InputError(f"{self.at(name) / 'result.json'} lacks values of its job")
        return found

    def failure(self, job: Job | str) -> JsonObject | None:
        """How a job failed the last time it ran, or that the record cannot be read; None if it did not."""
        name = _name(job)
        try:
            return self._files.read(self.folder / "failed" / f"{name}.json", Failure.check)
        except InputError as error:
            # A note about a job that is done again anyway is no reason to stop.
            return {"job": name, "error": str(error)}

    def finished(self) -> Iterator[str]:
        """Names of the finished jobs."""
        names = sorted(place.parent.name for place in (self.folder / "jobs").glob("*/result.json"))
        yield from (name for name in names if self.result(name) is not None)

    def specs(self) -> Iterator[tuple[str, Job]]:
        """Names and specs of the finished jobs, those left out whose spec cannot be read."""
        for name in self.finished():
            with suppress(InputError):
                yield name, self.spec(name)

    def unfinished(self) -> list[str]:
        """Names of the jobs that have begun and not ended: some process is at them, or was when it was killed."""
        return sorted(place.name for place in (self.folder / "running").glob("*") if place.is_dir())

    def failures(self) -> list[JsonObject]:
        """How jobs failed that have not been finished since, each as :meth:`failure` has it."""
        names = sorted(file.stem for file in (self.folder / "failed").glob("*.json"))
        return [document for name in names if (document := self.failure(name))]

    def begun(self, name: str) -> Job | None:
        """What an unfinished job is; None if nothing there says so."""
        with suppress(InputError):
            return self._files.read(self.folder / "running" / name / "spec.json", partial(_job, name))
        return None

    def spec(self, name: str) -> Job:
        """The job of a finished directory.

        Raises:
            InputError: If there is none of this name, or the file is corrupt or of another version.
        """
        job = self._files.read(self.folder / "jobs" / name / "spec.json", partial(_job, name))
        if job is None:
            raise InputError(f"{self.folder} has no finished job {name!r}; defective store ls lists them")
        return job

    @contextmanager
    def locked(self, name: str) -> Iterator[bool]:
        """Keep other processes from a job inside the block; False if one of them has it. The lock goes with its process."""
        self._check_there()
        with locked(self.folder / "locks", name) as mine:
            yield mine

    def owner(self, job: Job) -> str:
        """Which process is at a job and since when, in words."""
        return owner(self.folder / "locks", job.name)

    def _check_there(self) -> None:
        if not (self.folder / "jobs").is_dir():
            raise InputError(f"{self.folder} was removed while in use: start the command again")

    def _stay_removed(self) -> None:
        """Take away what this process has written since another one removed the store."""
        if not (self.folder / "jobs").exists() and not (self.folder / "plans").exists():
            for part in _PARTS:
                shutil.rmtree(self.folder / part, ignore_errors=True)
            with suppress(OSError):
                self.folder.rmdir()

    def set_aside(self, place: Path) -> Path:
        """Move the directory of a job, done or not, to where corrupt ones lie; return its new place."""
        folder = self.folder / "corrupt"
        folder.mkdir(exist_ok=True)
        aside = next(aside for number in count(1) if not (aside := folder / f"{place.name}-{number}").exists())
        place.rename(aside)
        return aside

    @contextmanager
    def working(self, job: Job) -> Iterator[Path | None]:
        """The directory in which to do a job, locked; None if another process is doing it or has done it.

        Where the block writes ``result.json`` into it, the job is finished when the block ends; else what is there is kept.
        """
        with self.locked(job.name) as mine:
            if not mine or self.result(job) is not None:
                yield None
                return
            place = self.folder / "running" / job.name
            write_json(place / "spec.json", job.model_dump(mode="json"))
            # If it is there already, its process was killed in between.
            done = (place / "result.json").exists()
            try:
                yield None if done else place
                if (place / "result.json").exists():
                    self._finish(job, place)
            finally:
                self._stay_removed()

    def _finish(self, job: Job, place: Path) -> None:
        self._check_there()
        # What a process was writing when it was killed, and what a training run had no time to take away.
        for temporary in [*place.rglob(".*"), *place.rglob("state.safetensors")]:
            temporary.unlink()
        shutil.rmtree(place / "chunks", ignore_errors=True)
        if self.at(job).exists():
            # Its result was corrupt or taken away; what else it measured is nobody's to delete.
            self.set_aside(self.at(job))
        place.rename(self.at(job))
        self.forget_failure(job)

    def fail(self, job: Job, error: BaseException) -> None:
        """Record that a job failed."""
        self._check_there()
        text = " ".join(str(error).split()) or type(error).__name__
        document = {"job": job.name, "error": text, "type": type(error).__name__, "spec": job.model_dump(mode="json")}
        write_json(self.folder / "failed" / f"{job.name}.json", document)

    def forget_failure(self, job: Job) -> None:
        """Remove the record that a job failed, if there is one."""
        (self.folder / "failed" / f"{job.name}.json").unlink(missing_ok=True)

    def note_plan(self, plan: Plan) -> None:
        """Remember what was asked for: it is what a report shows."""
        write_json(self.folder / "plans" / f"{plan_key(plan.as_dict())}.json", plan.as_dict())

    def plans(self) -> tuple[list[Plan], list[str]]:
        """What was asked for so far; of each plan that cannot be read, which file it is and what is wrong with it."""
        plans, unread = [], []
        for file in sorted((self.folder / "plans").glob("*.json")):
            try:
                plan = self._files.read(file, partial(read_plan, file.stem))
                plans += [plan] if plan is not None else []
            except InputError as error:
                # One bad plan must not keep the others from being shown.
                unread.append(str(error).rpartition(": ")[0])
        return plans, unread

    def data_sets(self) -> dict[str, str]:
        """Digests of the data sets that results are of, by name; of records that can be read."""
        found = {}
        for file in sorted((self.folder / "data").glob("*.json")):
            with suppress(InputError):
                found[file.stem] = (self._files.read(file, DataSet.check) or {})["digest"]
        return found

    def check_data(self, name: str, digest: str) -> None:
        """Refuse another data set under the name of one that results in this store were measured on.

        Raises:
            InputError: If the images differ from those first used under this name, or another process does not let go of its record.
        """
        try:
            file = self.folder / "data" / f"{safe_name(name)}.json"
        except ValueError as error:
            raise InputError(f"data set: {error}: rename it") from None
        locks = self.folder / "locks"
        # Of several processes that begin at once one names it.
        with locked(locks, name, patience=_PATIENCE) as mine:
            if not mine:
                raise InputError(f"{locks / name}.lock: {owner(locks, name)}: end that process, or start this command again later")
            known = self._files.read(file, DataSet.check)
            if known is None:
                write_json(file, known := {"digest": digest})
        if known["digest"] != digest:
            raise InputError(
                f"{name}: its images differ from those of the results in {self.folder}: use another store, or rename it"
            )


def _name(job: Job | str) -> str:
    return job if isinstance(job, str) else job.name


def _result(name: str, document: JsonObject) -> JsonObject:
    found = unsealed(name, document)
    check_result(name.partition("-")[0], found)
    return found


def _job(name: str, document: JsonObject) -> Job:
    try:
        job = read_job(document)
    except ValidationError:
        raise ValueError("it is not a job of this version") from None
    if job.name != name:
        raise ValueError("it is not the job that its folder is named after")
    return job
