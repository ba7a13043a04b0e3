"""The JSON documents of a store: what each must hold to be read. More may be in them."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from defective.specs import Job, NoiseJob, ShuffleJob
from defective.text import plain

JsonObject = dict[str, Any]
# Kind of job to the names of its values; those of curves depend on the job.
_VALUES = {"train": ["test_accuracy"], "generate": ["fooled"], "score": ["paper", "target-correct", "all"], "decision": ["score"]}


def safe_name(name: str) -> str:
    """Text that names one file or folder below another, whatever the system.

    Raises:
        ValueError: If it is empty or too long, leads elsewhere, or holds what no name holds.

    Example:
        >>> safe_name("cifar10-jpeg")
        'cifar10-jpeg'
    """
    if name in ("", ".", "..") or any(character in "/\\" or not character.isprintable() for character in name):
        raise ValueError(f"{name[:60]!a} is not a file name")
    if len(name.encode()) > _LONGEST_NAME:
        raise ValueError(f"a name of {len(name.encode())} bytes is too long")
    return name


# Room for an ending within the 255 bytes that systems allow.
_LONGEST_NAME = 200
Name = Annotated[str, AfterValidator(safe_name)]
# Larger ones are exact in no float.
Count = Annotated[int, Field(ge=0, le=1 << 53)]
Amount = Annotated[float, Field(ge=0, le=1e15)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    @classmethod
    def check(cls, document: JsonObject) -> JsonObject:
        """The document itself; a ValueError if it is of another form."""
        cls.model_validate(document)
        return document


class _Rate(_Record):
    num_correct: Count
    num_evaluated: Count

    @model_validator(mode="after")
    def _no_more_correct_than_evaluated(self) -> Self:
        if self.num_correct > self.num_evaluated:
            raise ValueError(f"{self.num_correct} correct of {self.num_evaluated}")
        return self


class _Score(_Record):
    score: Amount | None
    low: Amount
    high: Amount | None
    images: Count


class _Epoch(_Record):
    epoch: Count
    train_accuracy: Share
    test_accuracy: Share | None = None


class _Changes(_Record):
    linf_max: Amount
    l2_mean: Amount


class JobResult(_Record):
    """``result.json``."""

    values: Annotated[dict[str, _Rate | _Score], Field(min_length=1)]
    seconds: Amount
    machine: dict[str, str]
    kind_of_device: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    finished: Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\d)?$")]
    chance: Share = 0.0
    parameters: Count | None = None
    train_images: Count | None = None
    history: list[_Epoch] = []
    changes: _Changes | None = None
    threat_model: str | None = None


def check_result(kind: str, document: JsonObject) -> None:
    """Refuse what is no result of a kind of job.

    Raises:
        ValueError: If it is of another form, or a value is missing.
    """
    found = JobResult.model_validate(document)
    if missing := set(_VALUES.get(kind, ())) - found.values.keys():
        raise ValueError(f"values: there is no {min(missing)!r}")
    if any(isinstance(value, _Score) != (kind == "decision") for value in found.values.values()):
        raise ValueError(f"values: not those of a {kind} job")


class Failure(_Record):
    """``failed/KIND-KEY.json``."""

    job: str
    error: str
    spec: JsonObject = {}


class DataSet(_Record):
    """``data/NAME.json``."""

    digest: str


class Owner(_Record):
    """``locks/KIND-KEY.json``: which process is at a job."""

    pid: Count
    host: str
    since: str


def value_names(job: Job) -> list[str]:
    """The names of the values that a job measures."""
    if isinstance(job, NoiseJob | ShuffleJob):
        return [f"{number}/{strength}" for number in range(len(job.targets)) for strength in job.strengths]
    return _VALUES[job.kind]


def format_error(error: ValueError) -> str:
    """What is wrong with a document, on one line.

    Example:
        >>> try:
        ...     Failure.model_validate({"job": "train-0"})
        ... except ValidationError as error:
        ...     format_error(error)
        'error: is missing'
    """
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        text = ": ".join(filter(None, [".".join(map(str, first["loc"])), plain(first["msg"])]))
    else:
        text = "nested too deeply" if "recursion limit" in str(error) else str(error)
    return " ".join(text.split())[:300]
