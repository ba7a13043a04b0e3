"""The JSON documents of a store: what each must hold to be read. More may be in them."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, ValidationError, model_validator

from defective.specs import Job, NoiseJob, ShuffleJob

# Kind of job to the names of its values; those of curves depend on the job.
_VALUES = {"train": ["test_accuracy"], "generate": ["fooled"], "score": ["paper", "target-correct", "all"], "decision": ["score"]}


class _Record(BaseModel):
    model_config = ConfigDict(strict=True)


class _Rate(_Record):
    num_correct: NonNegativeInt
    num_evaluated: NonNegativeInt

    @model_validator(mode="after")
    def _no_more_correct_than_evaluated(self) -> Self:
        if self.num_correct > self.num_evaluated:
            raise ValueError(f"{self.num_correct} correct of {self.num_evaluated}")
        return self


class _Score(_Record):
    score: NonNegativeFloat | None
    low: NonNegativeFloat
    high: NonNegativeFloat | None
    images: NonNegativeInt


class JobResult(_Record):
    """``result.json``."""

    values: Annotated[dict[str, _Rate | _Score], Field(min_length=1)]
    seconds: NonNegativeFloat
    machine: dict[str, Any]
    kind_of_device: str
    finished: str


class Failure(_Record):
    """``failed/KIND-KEY.json``."""

    job: str
    error: str


class PlanRecord(BaseModel):
    """``plans/KEY.json``, as :meth:`defective.experiments.plan.Plan.as_dict` wrote it."""

    exhibits: list[str]
    scale: str
    data: dict[str, str]
    shapes: dict[str, tuple[int, int, int]]
    seeds: int
    readers: dict[str, str] = {}

    @model_validator(mode="after")
    def _shapes_of_all(self) -> Self:
        if missing := sorted(self.data.keys() - self.shapes.keys()):
            raise ValueError(f"no shape of {missing[0]}")
        return self


class DataSet(_Record):
    """``data/NAME.json``."""

    digest: str


def blank(job: Job) -> dict[str, Any]:
    """A result of the form of a job's, which took a second and could count nothing."""
    nothing = (
        {"score": None, "low": 0.0, "high": None, "images": 0} if job.kind == "decision" else {"num_correct": 0, "num_evaluated": 0}
    )
    about = {"seconds": 1.0, "machine": {}, "kind_of_device": "cpu", "finished": ""}
    return {"values": dict.fromkeys(_names(job), nothing), **about}


def _names(job: Job) -> list[str]:
    if isinstance(job, NoiseJob | ShuffleJob):
        return [f"{number}/{strength}" for number in range(len(job.targets)) for strength in job.strengths]
    return _VALUES[job.kind]


def format_error(error: ValueError) -> str:
    """What is wrong with a document, in a few words.

    Example:
        >>> try:
        ...     Failure.model_validate({"job": "train-0"})
        ... except ValidationError as error:
        ...     format_error(error)
        'error: Field required'
    """
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return ": ".join([*([".".join(map(str, first["loc"]))] if first["loc"] else []), first["msg"]])
