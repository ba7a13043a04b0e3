"""The JSON documents of a store: what each must hold to be read. More may be in them."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, ValidationError, model_validator

from defective.specs import Job, NoiseJob, ShuffleJob

# Kind of job to the names of its values; those of curves depend on the job.
_VALUES = {"train": ["test_accuracy"], "generate": ["fooled"], "score": ["paper", "target-correct", "all"], "decision": ["score"]}


def safe_name(name: str) -> str:
    """A name that is one part of a path and stays where it is put; it may come from a store that somebody else made.

    Raises:
        ValueError: If it is empty, longer than 200 bytes, ``.`` or ``..``, or holds a separator or a character that is not printable.

    Example:
        >>> safe_name("cifar10-jpeg")
        'cifar10-jpeg'
    """
    if name in ("", ".", "..") or not name.isprintable() or {"/", "\\"} & set(name) or len(name.encode()) > 200:
        raise ValueError(f"{name[:60]!r} is no name of a file")
    return name


SafeName = Annotated[str, AfterValidator(safe_name)]
# What a float holds exactly, and far more than there are images.
Count = Annotated[int, Field(ge=0, le=1 << 53)]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Rate(_Record):
    num_correct: Count
    num_evaluated: Count

    @model_validator(mode="after")
    def _no_more_correct_than_evaluated(self) -> Self:
        if self.num_correct > self.num_evaluated:
            raise ValueError(f"{self.num_correct} correct of {self.num_evaluated}")
        return self


class _Score(_Record):
    score: NonNegativeFloat | None
    low: NonNegativeFloat
    high: NonNegativeFloat | None
    images: Count


class JobResult(_Record):
    """``result.json``."""

    values: Annotated[dict[str, _Rate | _Score], Field(min_length=1)]
    seconds: NonNegativeFloat
    machine: dict[str, str | int | float | bool | None]
    kind_of_device: SafeName
    finished: str


class Failure(_Record):
    """``failed/KIND-KEY.json``."""

    job: str
    error: str


class PlanRecord(BaseModel):
    """``plans/KEY.json``, as :meth:`defective.experiments.plan.Plan.as_dict` wrote it."""

    exhibits: list[str]
    scale: str
    data: dict[str, SafeName]
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


def format_error(error: ValueError | RecursionError) -> str:
    """What is wrong with a document, in a few words.

    Example:
        >>> try:
        ...     Failure.model_validate({"job": "train-0"})
        ... except ValidationError as error:
        ...     format_error(error)
        'error: Field required'
    """
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return ": ".join([*([".".join(map(str, first["loc"]))] if first["loc"] else []), first["msg"]])
